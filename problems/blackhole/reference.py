"""InverseBench's reference observation and image, read with ehtim."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import randn
from lmaps_science.problems.blackhole.fourier import FourierSampling
from lmaps_science.problems.blackhole.inversebench import ClosureTable, InverseBenchClosures
from lmaps_science.problems.blackhole.observation import INTRA_SITE
from lmaps_science.problems.blackhole.silence import silenced

if TYPE_CHECKING:
    from lmaps_science.problems.blackhole.operator import Noise

NOISE_TYPES = ("vis_thermal", "eht")


@dataclass(frozen=True)
class Reference:
    """ehtim's observation and image, in InverseBench's units.

    Attributes
    ----------
    observation, image : object
        ehtim's ``Obsdata`` and ``Image``, the image on the operator's grid.
    """

    observation: Any
    image: Any

    @classmethod
    def read(cls, root: str | Path, image_size: int) -> "Reference":
        """Read ``obs.uvfits`` and ``gt.fits`` of the folder `root`."""
        root = Path(root)
        for name in ("obs.uvfits", "gt.fits"):
            if not (root / name).is_file():
                raise FileNotFoundError(f"{root / name}: no such file; expected InverseBench's")
        with silenced():
            try:
                import ehtim
            except ImportError as error:
                raise ImportError(
                    "InverseBench's closures need ehtim: pip install 'lmaps-science[eht]'"
                ) from error
            observation = ehtim.obsdata.load_uvfits(str(root / "obs.uvfits"))
            image = ehtim.image.load_fits(str(root / "gt.fits"))
            return cls(observation, image.regrid_image(image.fovx(), image_size))

    @property
    def brightest(self) -> float:
        """Jansky of the brightest pixel, InverseBench's unit."""
        return float(self.image.ivec.max())

    @property
    def uv(self) -> NDArray[np.float64]:
        """Spatial frequencies, (visibilities, 2), wavelengths."""
        rows = self.observation.data
        return np.stack([rows["u"], rows["v"]], 1)

    def sampling(self, device: str | torch.device) -> FourierSampling:
        """Of the reference's baselines and, last, the zero baseline."""
        uv = np.concatenate([self.uv, np.zeros((1, 2))])
        return FourierSampling(uv, self.image.xdim, self.image.psize, device)

    def likelihood(
        self, weights: tuple[float, float, float, float], device: str | torch.device
    ) -> InverseBenchClosures:
        """InverseBench's loss on ehtim's minimal closures."""
        sigma = self.observation.data["sigma"] / self.brightest
        return InverseBenchClosures(self.closures(), sigma, *weights, device=device)

    def closures(self) -> ClosureTable:
        """ehtim's minimal sets as rows of the observation."""
        row, conjugate = {}, {}
        for i, (time, a, b) in enumerate(self.observation.data[["time", "t1", "t2"]].tolist()):
            row[time, a, b] = row[time, b, a] = i
            conjugate[time, a, b], conjugate[time, b, a] = 0, 1
        with silenced():
            phases = self.observation.bispectra(count="min")
            amplitudes = self.observation.c_amplitudes(count="min")
        triangles = [
            [(t, a, b), (t, b, c), (t, c, a)]
            for t, a, b, c in phases[["time", "t1", "t2", "t3"]].tolist()
        ]
        quadrangles = [
            [(t, a, b), (t, c, d), (t, a, d), (t, b, c)]
            for t, a, b, c, d in amplitudes[["time", "t1", "t2", "t3", "t4"]].tolist()
        ]
        return ClosureTable(
            np.array([[row[side] for side in sides] for sides in triangles]),
            np.array([[conjugate[side] for side in sides] for sides in triangles]),
            np.array([[row[side] for side in sides] for sides in quadrangles]),
        )

    def noise(
        self, noise_type: str, sampling: FourierSampling, likelihood: InverseBenchClosures
    ) -> "Noise":
        """What a measurement draws, seeded by its generator."""
        if noise_type not in NOISE_TYPES:
            raise ValueError(
                f"noise_type: expected one of {', '.join(NOISE_TYPES)}, got {noise_type!r}"
            )

        def thermal(image: Tensor, generator: torch.Generator | None) -> Tensor:
            v = sampling.forward(image)
            # Each of the real and imaginary parts has the variance sigma².
            noise = 2**0.5 * likelihood.sigma.to(image) * randn(v[:, :-1], generator)
            noisy = torch.cat([v[:, :-1] + noise, v[:, -1:]], 1)
            return likelihood.measure(noisy, v[:, -1:].real).joined()

        def corrupted(image: Tensor, generator: torch.Generator | None) -> Tensor:
            seeds = torch.randint(1, 2**31 - 1, (len(image),), generator=generator).tolist()
            v = torch.stack([self._observe(x, s) for x, s in zip(image, seeds, strict=True)])
            intra = torch.from_numpy(np.hypot(*self.uv.T) < INTRA_SITE)
            if not intra.any():
                raise ValueError(
                    "noise_type 'eht' takes the flux from baselines within a site, and the "
                    "reference observation has none: use 'vis_thermal'"
                )
            flux = v[:, intra].abs().median(1, keepdim=True).values
            v = torch.cat([v, flux.to(v)], 1).to(image.device)
            return likelihood.measure(v, v[:, -1:].real).joined().to(image.dtype)

        return {"vis_thermal": thermal, "eht": corrupted}[noise_type]

    def _observe(self, image: Tensor, seed: int) -> Tensor:
        """Visibilities with ehtim's thermal noise, gains and phases, (visibilities,)."""
        source = self.image.copy()
        source.ivec = self.brightest * image.clamp(0, 1).double().cpu().numpy().ravel()
        with silenced():
            measured = source.observe_same(
                self.observation,
                ampcal=False,
                phasecal=False,
                ttype="direct",
                seed=seed,
                verbose=False,
            )
        return torch.from_numpy(measured.data["vis"] / self.brightest)

"""The package's operators as forward operators of InverseBench: its names, shapes and methods.

Thin: each makes an operator of ours from the host's parameters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.inversebench.forward import HostForward, LinearForward
from lmaps_science.operator import per_item
from lmaps_science.problems.blackhole.metrics import (
    inversebench_chi_squared,
    inversebench_psnr,
)
from lmaps_science.problems.blackhole.operator import BlackHoleImaging as OwnBlackHole
from lmaps_science.problems.mri.masks import cartesian_mask
from lmaps_science.problems.mri.operator import MultiCoilMRI as OwnMRI
from lmaps_science.problems.scattering.operator import InverseScattering


class InverseScatter(LinearForward):
    """`lmaps_science.problems.InverseScattering` with the parameters of the host's.

    Parameters
    ----------
    Lx, Ly : float
        Sides of the object, metre; equal.
    Nx, Ny : int
        Pixels along them; equal.
    wave : float
        Wavelength in pixels.
    numRec, numTrans : int
        Receivers and transmitters on the circle.
    sensorRadius : float
        Of the circle, metre.
    sigma_noise : float
        Standard deviation of the complex noise.
    unnorm_shift, unnorm_scale : float
        Contrast = (x + unnorm_shift) * unnorm_scale; the shift is 1.
    device : str or torch.device
        Where it computes.
    """

    def __init__(
        self,
        Lx: float = 0.18,
        Ly: float = 0.18,
        Nx: int = 128,
        Ny: int = 128,
        wave: float = 6,
        numRec: int = 360,
        numTrans: int = 60,
        sensorRadius: float = 1.6,
        sigma_noise: float = 0.0,
        unnorm_shift: float = 1.0,
        unnorm_scale: float = 0.5,
        device: str | torch.device = "cpu",
    ) -> None:
        if Lx != Ly or Nx != Ny or unnorm_shift != 1:
            raise ValueError(
                "InverseScatter: expected a square object (Lx = Ly, Nx = Ny) and unnorm_shift = 1, "
                f"got {Lx=}, {Ly=}, {Nx=}, {Ny=}, {unnorm_shift=}"
            )
        super().__init__(
            InverseScattering(
                Nx, Lx, wave, numTrans, numRec, sensorRadius, sigma_noise, "inversebench",
                2 * unnorm_scale, device,
            )
        )  # fmt: skip


class BlackHoleImaging(HostForward):
    """`lmaps_science.problems.BlackHoleImaging` with the parameters of the host's.

    Parameters
    ----------
    root : str or Path
        Folder with ``obs.uvfits`` and ``gt.fits``.
    imsize : int
        Pixels along each side.
    noise_type : str
        'vis_thermal' or 'eht'.
    w1, w2, w3, w4 : float
        Weights of amplitudes, closure phases, log closure amplitudes and flux.
    device : str or torch.device
        Where it computes.
    """

    operator: OwnBlackHole

    def __init__(
        self,
        root: str | Path,
        imsize: int = 64,
        noise_type: str = "vis_thermal",
        w1: float = 0.0,
        w2: float = 1.0,
        w3: float = 1.0,
        w4: float = 0.5,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(
            OwnBlackHole.from_inversebench(root, imsize, noise_type, w1, w2, w3, w4, device)
        )

    def __call__(self, data: Mapping[str, Tensor]) -> Tensor:
        """Measure ``data["target"]``, (1, 1, data, 1), float32."""
        return super().__call__(data).float()

    def loss_m(self, measurements: Tensor, observation: Tensor) -> Tensor:
        """InverseBench's loss of closures, flux and amplitudes that are given, (batch,)."""
        likelihood = self.operator.likelihood
        got, data = (likelihood.split(self._data(y)) for y in (measurements, observation))
        w1, w2, w3, w4 = likelihood.weights
        amplitude = ((got.amplitude - data.amplitude) / data.amplitude_sigma).square()
        phase = 2 * (1 - (got.phase - data.phase).cos()) / data.phase_sigma.square()
        log_amplitude = (got.log_amplitude - data.log_amplitude) / data.log_amplitude_sigma
        flux = ((got.flux - data.flux) / 2).square()
        parts = (w1 * amplitude, w2 * phase, w3 * log_amplitude.square(), w4 * flux)
        return 2 * sum((per_item(part) for part in parts), torch.zeros(()).to(flux))

    def evaluate_chisq(self, x: Tensor, y: Tensor, normalize: bool = True) -> tuple[Tensor, Tensor]:
        """χ² of closure phases and log closure amplitudes of images in [0, 1], each (batch,)."""
        values = self.operator.chi_squared(self.normalize(x), self._data(y))
        if normalize:
            return inversebench_chi_squared(values[0]), inversebench_chi_squared(values[1])
        return values

    def evaluate_psnr(self, image1: Tensor, image2: Tensor, blur_factors: Any = None) -> Tensor:  # noqa: ANN401, ARG002
        """InverseBench's four columns of PSNR of images in [0, 1], (batch, 4)."""
        return torch.stack(list(inversebench_psnr(image2, image1).values()), 1)


class MultiCoilMRI(LinearForward):
    """`lmaps_science.problems.MultiCoilMRI` with the parameters of the host's.

    Parameters
    ----------
    total_lines : int
        Phase-encode lines of the full k-space.
    acceleration_ratio : float
        Nominal acceleration.
    pattern : str
        'random' or 'equispaced'.
    orientation : str
        'vertical' (phase along x) or 'horizontal'.
    mask_fname : str, optional
        ``.npy`` with the lines, (lines,), instead.
    mask_seed : int
        Of the random lines.
    sigma_noise : float
        Standard deviation of the complex noise.
    device : str or torch.device
        Where it computes.
    """

    unnorm_shift, unnorm_scale = 0.0, 1.0
    precision = torch.float32

    def __init__(
        self,
        total_lines: int = 128,
        acceleration_ratio: float = 8,
        pattern: str = "random",
        orientation: str = "vertical",
        mask_fname: str | None = None,
        mask_seed: int = 0,
        sigma_noise: float = 0.0,
        device: str | torch.device = "cpu",
    ) -> None:
        if orientation not in ("vertical", "horizontal"):
            raise ValueError(
                f"orientation: expected 'vertical' or 'horizontal', got {orientation!r}"
            )
        lines = (
            cartesian_mask(total_lines, acceleration_ratio, pattern, mask_seed)
            if mask_fname is None
            else np.load(mask_fname).astype(bool)
        )
        grid = lines[None, :] if orientation == "vertical" else lines[:, None]
        self.mask = torch.from_numpy(grid[None, None]).to(device)
        self._device, self._sigma_noise = torch.device(device), sigma_noise
        self.maps: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    @property
    def sigma_noise(self) -> float:
        """Noise level of a datum."""
        return self._sigma_noise

    def __call__(self, data: Mapping[str, Tensor]) -> Tensor:
        """Take over ``data["maps"]`` and sample ``data["kspace"]``, (1, coils, y, x, 2)."""
        self.maps = data["maps"]
        self.__dict__.pop("A", None)
        self.operator = OwnMRI(
            self.maps[0], self.mask[0, 0], self._sigma_noise, device=self._device
        )
        return torch.view_as_real(self.mask * data["kspace"])

    def normalize(self, inputs: Tensor) -> Tensor:
        """Images are normalised as they are."""
        return inputs

    def unnormalize(self, inputs: Tensor) -> Tensor:
        """Images are normalised as they are."""
        return inputs

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Say why there is no operator before the first measurement."""
        if name == "operator":
            raise ValueError(
                "MultiCoilMRI has no sensitivity maps yet: it takes them when it measures, so run "
                "with inference=True"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

"""Cases in InverseBench's own layouts: its LMDB of images, its folder of black holes, its MRI."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmaps_science.benchmark.cases import Simulated, Source, generator_of
from lmaps_science.benchmark.sources.scattering import Scattering
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement


@dataclass(frozen=True)
class HostScattering(Scattering):
    """``inv-scatter-test``, measured here as InverseBench measures it.

    Cases are called as InverseBench calls its results, so that both can share a table; the noise
    is drawn anew.
    """

    root: str = ""
    count: int = 100

    def cases(self) -> list[str]:
        """The first `count` images."""
        return _results(self.count)

    def tuning_cases(self) -> list[str]:
        """Images behind them."""
        return _results(3, self.count)

    def image(self, case: str) -> Tensor:
        """(y, x) in [-1, 1]."""
        from lmaps_science.problems.scattering.objects import read_inversebench

        return torch.from_numpy(read_inversebench(self.root, self.num_pixels, [_index(case)])[0])

    def provenance(self) -> dict[str, str]:
        """Of the LMDB."""
        return _lmdb(self.root)

    def measured(self) -> dict[str, Any]:
        """As InverseBench calls its settings."""
        return {
            "Nx": self.num_pixels,
            "numRec": self.num_receivers,
            "numTrans": self.num_transmitters,
            "sigma_noise": self.sigma_noise,
        }


@dataclass(frozen=True)
class HostBlackHole(Source):
    """``blackhole/test``, seen as ``blackhole/measure`` was.

    Attributes
    ----------
    root : str
        Folder that holds both.
    noise_type : str
        ``"vis_thermal"`` or ``"eht"``, which are not comparable.
    count : int
        Images.
    """

    root: str = ""
    noise_type: str = "vis_thermal"
    count: int = 100

    def cases(self) -> list[str]:
        """The first `count` images."""
        return _results(self.count)

    def tuning_cases(self) -> list[str]:
        """Images behind them."""
        return _results(3, self.count)

    def measure(self, case: str, device: str) -> Measurement:
        """Noise by the case's name."""
        operator = _black_hole(str(Path(self.root) / "measure"), self.noise_type, device)
        image = _lmdb_image(str(Path(self.root) / "test"), _index(case)).to(device)
        y = operator({"target": image}, generator_of(case))
        total = operator.unnormalize(image)
        return Simulated(operator, y, operator.flux * total / total.sum())

    def provenance(self) -> dict[str, str]:
        """Of the observation and the images."""
        measure = Path(self.root) / "measure"
        files = {str(p): p for p in (measure / "obs.uvfits", measure / "gt.fits")}
        _require(*files.values())
        return {n: file_sha256(p) for n, p in files.items()} | _lmdb(str(Path(self.root) / "test"))

    def measured(self) -> dict[str, Any]:
        """As InverseBench calls its settings."""
        return {"noise_type": self.noise_type, "imsize": 64}


@dataclass(frozen=True)
class HostMRI(Source):
    """An LMDB of k-space, maps and reference images, or a file of maps beside its k-space.

    The truth is the root sum of squares of the complete k-space, not InverseBench's combination
    of the coils, so that its results never share a table with these.
    """

    root: str = ""
    acceleration: float = 4.0
    pattern: str = "random"
    mask_seed: int = 0
    count: int = 10

    def cases(self) -> list[str]:
        """The first `count` slices."""
        return _results(self.count)

    def tuning_cases(self) -> list[str]:
        """Slices behind them."""
        return _results(3, self.count)

    def measure(self, case: str, device: str) -> Measurement:
        """Lines by `mask_seed`."""
        from lmaps_science.imaging.mri import MRI

        return MRI().read(
            [Path(self.root)],
            device,
            slice_index=_index(case),
            acceleration=self.acceleration,
            pattern=self.pattern,
            mask_seed=self.mask_seed,
        )

    def provenance(self) -> dict[str, str]:
        """Of its files."""
        from lmaps_science.imaging.mri import MRI

        _require(Path(self.root))
        return {str(p): file_sha256(p) for p in MRI().files(Path(self.root))}


def _results(count: int, first: int = 0) -> list[str]:
    return [f"result_{index}" for index in range(first, first + count)]


def _index(case: str) -> int:
    return int(case.rsplit("_", 1)[1])


def _require(*paths: Path) -> None:
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: no such file or folder; it is one of InverseBench's data sets: set "
                "INVERSEBENCH_DATA to the folder that holds them, or name it under options"
            )


def _lmdb(root: str) -> dict[str, str]:
    path = Path(root) / "data.mdb"
    _require(path)
    return {str(path): file_sha256(path)}


@lru_cache(maxsize=2)
def _black_hole(root: str, noise_type: str, device: str) -> Any:  # noqa: ANN401
    from lmaps_science.problems.blackhole.operator import BlackHoleImaging

    return BlackHoleImaging.from_inversebench(root, noise_type=noise_type, device=device)


def _lmdb_image(root: str, index: int) -> Tensor:
    """Of float64 in [0, 1], (1, 1, 64, 64) in [-1, 1]."""
    import lmdb
    import numpy as np

    with lmdb.open(root, readonly=True, lock=False) as base, base.begin() as transaction:
        value = transaction.get(str(index).encode())
    if value is None:
        raise ValueError(f"{root}: image {index}: no such image")
    image = np.frombuffer(value, np.float64).reshape(1, 1, 64, 64)
    return torch.from_numpy(2 * image - 1)

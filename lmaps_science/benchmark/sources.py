"""The sources of cases, by problem and name: embedded, of public data sets, of the user's files."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.benchmark.cases import (
    Simulated,
    Source,
    data_set_file,
    generator_of,
    index_of,
    numbered,
    seed_of,
)
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement, find_problem

if TYPE_CHECKING:
    from lmaps_science.problems.scattering.operator import InverseScattering

_NUM_TUNING = 3


@dataclass(frozen=True)
class Scattering(Source):
    """Fields that objects scatter in simulation; the options are `InverseScattering`'s."""

    num_pixels: int = 128
    num_transmitters: int = 20
    num_receivers: int = 60
    sigma_noise: float = 1e-4

    def measure(self, case: str, device: str) -> Measurement:
        """Noise by the case's name."""
        settings = (self.num_pixels, self.num_transmitters, self.num_receivers, self.sigma_noise)
        operator = _scattering(*settings, device)
        x = self.image(case)[None, None].to(device)
        y = operator({"target": x.double()}, generator_of(case))
        return Simulated(operator, y, operator.unnormalize(x))

    def image(self, case: str) -> Tensor:
        """The object, (y, x) in [-1, 1]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Nuclei(Scattering):
    """The package's three fields of cell nuclei."""

    def cases(self) -> list[str]:
        """All three."""
        return numbered("nuclei", 3)

    def image(self, case: str) -> Tensor:
        """The middle `num_pixels`."""
        from lmaps_science.demo import nuclei

        return _middle(nuclei()[index_of(case), 0], self.num_pixels)


@dataclass(frozen=True)
class Cells(Scattering):
    """Cell nuclei of the data set ``cells``: a tile of each image that no prior was trained on."""

    def cases(self) -> list[str]:
        """One of each of the images left out."""
        return numbered("cell", len(_cells("test", self.mirror)))

    def tuning_cases(self) -> list[str]:
        """Images of the training set."""
        return numbered("training-cell", _NUM_TUNING)

    def image(self, case: str) -> Tensor:
        """The middle `num_pixels`."""
        split = "train" if case.startswith("training") else "test"
        return _middle(_cells(split, self.mirror)[index_of(case)], self.num_pixels)

    def provenance(self) -> dict[str, str]:
        """Of the tiles."""
        return {"cells": file_sha256(data_set_file("cells", self.mirror))}


@dataclass(frozen=True)
class Shapes(Scattering):
    """Random discs, rectangles, rings and U-shapes, as many as are wanted."""

    count: int = 100

    def cases(self) -> list[str]:
        """`count` drawings."""
        return numbered("shapes", self.count)

    def tuning_cases(self) -> list[str]:
        """Others."""
        return numbered("tuning-shapes", _NUM_TUNING)

    def image(self, case: str) -> Tensor:
        """Drawn by the case's name."""
        from lmaps_science.problems.scattering.shapes import draw

        return draw(1, self.num_pixels, seed_of(case))[0, 0]


@dataclass(frozen=True)
class Sources(Source):
    """Drawn sources as the Event Horizon Telescope of April 2017 would see them.

    The options are `problems.blackhole.controls.simulate`'s; the noise is thermal, with station
    gains and phases that closures do not see.
    """

    compact_flux: float = 0.6
    fractional_error: float = 0.01
    gain_std: float = 0.2

    def cases(self) -> list[str]:
        """The controls: rings, and sources without one."""
        return list(_controls())

    def tuning_cases(self) -> list[str]:
        """Random sources of the population that priors are trained on."""
        return numbered("random", _NUM_TUNING)

    def brightness(self, case: str) -> Tensor:
        """The source, (1, 1, y, x) in [-1, 1]."""
        from lmaps_science.problems.blackhole.population import EVERYTHING, draw

        if case in _controls():
            return _controls()[case]
        kinds = {name: share for name, share in EVERYTHING.items() if name != "simulation"}
        return draw(1, kinds, seed=seed_of(case))

    def measure(self, case: str, device: str) -> Measurement:
        """Noise and gains by the case's name."""
        from lmaps_science.imaging.blackhole import BlackHoleMeasurement
        from lmaps_science.problems.blackhole.array import observe
        from lmaps_science.problems.blackhole.controls import simulate
        from lmaps_science.problems.blackhole.operator import BlackHoleImaging

        image = self.brightness(case)
        seen = simulate(
            observe(), image, self.compact_flux, seed_of(case), self.gain_std, self.fractional_error
        )
        settings = {
            "compact_flux": self.compact_flux,
            "fractional_error": self.fractional_error,
            "device": device,
        }
        operator = BlackHoleImaging.from_observations([seen], **settings)
        total = operator.unnormalize(image)
        truth = self.compact_flux * total / total.sum()
        return BlackHoleMeasurement(operator, [seen], settings, truth)


@dataclass(frozen=True)
class Simulations(Sources):
    """Simulated black holes that no prior was trained on, from the set ``black-hole-models``."""

    count: int = 12

    def cases(self) -> list[str]:
        """Turned, scaled and shifted at random."""
        return numbered("simulation", self.count)

    def brightness(self, case: str) -> Tensor:
        """The two models left out; to tune, the package's own sources."""
        from lmaps_science.problems.blackhole.population import draw

        if not case.startswith("simulation"):
            return super().brightness(case)
        return draw(1, {"simulation": 1.0}, _models(self.mirror), seed_of(case))

    def provenance(self) -> dict[str, str]:
        """Of the models."""
        name = "black-hole-models"
        return {name: file_sha256(data_set_file(name, self.mirror))}


@dataclass(frozen=True)
class Head(Source):
    """The package's slices of a head, with simulated coils and lines left out."""

    acceleration: float = 4.0
    pattern: str = "random"
    calibration_lines: int | None = None
    num_coils: int = 8
    sigma_noise: float = 0.02

    def cases(self) -> list[str]:
        """All three."""
        return numbered("head", 3)

    def magnitude(self, case: str) -> np.ndarray:
        """The slice, (y, x)."""
        from lmaps_science.problems.mri.simulation import sample_slices

        return sample_slices()[index_of(case)]

    def measure(self, case: str, device: str) -> Measurement:
        """Phase, noise and lines by the case's name; the truth is the image without noise."""
        from lmaps_science.imaging.mri import MRIMeasurement
        from lmaps_science.problems.mri.formats.scan import Scan
        from lmaps_science.problems.mri.masks import line_mask
        from lmaps_science.problems.mri.preparation import prepare
        from lmaps_science.problems.mri.simulation import simulate_kspace

        image, seed = self.magnitude(case), seed_of(case)
        kspace = simulate_kspace(image, self.num_coils, self.sigma_noise, seed)
        mask = line_mask(
            image.shape, self.acceleration, self.pattern, seed, self.calibration_lines, "x"
        )
        prepared = prepare(kspace, mask, device=device)
        truth = torch.from_numpy(image)[None, None].to(device) / prepared.operator.unnorm_scale
        prepared = replace(prepared, truth=torch.cat([truth, torch.zeros_like(truth)], 1))
        scan = Scan(Path(case), "simulated", 1, ("",), lambda _slice, _contrast: kspace)
        return MRIMeasurement(prepared, scan, 0, 0, retrospective=True)


@dataclass(frozen=True)
class People(Head):
    """A middle slice of people of the set ``brain-slices`` that no prior was trained on."""

    def cases(self) -> list[str]:
        """The people left out."""
        return numbered("person", len(_people(True, self.mirror)))

    def tuning_cases(self) -> list[str]:
        """People of the training set."""
        return numbered("training-person", _NUM_TUNING)

    def magnitude(self, case: str) -> np.ndarray:
        """The slice, (y, x), bright tissue about 1."""
        held_out = not case.startswith("training")
        return _people(held_out, self.mirror)[index_of(case)]

    def provenance(self) -> dict[str, str]:
        """Of the slices."""
        return {"brain-slices": file_sha256(data_set_file("brain-slices", self.mirror))}


@dataclass(frozen=True)
class Files(Source):
    """The user's own files, read as `lmaps reconstruct` reads them.

    Attributes
    ----------
    problem : str
        Whose.
    files : list of str
        Cases are called by their names without suffix.
    read : mapping
        Options of the problem's `read`.
    """

    problem: str = ""
    files: tuple[str, ...] = ()
    read: dict[str, Any] = field(default_factory=dict)

    def cases(self) -> list[str]:
        """One of each file."""
        names = [Path(f).stem for f in self.files]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"files: {', '.join(twice)}: expected names that differ")
        return names

    def measure(self, case: str, device: str) -> Measurement:
        """Read it."""
        path = Path(self.files[self.cases().index(case)])
        return find_problem(self.problem).read([path], device, **self.read)

    def provenance(self) -> dict[str, str]:
        """Of each file."""
        kind = find_problem(self.problem)
        parts = {str(p): p for f in self.files for p in kind.files(Path(f))}
        for path in parts.values():
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; it is named under files")
        return {name: file_sha256(path) for name, path in parts.items()}


@lru_cache(maxsize=4)
def _scattering(
    num_pixels: int, num_transmitters: int, num_receivers: int, sigma_noise: float, device: str
) -> "InverseScattering":
    from lmaps_science.problems.scattering.operator import InverseScattering

    return InverseScattering(
        num_pixels=num_pixels,
        num_transmitters=num_transmitters,
        num_receivers=num_receivers,
        sigma_noise=sigma_noise,
        device=device,
    )


def _middle(image: Tensor, size: int) -> Tensor:
    if size > image.shape[-1]:
        raise ValueError(f"num_pixels: expected at most {image.shape[-1]}, got {size}")
    start = (image.shape[-1] - size) // 2
    return image[start : start + size, start : start + size]


@lru_cache(maxsize=2)
def _cells(split: str, mirror: str | None) -> Tensor:
    """A tile of each image, in an order that mixes experiments, (count, y, x)."""
    from lmaps_science.problems.scattering.objects import cells

    tiles, image = cells(data_set_file("cells", mirror), split, return_index=True)
    order = np.random.default_rng(11).permutation(len(tiles))
    _, first = np.unique(image[order], return_index=True)
    return torch.from_numpy(tiles[order[np.sort(first)]])


@lru_cache(maxsize=1)
def _controls() -> dict[str, Tensor]:
    from lmaps_science.problems.blackhole.controls import control_images

    return control_images()


@lru_cache(maxsize=1)
def _models(mirror: str | None) -> Tensor:
    from lmaps_science.problems.blackhole.population import read_models

    path = data_set_file("black-hole-models", mirror)
    return torch.stack(list(read_models(path, held_out=True).values()))


@lru_cache(maxsize=2)
def _people(held_out: bool, mirror: str | None) -> np.ndarray:
    from lmaps_science.problems.mri.training_images import HELD_OUT

    with np.load(data_set_file("brain-slices", mirror)) as arrays:
        slices, subject = arrays["slices"], arrays["subject"]
    chosen = np.unique(subject[(subject % 10 == HELD_OUT) == held_out])
    middle = [slices[subject == one][(subject == one).sum() // 2] for one in chosen]
    return np.array(middle, dtype=np.float32) / np.quantile(middle, 0.995)

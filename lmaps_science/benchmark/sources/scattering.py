"""Objects that scatter, in simulation."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lmaps_science.benchmark.cases import (
    NUM_TUNING,
    Simulated,
    Source,
    data_set_file,
    generator_of,
    index_of,
    numbered,
    seed_of,
)
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement

if TYPE_CHECKING:
    from lmaps_science.problems.scattering.operator import InverseScattering


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

    @abstractmethod
    def image(self, case: str) -> Tensor:
        """The object, (y, x) in [-1, 1]."""


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
        return numbered("training-cell", NUM_TUNING)

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
        return numbered("tuning-shapes", NUM_TUNING)

    def image(self, case: str) -> Tensor:
        """Drawn by the case's name."""
        from lmaps_science.problems.scattering.shapes import draw

        return draw(1, self.num_pixels, seed_of(case))[0, 0]


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

"""Small coil arrays and the masks that an operator meets."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lmaps_science.problems import MultiCoilMRI

KINDS = ("lines in x", "lines in y", "weighted lines", "odd sizes", "points", "weighted points")


def coil_maps(coils: int, ny: int, nx: int, seed: int = 0) -> Tensor:
    """Smooth complex maps, (coils, y, x), with a corner that no coil sees."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : ny * 1j, -1 : 1 : nx * 1j]
    angles = 2 * np.pi * np.arange(coils) / coils
    maps = [
        np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) + 1j * (a + x * g[0] + y * g[1]))
        for a, g in zip(angles, generator.standard_normal((coils, 2)), strict=True)
    ]
    return torch.from_numpy(np.array(maps) * (x + y > -1.5))


@pytest.fixture(scope="session")
def make_operator() -> Callable[..., MultiCoilMRI]:
    """An operator of a kind of sampling; lines are 4 of 12, 2 of them in the centre."""

    def make(kind: str = "lines in x", coils: int = 3, sigma_noise: float = 0.1) -> MultiCoilMRI:
        ny, nx = (9, 13) if kind == "odd sizes" else (10, 12)
        generator = np.random.default_rng(3)
        weights = None
        if "points" in kind:
            mask = generator.random((ny, nx)) < 0.4
            if "weighted" in kind:
                weights = generator.uniform(0.5, 2, (ny, nx))
        else:
            along_y = kind == "lines in y"
            lines = np.isin(np.arange(ny if along_y else nx), [0, 3, 5, 6])
            mask = lines[:, None] if along_y else lines[None]
            if "weighted" in kind:
                weights = generator.uniform(0.5, 2, nx)[None]
        return MultiCoilMRI(coil_maps(coils, ny, nx), mask, sigma_noise, weights)

    return make


@pytest.fixture(params=KINDS)
def operator(request: pytest.FixtureRequest, make_operator: Callable) -> MultiCoilMRI:
    """One operator of each kind."""
    return make_operator(request.param)

"""Geometries that between them use every path of the operator."""

from collections.abc import Callable

import numpy as np
import pytest

from lmaps_science.problems.scattering.geometry import Geometry
from lmaps_science.problems.scattering.operator import InverseScattering


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMAPS_CACHE", str(tmp_path / "cache"))


def _geometry(kind: str) -> Geometry:
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 4))
    transmitters = 0.8 * np.stack([np.cos(angles), np.sin(angles)], 1)
    if kind == "own receivers":
        # Receivers turn with the transmitter, so that some positions are shared.
        turned = np.radians(15 * np.arange(12))[None] + np.radians([[0], [15], [40], [90]])
        receivers = 0.7 * np.stack([np.cos(turned), np.sin(turned)], 2)
    else:
        turned = np.radians(np.linspace(20, 340, 30))
        receivers = 0.7 * np.stack([np.cos(turned), np.sin(turned)], 1)
    mask = rng.random((4, receivers.shape[-2])) > 0.3 if kind != "shared receivers" else None
    return Geometry(transmitters, receivers, 2 * np.pi / 0.03, 0.005, (21, 50), mask)


@pytest.fixture(params=["shared receivers", "masked receivers", "own receivers"])
def geometry(request) -> Geometry:
    return _geometry(request.param)


@pytest.fixture(params=["inversebench", "physical"])
def operator(request, geometry) -> InverseScattering:
    return InverseScattering.from_geometry(
        geometry, 1e-4, convention=request.param, contrast_scale=1.7
    )


@pytest.fixture
def make_geometry() -> Callable[[str], Geometry]:
    return _geometry

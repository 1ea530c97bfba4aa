"""Where the tests find their data."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.small import small_measurement, small_prior

GOLDEN = Path(__file__).parent / "golden"
MIRROR = Path(__file__).parents[2] / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say that the full-wave solver was not run where it is not installed."""
    if item.get_closest_marker("fullwave") and not _has_deepinv():
        pytest.skip("full-wave solver not run: deepinv is not installed (make test-fullwave)")


@cache
def _has_deepinv() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import deepinv.physics.scattering  # noqa: F401
        except (ImportError, RuntimeError):
            return False
    return True


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """Arrays of a golden file by name: values computed with the real InverseBench."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(GOLDEN / name) as arrays:
            return dict(arrays)

    return load


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of real measurements, as the data registry's mirror."""
    if not MIRROR.is_dir():
        pytest.skip(f"real measurements not run: no mirror at {MIRROR}")
    return MIRROR


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scattering measurement."""
    return small_measurement(tmp_path_factory.mktemp("data") / "measurement.h5")


@pytest.fixture(scope="session")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gaussian prior of its size."""
    return small_prior(tmp_path_factory.mktemp("prior") / "gaussian.safetensors")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spectra and data sets are those of the test run, never the user's."""
    monkeypatch.setenv("LMAPS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))

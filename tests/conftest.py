"""Where the tests find their data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
MIRROR = Path(__file__).parents[2] / "shared" / "data"


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

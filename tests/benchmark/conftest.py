"""One run of the tiny suite for all tests that only read it."""

from pathlib import Path

import pytest

from lmaps_science.benchmark.store import Store
from tests.benchmark.tiny import run_tiny, tiny_suite


@pytest.fixture(scope="session")
def finished(prior: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Its results; not to be changed."""
    cache = pytest.MonkeyPatch()
    cache.setenv("LMAPS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    summary, _ = run_tiny(tiny_suite(prior), tmp_path_factory.mktemp("benchmark") / "run")
    cache.undo()
    return summary.store

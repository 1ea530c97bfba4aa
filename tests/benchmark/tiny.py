"""A suite that takes a second: small objects, few sensors, a Gaussian prior."""

from pathlib import Path
from typing import Any

from lmaps_science.benchmark.runner import Summary, run
from lmaps_science.benchmark.suite import Suite
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.task import Site
from lmaps_science.benchmark.watch import Progress

SHAPES = {"num_pixels": 32, "num_transmitters": 6, "num_receivers": 24, "sigma_noise": 3e-3}
METHODS: dict[str, dict[str, Any]] = {
    "LMAPS": {"method": "lmaps", "steps": 4},
    "LMAPS, spread": {"method": "lmaps", "steps": 4, "samples": 2, "spread": True},
    "TV": {"method": "tv", "options": {"num_steps": 5}, "tune": {"strength": [0.03, 0.01, 0.003]}},
    "Tikhonov": {"method": "tikhonov"},
}


def tiny_content(prior: Path, cases: int = 3, **changes: object) -> dict[str, Any]:
    """The suite as YAML would hold it; `changes` are of its group."""
    group = {
        "name": "small objects",
        "problem": "scattering",
        "data": "shapes",
        "prior": str(prior),
        "cases": cases,
        "options": SHAPES,
        "methods": METHODS,
        **changes,
    }
    return {"description": "Small.", "seeds": [0, 1], "groups": [group]}


def tiny_suite(prior: Path, cases: int = 3, **changes: object) -> Suite:
    """The suite."""
    return suite_from_dict(tiny_content(prior, cases, **changes), "tiny", "tiny")


def run_tiny(suite: Suite, folder: Path, **options: Any) -> tuple[Summary, list[Progress]]:
    """Run it in this process; what the callback was told comes with it."""
    told: list[Progress] = []
    return run(suite, folder, Site(), callback=told.append, **options), told


def contents(folder: Path) -> dict[str, bytes]:
    """The files that do not depend on the run, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("benchmark.json", "results", "truth", "tuned")
        for path in [folder / part, *(folder / part).rglob("*")]
        if path.is_file()
    }

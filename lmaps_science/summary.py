"""Parts of a reconstruction's summary: its spread, and where it was made."""

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import torch
from numpy.typing import NDArray

from lmaps_science.calibration import Quoted, coverage
from lmaps_science.settings import Settings
from lmaps_science.solver import Reconstruction


def spread_summary(
    settings: Settings,
    run: Reconstruction,
    quoted: Quoted,
    image: NDArray,
    truth: NDArray | None,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """How the spread was drawn, whether it is calibrated and, with the truth, whether it covers.

    `told` is what the problem tells of the draws in addition.
    """
    calibration = quoted.calibration
    return {
        "estimate": "sample",
        "covariance": settings.sample_covariance,
        "width": settings.sample_width,
        "num_samples": quoted.num_samples,
        "calibrated": calibration is not None,
        "calibration": quoted.told,
        "scale": 1.0 if calibration is None else calibration.scale,
        "mean_std": float(quoted.std.mean()),
        "coverage_90": None if truth is None else coverage(image, quoted.std, truth),
        **(told if calibration is None else calibration.apply(told)),
        "seconds": sum(run.history["seconds"]),
        "denoiser_seconds": sum(run.history["denoiser_seconds"]),
    }


def environment(command: str | None) -> dict[str, Any]:
    """By which command, when, with which versions and on which machine."""
    packages = ("lmaps-science", "torch", "numpy")
    return {
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }

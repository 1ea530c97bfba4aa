"""Parts of a reconstruction's summary: its spread, and where it was made."""

import math
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmaps_science.settings import Settings
from lmaps_science.solver import Reconstruction


def spread_summary(
    settings: Settings,
    run: Reconstruction | None,
    draws: NDArray | None,
    truth: NDArray | None,
    told: Mapping[str, Any],
) -> dict[str, Any] | None:
    """How the spread was drawn and, with the truth, whether it covers; None without a spread.

    `told` is what the problem tells of the draws in addition.
    """
    if run is None or draws is None:
        return None
    return {
        "estimate": "sample",
        "covariance": settings.sample_covariance,
        "width": settings.sample_width,
        "num_samples": len(draws),
        "mean_std": float(draws.std(0, ddof=1).mean()) if len(draws) > 1 else 0.0,
        "coverage_90": None if truth is None or len(draws) < 2 else coverage(draws, truth),
        **told,
        "seconds": sum(run.history["seconds"]),
        "denoiser_seconds": sum(run.history["denoiser_seconds"]),
    }


def coverage(draws: NDArray, truth: NDArray, level: float = 0.9) -> float:
    """Share of pixels whose truth lies in the central interval that the samples give.

    The interval is that of one more draw from the same Gaussian: mean ± t s sqrt(1 + 1/n),
    with t of Student's distribution for n - 1 degrees of freedom.

    Parameters
    ----------
    draws : ndarray
        Posterior samples, (samples, y, x).
    truth : ndarray
        (y, x).
    level : float
        Nominal coverage.
    """
    from scipy.stats import t

    count = len(draws)
    half = t.ppf((1 + level) / 2, count - 1) * draws.std(0, ddof=1) * math.sqrt(1 + 1 / count)
    return float((np.abs(truth - draws.mean(0)) <= half).mean())


def environment(command: str | None) -> dict[str, Any]:
    """By which command, when, with which versions and on which machine."""
    packages = ("lmaps-science", "torch", "numpy")
    return {
        "command": command,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }

"""The quoted spread: the samples' standard deviation, brought to what held-out cases say.

Posterior samples know the noise and the prior's doubt, not what is wrong with the model. How far
an image errs for a quoted standard deviation is therefore measured, once for a prior and a
problem, on cases with a known truth that are judged on others (``benchmarks/uncertainty.py``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NORMAL_90 = 1.6449
"""Half of the central 90 % interval of a normal distribution, in standard deviations."""

_NEIGHBOURHOOD = 3
"""Pixels a side over which the variance of few samples is averaged."""


THE_SPREAD = "the spread is"
"""How `Quoted.told` begins, among the notes of a result."""


@dataclass(frozen=True)
class Calibration:
    """Factors on the spread of a prior in a problem, and where they hold.

    Attributes
    ----------
    problem : str
        Of the operator.
    prior, prior_sha256 : str
        Name, and hash of the file of weights: another with that name is not calibrated.
    scale : float
        On the standard deviation of the image.
    learned, judged : str
        What the factors were learned on, and what they gave on other cases.
    quantities : mapping of str to float
        Factors on the ± of what else is told of the samples, by its name in the summary.
    domain : mapping of str to (float, float)
        Entries of the summary and between what they were in the cases; of a list, its largest.
    """

    problem: str
    prior: str
    prior_sha256: str
    scale: float
    learned: str
    judged: str
    quantities: Mapping[str, float] = field(default_factory=dict)
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def objections(self, summary: Mapping[str, Any]) -> list[str]:
        """In what a reconstruction is unlike the cases."""
        # What a measurement has none of, such as lines, is NaN and in no domain.
        found = {
            name: np.nan if summary[name] is None else float(np.max(summary[name]))
            for name in self.domain
        }
        return [
            f"{name.replace('_', ' ')} {found[name]:.3g}, measured at {low:g} to {high:g}"
            for name, (low, high) in self.domain.items()
            if not low <= found[name] <= high
        ]

    def apply(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """What is told of the samples, with its ± calibrated."""
        scaled = {
            name: told[name] | {"std": factor * told[name]["std"]}
            for name, factor in self.quantities.items()
            if told.get(name) is not None
        }
        return {**told, **scaled}


def find_calibration(problem: str, prior_sha256: str | None) -> Calibration | None:
    """The one that was measured for a prior in a problem, if any was."""
    for record in calibrations():
        if (record.problem, record.prior_sha256) == (problem, prior_sha256):
            return record
    return None


def calibrations() -> list[Calibration]:
    """All that are installed, beside the priors."""
    path = resources.files("lmaps_science.checkpoints") / "spread.json"
    return [Calibration(**record) for record in json.loads(path.read_text(encoding="utf-8"))]


class Quoted(NamedTuple):
    """The spread as it is quoted.

    Attributes
    ----------
    std : ndarray
        Standard deviation, (y, x).
    num_samples : int
        Posterior samples behind it.
    calibration : Calibration or None
        What it was brought to, if that applies.
    told : str
        Whether it is calibrated and how far to trust it, or why it is not.
    """

    std: NDArray[np.float32]
    num_samples: int
    calibration: Calibration | None
    told: str


def quote(problem: str, prior: Any, draws: NDArray, summary: Mapping[str, Any]) -> Quoted:  # noqa: ANN401
    """Calibrate the spread of displayed posterior samples (samples, y, x) if it can be.

    `prior` carries the hash of its file as `sha256`, `summary` what was measured and how.
    """
    found = find_calibration(problem, getattr(prior, "sha256", None))
    if found is None:
        doubts = ["it was not measured with this prior for this kind of data"]
    elif len(draws) < 2:
        doubts = ["it takes two samples that were kept"]
    else:
        doubts = found.objections(summary)
    if found is not None and not doubts:
        told = f"{THE_SPREAD} calibrated: {found.judged}"
        return Quoted(quoted_std(draws, found.scale), len(draws), found, told)
    told = f"{THE_SPREAD} NOT calibrated, and may be too narrow: {'; '.join(doubts)}"
    return Quoted(quoted_std(draws), len(draws), None, told)


def quoted_std(draws: NDArray, scale: float = 1.0) -> NDArray[np.float32]:
    """Standard deviation of an image's error as its posterior samples have it.

    The variance is averaged over 3×3 pixels, since that of eight samples is off by half, and
    widened for the error of their mean: 90 % of one more draw lie within 1.645 deviations.

    Parameters
    ----------
    draws : ndarray
        Posterior samples as they are displayed, (samples, y, x); of one the result is 0.
    scale : float
        Of a `Calibration`.

    Returns
    -------
    ndarray
        (y, x).
    """
    from scipy.ndimage import uniform_filter

    count = len(draws)
    if count < 2:
        return np.zeros(draws.shape[1:], np.float32)
    variance = uniform_filter(draws.var(0, ddof=1), _NEIGHBOURHOOD, mode="nearest")
    return (scale * np.sqrt((1 + 1 / count) * variance)).astype(np.float32)


def coverage(image: NDArray, std: NDArray, truth: NDArray, level: float = 0.9) -> float:
    """Share of pixels whose truth lies in the central interval of a normal distribution.

    Parameters
    ----------
    image, std, truth : ndarray
        Of one shape.
    level : float
        Nominal coverage.
    """
    from scipy.stats import norm

    return float((np.abs(truth - image) <= norm.ppf((1 + level) / 2) * std).mean())

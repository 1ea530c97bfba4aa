"""Means with their error, and paired differences with their interval."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_RESAMPLES = 4000

LOWER_IS_BETTER = frozenset({"nrmse", "nmse", "sliced_wasserstein", "weight_error", "below_map"})
"""Metrics of which less is better; of χ² neither is."""


class Estimate(NamedTuple):
    """A mean over cases.

    Attributes
    ----------
    mean : float
        The mean.
    error : float or None
        Its standard error; None of one case.
    cases : int
        How many.
    """

    mean: float
    error: float | None
    cases: int


class Difference(NamedTuple):
    """The mean over cases of one method minus another on the same case.

    Attributes
    ----------
    mean : float
        The mean.
    low, high : float or None
        Bootstrap interval of 95 %; None below three cases, which say nothing of it.
    cases : int
        That both have.
    """

    mean: float
    low: float | None
    high: float | None
    cases: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error of one value per case."""
    count = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None
    return Estimate(float(np.mean(values)), error, count)


def difference(values: Mapping[str, float], reference: Mapping[str, float]) -> Difference | None:
    """`values` minus `reference`, paired by case.

    The interval is the percentile one of resampled cases, of random numbers that are always the
    same.

    Parameters
    ----------
    values, reference : mapping of str to float
        One value per case, by its name.

    Returns
    -------
    Difference or None
        None if they share no case.
    """
    from scipy.stats import bootstrap

    shared = sorted(set(values) & set(reference))
    if not shared:
        return None
    paired = np.array([values[case] - reference[case] for case in shared])
    if len(shared) < 3:
        return Difference(float(paired.mean()), None, None, len(shared))
    interval = bootstrap(
        (paired,),
        np.mean,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Difference(float(paired.mean()), float(interval.low), float(interval.high), len(shared))

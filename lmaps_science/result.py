"""What a reconstruction is, before it is drawn, written or told."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problem import Measurement, Problem


@dataclass(frozen=True, eq=False)
class Result:
    """A reconstruction in physical units.

    Attributes
    ----------
    problem : Problem
        What was measured.
    measurement : Measurement
        Operator, data and, where the file has it, the truth.
    mean : ndarray
        The image: mean of `samples`, (y, x); complex where the problem's images are.
    samples : ndarray
        One image per seed, (samples, y, x).
    std : ndarray or None
        The spread: standard deviation of the error of the image, of its magnitude if it is
        complex, (y, x); see `lmaps_science.calibration`.
    posterior_samples : ndarray or None
        Samples of the posterior, (samples, y, x).
    truth : ndarray or None
        (y, x), where the file has it.
    residuals : ndarray
        Data minus prediction of the image in units of the noise, (data,).
    history : dict of str to list
        `sigma` and `data_fit` of each noise level.
    summary : dict
        Settings, provenance and figures of merit; what ``summary.json`` holds.
    baselines : dict of str to ndarray
        Images (y, x) of the field's usual methods, by name.
    controls : dict of str to Result
        Known objects reconstructed in the same way, by name.
    """

    problem: Problem
    measurement: Measurement
    mean: NDArray
    samples: NDArray
    std: NDArray[np.float32] | None
    posterior_samples: NDArray | None
    truth: NDArray[np.float32] | None
    residuals: NDArray[np.float64]
    history: dict[str, list[float]]
    summary: dict[str, Any]
    baselines: dict[str, NDArray] = field(default_factory=dict)
    controls: dict[str, "Result"] = field(default_factory=dict)

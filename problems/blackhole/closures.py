"""Closure quantities: combinations of visibilities that no station's gain can change.

The gain g_a of a station turns V_ab into g_a V_ab g_b*. Phases sum to zero around a triangle
of baselines; log amplitudes cancel in the null space of the stations' incidence.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.blackhole.observation import Observation


@dataclass(frozen=True)
class Closures:
    """Closure quantities as linear maps of phases and of log amplitudes, with covariances.

    Attributes
    ----------
    phase : ndarray
        (closure phases, visibilities), entries -1, 0, 1.
    log_amplitude : ndarray
        (log closure amplitudes, visibilities).
    phase_covariance, log_amplitude_covariance : ndarray
        Of the measured quantities; radian² and neper².
    """

    phase: NDArray[np.float64]
    log_amplitude: NDArray[np.float64]
    phase_covariance: NDArray[np.float64]
    log_amplitude_covariance: NDArray[np.float64]


def minimal_closures(observation: Observation, flux_error: float = 0.15) -> Closures:
    """Independent closure quantities of each scan.

    Closure phases leave out intra-site baselines, whose extended flux is not the image's.
    Log closure amplitudes take them in, with one error common to all of them.

    Parameters
    ----------
    observation : Observation
        Averaged over scans.
    flux_error : float
        Relative error of the compact flux to which intra-site baselines are scaled.

    Returns
    -------
    Closures

    Raises
    ------
    ValueError
        If no closure quantity can be formed.

    Notes
    -----
    Their number is the rank of all closure quantities that the scan's baselines allow; a set
    built on one reference station (ehtim's ``count="min"``) misses those without it where
    baselines are absent.
    """
    if not 0 <= flux_error < np.inf:
        raise ValueError(f"flux_error: expected a number >= 0, got {flux_error}")
    # To first order sigma / |V| is the error of a phase (radian) and of a log amplitude.
    error = observation.sigma / np.abs(observation.visibility)
    phases, amplitudes = [], []
    for scan in np.unique(observation.scan):
        rows = np.flatnonzero(observation.scan == scan)
        phases.append(_triangles(observation, rows[~observation.intra_site[rows]], error))
        amplitudes.append(_null_space(observation, rows))
    columns = len(observation)
    phase = np.concatenate([np.zeros((0, columns)), *phases])
    log_amplitude = np.concatenate([np.zeros((0, columns)), *amplitudes])
    if not len(phase) + len(log_amplitude):
        stations = np.unique(observation.stations)
        raise ValueError(
            f"no closure quantities: {columns} visibilities between {len(stations)} stations "
            f"({', '.join(stations) or 'none'}) are left and make no triangle; expected three or "
            "more stations at once above min_signal_to_noise, none of them on one site (is the "
            "source resolved out?)"
        )
    common = flux_error * observation.intra_site
    covariance = np.diag(error**2)
    return Closures(
        phase,
        log_amplitude,
        phase @ covariance @ phase.T,
        log_amplitude @ (covariance + np.outer(common, common)) @ log_amplitude.T,
    )


def _triangles(
    observation: Observation, rows: NDArray[np.integer], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Independent triangles of one scan, least noisy first."""
    baselines = {}
    for row in rows:
        a, b = observation.stations[row]
        baselines[a, b], baselines[b, a] = (row, 1.0), (row, -1.0)
    triangles = []
    for a, b, c in combinations(np.unique(observation.stations[rows]), 3):
        sides = [(a, b), (b, c), (c, a)]
        if all(side in baselines for side in sides):
            triangle = np.zeros(len(observation))
            for row, sign in (baselines[side] for side in sides):
                triangle[row] = sign
            triangles.append(triangle)
    triangles.sort(key=lambda triangle: float(triangle**2 @ error**2))
    chosen: list[NDArray[np.float64]] = []
    for triangle in triangles:
        if np.linalg.matrix_rank(np.stack([*chosen, triangle])[:, rows]) > len(chosen):
            chosen.append(triangle)
    return np.reshape(chosen, (-1, len(observation)))


def _null_space(observation: Observation, rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """Orthonormal combinations of one scan's log amplitudes free of station gains."""
    from scipy.linalg import null_space

    names = np.unique(observation.stations[rows])
    incidence = (observation.stations[rows][:, :, None] == names).sum(1)
    basis = null_space(incidence.T)
    combination = np.zeros((basis.shape[1], len(observation)))
    combination[:, rows] = basis.T
    return combination

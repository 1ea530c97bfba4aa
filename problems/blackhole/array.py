"""The Event Horizon Telescope of April 2017, to simulate observations without any file."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.blackhole.observation import Observation

STATIONS = {
    "AA": ((2225061.2, -5440057.4, -2481681.2), 90.0),
    "AP": ((2225039.5, -5441197.6, -2479303.4), 3500.0),
    "AZ": ((-1828796.2, -5054406.8, 3427865.2), 5000.0),
    "JC": ((-5464584.7, -2493001.2, 2150654.0), 6000.0),
    "LM": ((-768713.96, -5988541.8, 2063275.9), 600.0),
    "PV": ((5088967.9, -301681.6, 3825015.8), 1400.0),
    "SM": ((-5464523.4, -2493147.1, 2150611.8), 4900.0),
}
"""Geocentric position, metre, and system equivalent flux density, Jansky, of the stations that
see M87 (EHT Collaboration, ApJL 875, L2, 2019, and its simulations' station table)."""

M87 = (187.7059, 12.3911)
"""Right ascension and declination, degree."""

_LIGHT = 299792458.0
_BANDWIDTH = 1.875e9
_TWO_BIT = 0.88  # loss of sensitivity by quantisation
_LOWEST = np.radians(10.0)


def observe(
    num_scans: int = 18,
    first_hour: float = 0.75,
    last_hour: float = 8.0,
    scan_seconds: float = 100.0,
    mjd: int = 57848,
    frequency: float = 227.1e9,
) -> Observation:
    """Coverage and thermal noise of a night on M87; its visibilities are zero.

    `lmaps_science.problems.blackhole.controls.simulate` puts a source into it.

    Parameters
    ----------
    num_scans : int
        Scans, evenly from `first_hour` to `last_hour` UTC.
    first_hour, last_hour : float
        Of the night of `mjd`.
    scan_seconds : float
        Length of a scan, over which it is averaged.
    mjd : int
        Modified Julian date; 57848 is 5 April 2017.
    frequency : float
        Hertz.

    Returns
    -------
    Observation
        Baselines whose two stations see the source 10° or more above the horizon.
    """
    hours = np.linspace(first_hour, last_hour, num_scans)
    names = np.array(list(STATIONS))
    position = np.array([place for place, _ in STATIONS.values()])
    noise = np.array([sefd for _, sefd in STATIONS.values()])
    hour_angle = _sidereal_angle(mjd + hours / 24) - np.radians(M87[0])
    above = _elevation(position, hour_angle) > _LOWEST
    a, b = np.array(list(combinations(range(len(names)), 2))).T
    scan, pair = np.nonzero(above[:, a] & above[:, b])
    a, b = a[pair], b[pair]
    uv = _project(position[a] - position[b], hour_angle[scan]) * frequency / _LIGHT
    sigma = np.sqrt(noise[a] * noise[b]) / (_TWO_BIT * np.sqrt(2 * _BANDWIDTH * scan_seconds))
    return Observation(
        uv=uv,
        visibility=np.zeros(len(uv), dtype=np.complex128),
        sigma=sigma,
        time=hours[scan],
        scan=scan,
        stations=np.stack([names[a], names[b]], 1),
        source="M87",
        right_ascension=M87[0],
        declination=M87[1],
        frequency=frequency,
        mjd=mjd,
    )


def _sidereal_angle(mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greenwich mean sidereal time, radian, to a second (Meeus, *Astronomical Algorithms*)."""
    return np.radians(280.46061837 + 360.98564736629 * (mjd - 51544.5)) % (2 * np.pi)


def _elevation(
    position: NDArray[np.float64], hour_angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of the source above each station's horizon, (times, stations), radian."""
    declination = np.radians(M87[1])
    source = np.stack(
        [
            np.cos(declination) * np.cos(hour_angle),
            -np.cos(declination) * np.sin(hour_angle),
            np.full_like(hour_angle, np.sin(declination)),
        ],
        1,
    )
    up = position / np.linalg.norm(position, axis=1, keepdims=True)
    return np.arcsin(source @ up.T)


def _project(baseline: NDArray[np.float64], hour_angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """(u, v) of baselines (count, 3), metre, as the source sees them."""
    x, y, z = baseline.T
    sin, cos, declination = np.sin(hour_angle), np.cos(hour_angle), np.radians(M87[1])
    u = sin * x + cos * y
    v = np.sin(declination) * (sin * y - cos * x) + np.cos(declination) * z
    return np.stack([u, v], 1)

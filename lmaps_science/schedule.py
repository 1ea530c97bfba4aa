"""Noise levels: pure functions that return vectors, largest level first.

References
----------
Karras, Aittala, Aila, Laine, *Elucidating the Design Space of Diffusion-Based Generative
Models*, NeurIPS 2022, table 1 and eq. 5; Song et al., ICLR 2021 (VP and VE).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BETA_D, BETA_MIN = 19.9, 0.1
"""Linear-beta schedule of the variance-preserving process."""

Vector = NDArray[np.float64]


def karras_levels(num_steps: int, sigma_max: float, sigma_min: float, rho: float = 7.0) -> Vector:
    """`num_steps` noise levels, evenly spaced in sigma^(1/rho).

    Raises
    ------
    ValueError
        If the number of levels is not positive or the bounds are not 0 < min <= max.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps: expected at least 1 noise level, got {num_steps}")
    if not 0 < sigma_min <= sigma_max:
        raise ValueError(
            f"expected 0 < sigma_min <= sigma_max, got sigma_min={sigma_min}, sigma_max={sigma_max}"
        )
    ramp = np.linspace(0, 1, num_steps)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + ramp * (low - high)) ** rho


@dataclass(frozen=True)
class Discretization:
    """A diffusion x_t = s(t) (x_0 + sigma(t) n) cut into steps, in InverseBench's terms.

    Attributes
    ----------
    sigma, time, scaling : ndarray
        sigma(t), t and s(t) at the ``num_steps + 1`` knots.
    factor : ndarray
        Variance that the reverse SDE adds in each step, 2 s^2 sigma' sigma dt.
    scaling_factor : ndarray
        1 - s' / s dt of each step.
    """

    sigma: Vector
    time: Vector
    scaling: Vector
    factor: Vector
    scaling_factor: Vector


def vp_discretization(num_steps: int, sigma_final: float = 0.01) -> Discretization:
    """Variance-preserving process at times evenly spaced from 1 to 0.001, then to `sigma_final`."""
    time = np.linspace(1, 1e-3, num_steps)
    final = (np.sqrt(BETA_MIN**2 + 2 * BETA_D * np.log1p(sigma_final**2)) - BETA_MIN) / BETA_D
    time = np.append(time, final)
    growth = np.exp(BETA_D * time**2 / 2 + BETA_MIN * time)
    slope = BETA_D * time + BETA_MIN
    step = time[:-1] - time[1:]
    # 2 s^2 sigma' sigma = beta(t) and s' / s = -beta(t) / 2.
    return Discretization(
        sigma=np.sqrt(growth - 1),
        time=time,
        scaling=1 / np.sqrt(growth),
        factor=slope[:-1] * step,
        scaling_factor=1 + slope[:-1] / 2 * step,
    )


def ve_discretization(
    num_steps: int, sigma_max: float = 100.0, sigma_min: float = 0.01
) -> Discretization:
    """Variance-exploding process, sigma = sqrt(t), levels in geometric progression."""
    sigma = np.append(np.geomspace(sigma_max, sigma_min, num_steps), sigma_min)
    return _unscaled(sigma, time=sigma**2, rate=np.ones(num_steps))


def edm_discretization(
    num_steps: int, sigma_max: float = 100.0, sigma_min: float = 0.01, rho: float = 7.0
) -> Discretization:
    """Variance-exploding process with sigma = t and the levels of `karras_levels`."""
    sigma = np.append(karras_levels(num_steps, sigma_max, sigma_min, rho), sigma_min)
    return _unscaled(sigma, time=sigma, rate=2 * sigma[:-1])


def _unscaled(sigma: Vector, time: Vector, rate: Vector) -> Discretization:
    """Steps of a process with s = 1; `rate` is d(sigma^2)/dt at the start of each step."""
    return Discretization(
        sigma=sigma,
        time=time,
        scaling=np.ones_like(sigma),
        factor=rate * (time[:-1] - time[1:]),
        scaling_factor=np.ones(len(rate)),
    )

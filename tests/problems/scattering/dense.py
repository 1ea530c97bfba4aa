"""A field solver that shares nothing with the product's: dense, by Richmond's discretisation.

Richmond, IEEE Trans. Antennas Propag. 13, 334 (1965): each pixel is a disc of the same area, over
which the field is constant.
"""

import numpy as np
import torch
from scipy.special import hankel1, jv
from torch import Tensor

from lmaps_science.problems.scattering.geometry import Geometry


class DenseSolver:
    """Total fields by a dense solve, in double precision."""

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        places, wavenumber = geometry.pixels(), geometry.wavenumber
        distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
        size = wavenumber * geometry.pixel_size / np.sqrt(np.pi)
        own = 0.5j * np.pi * size * hankel1(1, size) - 1
        np.fill_diagonal(distance, 1.0)
        kernel = 0.5j * np.pi * size * jv(1, size) * hankel1(0, wavenumber * distance)
        np.fill_diagonal(kernel, own)
        self.kernel = torch.from_numpy(kernel).to(device)

    def __call__(self, contrast: Tensor, incident: Tensor) -> Tensor:
        """(batch, n, y, x) of (batch, 1, y, x) and (n, y, x)."""
        right = incident.to(self.kernel.dtype).flatten(1).T
        unit = torch.eye(len(self.kernel), dtype=self.kernel.dtype)
        contrast = contrast.double().flatten(1)
        fields = [torch.linalg.solve(unit - self.kernel * c, right).T for c in contrast]
        return torch.stack(fields).unflatten(2, incident.shape[1:])


def cylinder_field(
    wavenumber: float,
    radius: float,
    permittivity: float,
    transmitters: np.ndarray,
    receivers: np.ndarray,
) -> np.ndarray:
    """Scattered field (transmitters, receivers) of a cylinder at the centre, by its exact series.

    Harrington, Time-Harmonic Electromagnetic Fields, section 5-9, for a line source.
    """
    n, k = np.arange(-20, 21), wavenumber
    inside = k * np.sqrt(permittivity)
    a, b = k * radius, inside * radius

    def slope(function, x):
        return (function(n - 1, x) - function(n + 1, x)) / 2

    top = k * slope(jv, a) * jv(n, b) - inside * jv(n, a) * slope(jv, b)
    bottom = inside * slope(jv, b) * hankel1(n, a) - k * jv(n, b) * slope(hankel1, a)

    def wave(places, sign):
        r = np.hypot(*places.T)[:, None]
        angle = np.arctan2(places[:, 1], places[:, 0])[:, None]
        return hankel1(n, k * r) * np.exp(sign * 1j * n * angle)

    return 0.25j * (wave(transmitters, -1) * top / bottom) @ wave(receivers, 1).T

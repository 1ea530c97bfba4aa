"""The ring of a black hole's image: diameter, width, orientation, and whether it is one.

After EHT Collaboration, ApJL 875, L4 (2019), section 9.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import zoom
from torch import Tensor
from torch.nn.functional import grid_sample

from lmaps_science.problems.metrics import blur

_SMOOTHING = 6.0
_PIXEL = 0.7
_SEARCHES = ((16.0, 4.0), (2.0, 1.0), (0.5, 0.25))
_RADII = torch.arange(51, dtype=torch.float64)
_ANGLES = torch.deg2rad(torch.arange(0, 360, 5, dtype=torch.float64))
_INNERMOST_PEAK = 5
_INNERMOST_RING = 9
_HALF_ANNULUS = 8
_CENTRE = 4


@dataclass(frozen=True)
class Ring:
    """A ring as measured after smoothing by a Gaussian of 6 µas.

    Attributes
    ----------
    diameter_uas : float
        Twice the mean radius of the brightest point along each of 72 directions.
    width_uas : float
        Full width at half maximum of the mean radial profile, smoothing included.
    position_angle_deg, asymmetry : float
        Phase, north through east, and relative size of the first azimuthal Fourier mode of the
        brightness within 8 µas of the ring's radius.
    depth : float
        One minus the brightness of the centre over that of the mean peak.
    scatter : float
        Standard deviation of the peaks' radius over its mean.
    faintest : float
        Faintest over mean peak.
    center : tuple of float
        To the east and to the north of the image's centre, µas.
    """

    diameter_uas: float
    width_uas: float
    position_angle_deg: float
    asymmetry: float
    depth: float
    scatter: float
    faintest: float
    center: tuple[float, float]

    @property
    def diameter_corrected_uas(self) -> float:
        """Diameter of the thin ring that, blurred to this width, peaks at this diameter."""
        width = min(self.width_uas, self.diameter_uas)
        return self.diameter_uas + width**2 / (4 * math.log(2) * self.diameter_uas)

    @property
    def is_ring(self) -> bool:
        """Dark inside, round, and closed."""
        return self.depth > 0.3 and self.scatter < 0.25 and self.faintest > 0.12


def measure_ring(image: Tensor, field_of_view_uas: float = 160.0) -> Ring:
    """Measure the ring about the point from which the brightness peaks at the same radius.

    Parameters
    ----------
    image : Tensor
        (1, y, x) in [-1, 1], -1 dark, north up and east to the left.
    field_of_view_uas : float
        Width of the image.

    Returns
    -------
    Ring
        Of any image; `is_ring` says whether it is one.

    Raises
    ------
    ValueError
        If the image is not one square image with brightness in it.
    """
    if image.ndim != 3 or image.shape[0] != 1 or image.shape[1] != image.shape[2]:
        raise ValueError(f"expected one image (1, n, n), got {tuple(image.shape)}")
    brightness = (image.detach().cpu().double() + 1).clamp(min=0) / 2
    # False of an image that is not finite, too.
    if not 0 < float(brightness.sum()) < math.inf:
        raise ValueError("expected an image with brightness above -1 somewhere, got a dark one")
    half_width = field_of_view_uas / 2
    smooth = _fine(brightness, field_of_view_uas)
    center = _find_center(smooth, half_width)
    profiles = _profiles(smooth, center, half_width)[0]
    radius, peak = _peaks(profiles)
    mean_radius = float(radius.mean())
    inner = max(0, int(mean_radius) - _HALF_ANNULUS)
    around = profiles[:, inner : int(mean_radius) + _HALF_ANNULUS + 1].mean(1)
    mode = complex((around * torch.exp(1j * _ANGLES)).sum() / around.sum())
    return Ring(
        diameter_uas=2 * mean_radius,
        width_uas=_full_width(profiles.mean(0).numpy()),
        position_angle_deg=math.degrees(math.atan2(mode.imag, mode.real)) % 360,
        asymmetry=abs(mode),
        depth=float(1 - profiles[:, :_CENTRE].mean() / peak.mean()),
        scatter=float(radius.std(correction=0)) / mean_radius,
        faintest=float(peak.min() / peak.mean()),
        center=(float(center[0, 0]), float(center[0, 1])),
    )


def circular_mean_std(angles_deg: ArrayLike) -> tuple[float, float]:
    """Circular mean, in [0, 360), and circular standard deviation of angles, degree."""
    mean = complex(np.exp(1j * np.radians(angles_deg)).mean())
    length = min(max(abs(mean), np.finfo(float).tiny), 1.0)
    angle = math.degrees(math.atan2(mean.imag, mean.real)) % 360
    return angle, math.degrees(math.sqrt(2 * math.log(1 / length)))


def summarize_rings(rings: Sequence[Ring]) -> dict[str, dict[str, float] | int]:
    """Mean and standard deviation over samples, as a summary states them.

    Parameters
    ----------
    rings : sequence of Ring
        One per sample, at least one.

    Returns
    -------
    dict
        ``ring_diameter_uas``, ``ring_diameter_corrected_uas``, ``ring_width_uas`` and
        ``ring_position_angle_deg`` (circular), each ``{"mean", "std"}`` over those that are a
        ring, or over all where none is; ``rings``, how many are one.
    """
    if not rings:
        raise ValueError("expected at least one measured ring, got none")
    found = [ring for ring in rings if ring.is_ring]
    rings = found or rings
    summary: dict[str, dict[str, float] | int] = {}
    for name in ("diameter_uas", "diameter_corrected_uas", "width_uas"):
        values = [getattr(ring, name) for ring in rings]
        summary[f"ring_{name}"] = {"mean": float(np.mean(values)), "std": float(np.std(values))}
    mean, std = circular_mean_std([ring.position_angle_deg for ring in rings])
    summary["ring_position_angle_deg"] = {"mean": mean, "std": std}
    summary["rings"] = len(found)
    return summary


def _fine(brightness: Tensor, field_of_view_uas: float) -> Tensor:
    """Smoothed brightness on pixels so fine that linear interpolation moves no peak."""
    pixel = field_of_view_uas / brightness.shape[-1]
    smooth = blur(brightness[None], _SMOOTHING / pixel)[0, 0]
    finer = zoom(smooth.numpy(), math.ceil(pixel / _PIXEL), grid_mode=True, mode="grid-constant")
    return torch.from_numpy(finer)[None, None]


def _find_center(smooth: Tensor, half_width: float) -> Tensor:
    """(1, 2), east and north, of the least scatter of the peaks' radius."""
    count = smooth.shape[-1]
    axis = (torch.arange(count).to(smooth) - (count - 1) / 2) * (-2 * half_width / count)
    centroid = torch.stack([smooth[0, 0].sum(0) @ axis, smooth[0, 0].sum(1) @ axis])
    center = (centroid / smooth.sum())[None]
    for reach, step in _SEARCHES:
        offset = torch.arange(-reach, reach + step / 2, step, dtype=torch.float64)
        candidates = center + torch.cartesian_prod(offset, offset)
        radius, _ = _peaks(_profiles(smooth, candidates, half_width, _ANGLES[::2]))
        mean = radius.mean(1)
        scatter = radius.std(1, correction=0) / mean
        # A blob's peak scatters little about a point beside its own.
        scatter[mean < _INNERMOST_RING] += 10
        best = scatter.argmin()
        center = candidates[best : best + 1]
    return center


def _profiles(
    smooth: Tensor, centers: Tensor, half_width: float, angles: Tensor = _ANGLES
) -> Tensor:
    """Brightness along radii 0 to 50 µas from centres (n, 2): (n, angles, radii)."""
    east = centers[:, 0, None, None] + angles.sin()[:, None] * _RADII
    north = centers[:, 1, None, None] + angles.cos()[:, None] * _RADII
    place = torch.stack([-east, -north], -1).flatten(0, 1) / half_width
    values = grid_sample(smooth, place[None], align_corners=False)[0, 0]
    return values.unflatten(0, (len(centers), -1))


def _peaks(profiles: Tensor) -> tuple[Tensor, Tensor]:
    """Radius and height of the highest point of each profile, by a parabola through three."""
    highest = profiles[..., _INNERMOST_PEAK:-1].argmax(-1, keepdim=True) + _INNERMOST_PEAK
    before, top, after = (profiles.gather(-1, highest + i) for i in (-1, 0, 1))
    curvature = before - 2 * top + after
    shift = torch.where(curvature < 0, (before - after) / (2 * curvature), 0.0).clamp(-0.5, 0.5)
    radius = highest + shift
    return radius[..., 0], (top - (before - after) * shift / 4)[..., 0]


def _full_width(profile: NDArray[np.float64]) -> float:
    """Full width at half maximum, twice the outer half where the inside is not dark."""
    peak = 3 + int(profile[3:].argmax())
    excess = profile / profile[peak] - 0.5
    outer = _crossing(excess[peak:], otherwise=len(profile) - 1 - peak)
    return outer + _crossing(excess[peak::-1], otherwise=outer)


def _crossing(values: NDArray[np.float64], otherwise: float) -> float:
    """Where `values`, positive at first, fall through zero, linearly interpolated."""
    below = np.flatnonzero(values <= 0)
    if not len(below):
        return otherwise
    last = int(below[0]) - 1
    return float(last + values[last] / (values[last] - values[last + 1]))

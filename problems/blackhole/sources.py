"""Brightness models of compact radio sources: rings, discs, Gaussians, jets.

Images have north up and east to the left, as the sky has. Every parameter is a number or a
tensor of one value per image; lengths are microarcseconds and angles radians. A position
angle is counted from north through east.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

Value = float | Tensor

FWHM = math.sqrt(8 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""


@dataclass(frozen=True)
class Field:
    """A square field of view, sampled more finely than the images that it yields.

    Attributes
    ----------
    image_size : int
        Pixels along each side of the images.
    width_uas : float
        Width of the field.
    oversampling : int
        Samples along each side of a pixel, over which the brightness is averaged.
    """

    image_size: int = 64
    width_uas: float = 160.0
    oversampling: int = 2

    def offsets(self, east: Value = 0.0, north: Value = 0.0) -> tuple[Tensor, Tensor]:
        """Distances to the east and to the north of a point, each (batch, y, x)."""
        count = self.image_size * self.oversampling
        axis = (torch.arange(count) - (count - 1) / 2) * self.width_uas / count
        return -axis[None, None, :] - _column(east), -axis[None, :, None] - _column(north)

    def image(self, brightness: Tensor) -> Tensor:
        """Images in [-1, 1] with their peak at 1, (batch, 1, y, x), from fine brightness."""
        binned = avg_pool2d(brightness[:, None].clamp(min=0), self.oversampling)
        return normalized(binned)


def normalized(brightness: Tensor) -> Tensor:
    """Brightness >= 0 with its peak moved to 1 and zero to -1."""
    peak = brightness.amax((-2, -1), keepdim=True)
    return 2 * brightness / peak.clamp(min=torch.finfo(brightness.dtype).tiny) - 1


def crescent(
    field: Field,
    diameter: Value,
    width: Value,
    position_angle: Value = 0.0,
    asymmetry: Value = 0.0,
    floor: Value = 0.0,
    axis_ratio: Value = 1.0,
    axis_angle: Value = 0.0,
    east: Value = 0.0,
    north: Value = 0.0,
) -> Tensor:
    """Ring of Gaussian profile, brighter towards one side: (batch, y, x).

    Parameters
    ----------
    field : Field
        Where to draw.
    diameter, width : float or Tensor
        Of the ridge, and the full width at half maximum across it.
    position_angle, asymmetry : float or Tensor
        Brightness along the ring is 1 + asymmetry cos(angle - position_angle).
    floor : float or Tensor
        Brightness inside, over that of the ridge.
    axis_ratio, axis_angle : float or Tensor
        Minor over major axis, and the position angle of the major one.
    east, north : float or Tensor
        Centre.
    """
    dx, dy = field.offsets(east, north)
    radius = _elliptical(dx, dy, axis_ratio, axis_angle)
    ridge = _column(diameter) / 2
    profile = torch.exp(-((radius - ridge) ** 2) / 2 / (_column(width) / FWHM) ** 2)
    angle = torch.atan2(dx, dy)
    around = 1 + _column(asymmetry) * torch.cos(angle - _column(position_angle))
    inside = _column(floor) * torch.exp(-((radius / ridge).clamp(max=5) ** 4))
    return profile * around + inside


def disc(
    field: Field,
    diameter: Value,
    edge: Value = 2.0,
    axis_ratio: Value = 1.0,
    axis_angle: Value = 0.0,
    east: Value = 0.0,
    north: Value = 0.0,
) -> Tensor:
    """Uniform disc whose brightness falls over about `edge` at the rim: (batch, y, x)."""
    dx, dy = field.offsets(east, north)
    radius = _elliptical(dx, dy, axis_ratio, axis_angle)
    return torch.sigmoid(4 * (_column(diameter) / 2 - radius) / _column(edge))


def gaussian(
    field: Field,
    fwhm: Value,
    axis_ratio: Value = 1.0,
    axis_angle: Value = 0.0,
    east: Value = 0.0,
    north: Value = 0.0,
) -> Tensor:
    """Elliptical Gaussian, `fwhm` along its major axis: (batch, y, x)."""
    radius = _elliptical(*field.offsets(east, north), axis_ratio, axis_angle)
    return torch.exp(-(radius**2) / 2 / (_column(fwhm) / FWHM) ** 2)


def double(
    field: Field,
    separation: Value,
    position_angle: Value,
    fwhm: Value = 14.0,
    flux_ratio: Value = 0.7,
) -> Tensor:
    """Two round Gaussians about the centre, the brighter at `position_angle`: (batch, y, x)."""
    half = torch.as_tensor(separation) / 2
    angle = torch.as_tensor(position_angle)
    east, north = half * angle.sin(), half * angle.cos()
    bright = gaussian(field, fwhm, east=east, north=north)
    return bright + _column(flux_ratio) * gaussian(field, fwhm, east=-east, north=-north)


def _column(value: Value) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float32).reshape(-1, 1, 1)


def _elliptical(dx: Tensor, dy: Tensor, axis_ratio: Value, axis_angle: Value) -> Tensor:
    """Distance from the centre, in units of the major axis."""
    angle = _column(axis_angle)
    along = dx * angle.sin() + dy * angle.cos()
    across = dx * angle.cos() - dy * angle.sin()
    return torch.sqrt(along**2 + (across / _column(axis_ratio)) ** 2)

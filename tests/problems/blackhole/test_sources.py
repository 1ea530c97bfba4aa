"""Drawn sources against their closed forms."""

import math

import pytest
import torch
from torch import Tensor

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.sources import Field

FINE = Field(image_size=160, width_uas=160.0, oversampling=2)
AREA = 0.25
"""Of a sample of `FINE`, µas²."""


def moments(brightness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flux, centroid (east, north) and covariance of the brightness of one fine image."""
    east, north = (a.double() for a in torch.broadcast_tensors(*FINE.offsets()))
    flux = brightness.double().sum()
    place = torch.stack([east.flatten(), north.flatten()])
    weight = brightness.double().flatten() / flux
    centre = place @ weight
    apart = place - centre[:, None]
    return flux * AREA, centre, (apart * weight) @ apart.T


def test_east_is_left_and_north_is_up() -> None:
    east, north = FINE.offsets()
    assert east.flatten()[0] == -east.flatten()[-1] == 79.75
    assert north.flatten()[0] == -north.flatten()[-1] == 79.75
    image = FINE.image(sources.gaussian(FINE, 10.0, east=40.5, north=20.5))
    assert image.shape == (1, 1, 160, 160)
    assert divmod(int(image.flatten().argmax()), 160) == (80 - 21, 80 - 41)


@pytest.mark.parametrize(("ratio", "angle"), [(1.0, 0.0), (0.5, 0.0), (0.6, 0.7), (0.4, 2.2)])
def test_gaussian_has_its_flux_widths_and_orientation(ratio: float, angle: float) -> None:
    fwhm, offset = 30.0, (5.0, -8.0)
    image = sources.gaussian(FINE, fwhm, ratio, angle, *offset)
    flux, centre, covariance = moments(image)
    std = fwhm / math.sqrt(8 * math.log(2))
    along = torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)
    across = torch.tensor([math.cos(angle), -math.sin(angle)], dtype=torch.float64)
    assert flux == pytest.approx(2 * math.pi * std**2 * ratio, rel=1e-4)
    assert centre.tolist() == pytest.approx(offset, abs=1e-3)
    assert float(along @ covariance @ along) == pytest.approx(std**2, rel=1e-3)
    assert float(across @ covariance @ across) == pytest.approx((ratio * std) ** 2, rel=1e-3)
    assert float(along @ covariance @ across) == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("fwhm", [20.0, 41.0])
def test_gaussian_is_half_as_bright_half_its_width_away(fwhm: float) -> None:
    # A sample lies 0.25 µas off the middle of the field.
    image = sources.gaussian(FINE, fwhm, east=0.25, north=0.25)[0]
    middle = divmod(int(image.argmax()), image.shape[1])
    assert image[middle] == 1
    assert image[middle[0] + round(fwhm), middle[1]] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("diameter", "ratio"), [(40.0, 1.0), (70.0, 0.6)])
def test_flux_of_a_disc_is_its_area(diameter: float, ratio: float) -> None:
    image = sources.disc(FINE, diameter, edge=2.0, axis_ratio=ratio, axis_angle=0.4, east=3.0)
    flux, centre, covariance = moments(image)
    # The rim is a logistic function of scale edge / 4 (Sommerfeld's expansion).
    radius, soft = diameter / 2, (math.pi * 2.0 / 4 / (diameter / 2)) ** 2
    area = math.pi * radius**2 * ratio * (1 + soft / 3)
    assert flux == pytest.approx(area, rel=1e-3)
    assert centre.tolist() == pytest.approx([3.0, 0.0], abs=1e-2)
    variance = radius**2 / 4 * (1 + 2 * soft) / (1 + soft / 3)
    expected = (variance * ratio) ** 2
    assert float(torch.linalg.det(covariance)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5, 4.0, 5.9])
def test_crescent_has_its_first_moment_and_flux(angle: float) -> None:
    diameter, width, asymmetry = 42.0, 8.0, 0.6
    image = sources.crescent(FINE, diameter, width, angle, asymmetry)
    flux, centre, _ = moments(image)
    # ∫ r exp(-(r - R)² / 2 s²) dr and the same with r²: whole Gaussians, as R is 6 s.
    radius, std = diameter / 2, width / math.sqrt(8 * math.log(2))
    profile = math.sqrt(2 * math.pi) * std
    total = 2 * math.pi * profile * radius
    first = asymmetry * math.pi * profile * (radius**2 + std**2)
    assert flux == pytest.approx(total, rel=1e-3)
    assert float(centre.norm()) == pytest.approx(first / total, rel=1e-3)
    east, north = centre.tolist()
    assert math.cos(math.atan2(east, north) - angle) > 1 - 1e-5


def test_crescent_is_as_bright_at_its_ridge_and_its_floor_as_told() -> None:
    at = {"east": 0.25, "north": 0.25}
    image = sources.crescent(FINE, 40.0, 8.0, position_angle=0.0, asymmetry=0.5, floor=0.3, **at)[0]
    middle, ridge = 159, 40
    inside = 0.3 * math.exp(-1)
    assert image[middle, middle] == pytest.approx(0.3, abs=1e-3)
    assert image[middle - ridge, middle] == pytest.approx(1.5 + inside, abs=1e-4)
    assert image[middle + ridge, middle] == pytest.approx(0.5 + inside, abs=1e-4)
    # Half the width of the profile off the ridge, outside, it is half as bright.
    outside = 0.3 * math.exp(-(1.2**4))
    assert image[middle - ridge - 8, middle] == pytest.approx(0.75 + outside, abs=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.8, 2.0, 5.0])
def test_double_has_its_separation_ratio_and_orientation(angle: float) -> None:
    separation, ratio, fwhm = 40.0, 0.5, 12.0
    image = sources.double(FINE, separation, angle, fwhm, ratio)
    flux, centre, covariance = moments(image)
    std = fwhm / math.sqrt(8 * math.log(2))
    towards = torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)
    assert flux == pytest.approx(2 * math.pi * std**2 * (1 + ratio), rel=1e-4)
    # The centroid is nearer to the brighter.
    assert float(centre @ towards) == pytest.approx(
        separation / 2 * (1 - ratio) / (1 + ratio), 1e-3
    )
    share = ratio / (1 + ratio) ** 2
    expected = std**2 + share * separation**2
    assert float(towards @ covariance @ towards) == pytest.approx(expected, rel=1e-3)


def test_one_value_per_image_draws_what_each_alone_would() -> None:
    angles, diameters = torch.tensor([0.3, 2.0]), torch.tensor([30.0, 45.0])
    together = sources.crescent(FINE, diameters, 9.0, angles, 0.5)
    assert together.shape == (2, 320, 320)
    for k in range(2):
        alone = sources.crescent(FINE, float(diameters[k]), 9.0, float(angles[k]), 0.5)
        torch.testing.assert_close(together[k : k + 1], alone)


def test_pixels_are_means_of_their_samples_with_the_peak_at_one() -> None:
    field = Field(image_size=4, width_uas=8.0, oversampling=3)
    brightness = torch.rand(2, 12, 12) - 0.1
    positive = brightness.clamp(min=0).reshape(2, 4, 3, 4, 3).mean((2, 4))
    expected = 2 * positive / positive.amax((1, 2), keepdim=True) - 1
    torch.testing.assert_close(field.image(brightness)[:, 0], expected)


def test_dark_images_stay_finite() -> None:
    dark = sources.normalized(torch.zeros(1, 1, 4, 4))
    assert torch.equal(dark, -torch.ones(1, 1, 4, 4))

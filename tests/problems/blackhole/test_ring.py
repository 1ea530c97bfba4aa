import math

import numpy as np
import pytest
import torch

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.ring import circular_mean_std, measure_ring, summarize_rings
from lmaps_science.problems.metrics import blur

FIELD = sources.Field(oversampling=4)


def crescent(field=FIELD, **options):
    given = {"diameter": 42.0, "width": 10.0, "asymmetry": 0.7, "position_angle": 0.0, **options}
    return field.image(sources.crescent(field, **given))[0]


def difference(a, b):
    """Between angles, degree."""
    return (a - b + 180) % 360 - 180


@pytest.mark.parametrize(
    ("diameter", "position_angle", "east", "north"),
    [(26, 20, 5, -8), (42, 170, -3, 2), (60, 280, 0, 6)],
)
def test_ring_is_measured_where_it_was_drawn(diameter, position_angle, east, north):
    image = crescent(
        diameter=diameter, position_angle=math.radians(position_angle), east=east, north=north
    )
    ring = measure_ring(image)
    assert ring.is_ring
    assert ring.diameter_uas == pytest.approx(diameter, abs=0.7)
    assert ring.center == pytest.approx((east, north), abs=0.6)
    assert abs(difference(ring.position_angle_deg, position_angle)) < 1
    # The first mode of 1 + A cos is A / 2.
    assert ring.asymmetry == pytest.approx(0.35, abs=0.02)


def test_east_is_left_and_north_is_up():
    y, x = np.mgrid[:64, :64] - 31.5
    profile = np.exp(-((np.hypot(x, y) - 8) ** 2) / 8)
    for weight, angle in ((y < 0, 0), (x < 0, 90), (y > 0, 180), (x > 0, 270)):
        image = torch.from_numpy(2 * profile * (0.5 + 0.5 * weight) - 1)[None]
        assert abs(difference(measure_ring(image).position_angle_deg, angle)) < 1


@pytest.mark.parametrize("width", [8, 14])
def test_corrected_diameter_is_that_of_the_blurred_thin_ring(width):
    sharp = sources.Field(image_size=256, oversampling=2)
    thin = sources.crescent(sharp, 44.0, 1.5, position_angle=1.0, asymmetry=0.4)
    blurred = blur(sharp.image(thin), width * 256 / 160)
    ring = measure_ring(sources.normalized(torch.nn.functional.avg_pool2d(blurred + 1, 4))[0])
    assert ring.diameter_uas < 43.3
    assert ring.diameter_corrected_uas == pytest.approx(44, abs=0.4)
    # The measurement smooths by 6 µas.
    assert ring.width_uas == pytest.approx(math.hypot(width, 6), abs=0.8)


@pytest.mark.parametrize(
    ("size", "field_of_view", "diameter"),
    [(128, 160.0, 42.0), (64, 240.0, 52.0), (48, 120.0, 42.0)],
)
def test_other_fields(size, field_of_view, diameter):
    field = sources.Field(size, field_of_view, 4)
    ring = measure_ring(crescent(field, diameter=diameter), field_of_view)
    assert ring.diameter_uas == pytest.approx(diameter, abs=0.7)
    assert ring.width_uas == pytest.approx(math.hypot(10, 6), abs=1)


def test_what_is_no_ring():
    for brightness in (
        sources.disc(FIELD, 66.0, edge=6.0),
        sources.gaussian(FIELD, 40.0),
        sources.double(FIELD, 37.6, 2.07),
        sources.crescent(FIELD, 42.0, 10.0, asymmetry=1.0),
    ):
        assert not measure_ring(FIELD.image(brightness)[0]).is_ring


def test_each_criterion_has_its_threshold():
    filled = [measure_ring(crescent(floor=floor)) for floor in (0.6, 1.0)]
    assert [ring.is_ring for ring in filled] == [True, False]
    assert filled[0].depth > 0.3 > filled[1].depth
    open_ring = measure_ring(crescent(asymmetry=0.95))
    assert open_ring.faintest < 0.12
    assert not open_ring.is_ring


def test_circular_mean_and_spread():
    mean, std = circular_mean_std([350.0, 10.0])
    assert difference(mean, 0) == pytest.approx(0, abs=1e-9)
    assert math.radians(std) == pytest.approx(math.sqrt(-2 * math.log(math.cos(math.radians(10)))))
    assert circular_mean_std([170.0]) == pytest.approx((170, 0), abs=1e-6)


def test_summary():
    rings = [measure_ring(crescent(diameter=d)) for d in (38.0, 44.0)]
    rings.append(measure_ring(FIELD.image(sources.gaussian(FIELD, 40.0))[0]))
    summary = summarize_rings(rings)
    assert summary["rings"] == 2
    for name in ("diameter_uas", "diameter_corrected_uas", "width_uas"):
        values = [getattr(ring, name) for ring in rings[:2]]
        assert summary[f"ring_{name}"] == pytest.approx(
            {"mean": np.mean(values), "std": np.std(values)}
        )
    assert set(summary["ring_position_angle_deg"]) == {"mean", "std"}
    without = summarize_rings(rings[2:])
    assert without["rings"] == 0
    assert without["ring_diameter_uas"]["mean"] == rings[2].diameter_uas
    with pytest.raises(ValueError, match="at least one"):
        summarize_rings([])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(2, 1, 64, 64), "expected one image"),
        (torch.full((1, 64, 64), -1.0), "dark"),
        (torch.full((1, 64, 64), math.nan), "brightness"),
    ],
)
def test_wrong_images(image, message):
    with pytest.raises(ValueError, match=message):
        measure_ring(image)

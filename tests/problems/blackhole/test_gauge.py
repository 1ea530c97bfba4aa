"""What closure quantities cannot see, and where it is put."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.gauge import centred
from lmaps_science.problems.blackhole.observation import Observation, average_scans
from lmaps_science.problems.blackhole.operator import BlackHoleImaging
from lmaps_science.problems.blackhole.sources import Field
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from tests.problems.blackhole.synthetic import write_uvfits

SIZE = 32
FIELD = Field(image_size=SIZE)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> BlackHoleImaging:
    """Of four sites, without an intra-site baseline's flux: nothing fixes the scale."""
    path = write_uvfits(tmp_path_factory.mktemp("gauge") / "x.uvfits")
    observation = closing(average_scans(read_uvfits(path)))
    return BlackHoleImaging.from_observations([observation], image_size=SIZE, compact_flux=None)


def closing(observation: Observation) -> Observation:
    """The same with baselines that add up to 0 around triangles, which a file's do to 1e-7."""
    uv = np.array(observation.uv, dtype=float)
    for scan in np.unique(observation.scan):
        rows = observation.scan == scan
        stations = observation.stations[rows]
        names = np.unique(stations)
        pairs = 1.0 * (stations[:, :1] == names) - (stations[:, 1:] == names)
        uv[rows] = pairs @ (np.linalg.pinv(pairs) @ uv[rows])
    return replace(observation, uv=uv)


def off_centre(east: float = 20.0, north: float = -15.0) -> Tensor:
    """A crescent far inside the field, (1, 1, y, x), peak 1, float64."""
    brightness = sources.crescent(FIELD, 30.0, 9.0, 0.4, 0.5, east=east, north=north)
    return FIELD.image(brightness * (brightness > 1e-3)).double()


def centroid(brightness: Tensor) -> Tensor:
    """(batch, 2): row and column."""
    flux = brightness.sum((1, 2, 3))
    place = torch.arange(brightness.shape[-1], dtype=brightness.dtype)
    rows, columns = brightness.sum((1, 3)) @ place, brightness.sum((1, 2)) @ place
    return torch.stack([rows, columns], 1) / flux[:, None]


@pytest.mark.parametrize("size", [31, 32])
def test_centred_is_centred(size: int) -> None:
    field = Field(image_size=size)
    images = torch.cat(
        [
            field.image(sources.gaussian(field, 20.0, east=e, north=n))
            for e, n in [(0.0, 0.0), (40.0, 10.0), (-33.0, 25.0), (7.0, -41.0)]
        ]
    )
    brightness = (images + 1).clamp(min=1e-3) - 1e-3
    moved = centred(brightness)
    assert (centroid(moved) - (size - 1) / 2).abs().max() <= 0.51
    for before, after in zip(brightness, moved, strict=True):
        torch.testing.assert_close(before.flatten().sort().values, after.flatten().sort().values)


def test_centred_rolls_by_whole_pixels() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 2, 7] = 1
    expected = torch.zeros(1, 1, 9, 9)
    expected[0, 0, 4, 4] = 1
    assert torch.equal(centred(image), expected)
    assert torch.equal(centred(expected), expected)


def test_centred_keeps_images_apart() -> None:
    images = torch.rand(4, 1, 12, 12) ** 8
    together = centred(images)
    for k in range(4):
        torch.testing.assert_close(together[k : k + 1], centred(images[k : k + 1]))


def test_dark_images_stay_dark(operator: BlackHoleImaging) -> None:
    assert torch.equal(centred(torch.zeros(1, 1, 8, 8)), torch.zeros(1, 1, 8, 8))
    fixed = operator.fix_gauge(-torch.ones(1, 1, SIZE, SIZE), 0.5)
    assert torch.equal(fixed, -torch.ones(1, 1, SIZE, SIZE))


@pytest.mark.parametrize("peak", [0.6, 1.0])
def test_gauge_leaves_closures_alone(peak: float, operator: BlackHoleImaging) -> None:
    x = off_centre()
    fixed = operator.fix_gauge(x, peak)
    assert (fixed - x).abs().max() > 0.5
    torch.testing.assert_close(operator.forward(fixed), operator.forward(x), rtol=0, atol=1e-9)
    change = operator.loss(fixed, operator.y) - operator.loss(x, operator.y)
    assert abs(float(change)) < 1e-9 * float(operator.loss(x, operator.y))


@pytest.mark.parametrize(
    ("before", "peak", "after"),
    [(1.0, 0.6, 0.6), (0.0, 0.6, 0.6), (1.0, -0.6, 0.4), (-0.8, 0.6, -0.4)],
)
def test_gauge_moves_the_peak_but_not_far_at_once(
    before: float, peak: float, after: float, operator: BlackHoleImaging
) -> None:
    # The scale changes by 0.7 to 3 at once: of (1 + before) / 2, the brightness of the peak.
    x = off_centre()
    x = (x + 1) * (before + 1) / 2 - 1
    assert float(operator.fix_gauge(x, peak).max()) == pytest.approx(after, abs=1e-6)
    with pytest.raises(ValueError, match="carries no peak curve"):
        operator.fix_gauge(x, None)


def test_gauge_centres_clips_and_keeps_images_apart(operator: BlackHoleImaging) -> None:
    x = torch.cat([off_centre(20, -15), 0.5 * off_centre(-9, 30) - 0.5]) - 0.1 * torch.rand(1)
    fixed = operator.fix_gauge(x, 0.8)
    assert fixed.min() >= -1
    assert (centroid(fixed + 1) - (SIZE - 1) / 2).abs().max() <= 0.51
    assert fixed.amax((1, 2, 3)).tolist() == pytest.approx([0.8, 0.8], abs=1e-6)
    for k in range(2):
        torch.testing.assert_close(fixed[k : k + 1], operator.fix_gauge(x[k : k + 1], 0.8))
    torch.testing.assert_close(operator.fix_gauge(fixed, 0.8), fixed)


def test_data_that_fix_the_scale_keep_it(
    operator: BlackHoleImaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(operator.likelihood), "scale_free", False)
    x = 0.5 * off_centre() - 0.5
    assert float(operator.fix_gauge(x, 1.0).max()) == pytest.approx(float(x.max()))


def test_other_problems_have_no_gauge() -> None:
    from tests.small import small_operator

    x = torch.randn(2, 1, 32, 32)
    assert small_operator().fix_gauge(x, 0.3) is x

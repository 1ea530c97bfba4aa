"""Images brought to one place and sorted into modes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.controls import correlation
from lmaps_science.problems.blackhole.ensemble import aligned, correlations, modes
from lmaps_science.problems.blackhole.sources import Field

FIELD = Field(image_size=32)


def crescent(angle: float = 0.5) -> Tensor:
    return FIELD.image(sources.crescent(FIELD, 44.0, 12.0, angle, 0.6))


def double() -> Tensor:
    return FIELD.image(sources.double(FIELD, 50.0, 1.2))


def rolled(image: Tensor, shifts: list[tuple[int, int]]) -> Tensor:
    return torch.cat([image.roll(shift, (-2, -1)) for shift in shifts])


def test_correlations_against_all_shifts_tried() -> None:
    images = torch.rand(3, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    value, shift = correlations(images)
    for i in range(3):
        for j in range(3):
            tried = {
                (dy, dx): np.corrcoef(
                    images[i].ravel(), images[j].roll((dy, dx), (-2, -1)).ravel()
                )[0, 1]
                for dy in range(6)
                for dx in range(5)
            }
            assert float(value[i, j]) == pytest.approx(max(tried.values()), abs=1e-6)
            assert tuple(shift[i, j].tolist()) == max(tried, key=tried.__getitem__)
    torch.testing.assert_close(value.diagonal(), torch.ones(3, dtype=torch.float64))


def test_correlations_are_those_of_the_controls() -> None:
    images = torch.cat([crescent(), double()])
    value = correlations(images)[0]
    assert float(value[0, 1]) == pytest.approx(float(correlation(images[:1], images[1:])), abs=1e-9)


def test_alignment_undoes_random_rolls() -> None:
    generator = torch.Generator().manual_seed(1)
    shifts = torch.randint(-15, 16, (6, 2), generator=generator).tolist()
    moved = aligned(rolled(crescent(), shifts))
    assert all(torch.equal(image, moved[0]) for image in moved)
    originals = {tuple(rolled(crescent(), [s]).flatten().tolist()) for s in shifts}
    assert tuple(moved[0].flatten().tolist()) in originals


def test_alignment_is_to_the_most_typical() -> None:
    typical = rolled(crescent(), [(3, 4), (0, 0), (-5, 2)])
    moved = aligned(torch.cat([double(), typical]))
    places = [image for image in typical if torch.equal(image, moved[1])]
    assert len(places) == 1
    assert torch.equal(moved[2], moved[1])


def test_one_image_is_its_own_mode_and_stays_in_place() -> None:
    image = crescent()
    assert torch.equal(aligned(image), image)
    assert [group.tolist() for group in modes(image)] == [[0]]


def test_two_known_groups_are_two_modes_the_larger_first() -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.cat(
        [
            rolled(double(), [(0, 0), (5, 5)]),
            rolled(crescent(), [(1, 2), (-3, 0), (0, 8)]),
            rolled(double(), [(-7, 3)]),
            rolled(crescent(), [(9, 9)]),
            rolled(crescent(), [(0, -6)]),
        ]
    )
    noisy = images + 0.05 * torch.randn(images.shape, generator=generator)
    assert [group.tolist() for group in modes(noisy)] == [[2, 3, 4, 6, 7], [0, 1, 5]]


def test_images_alike_are_one_mode_and_unlike_ones_each_their_own() -> None:
    shifted = rolled(crescent(), [(0, 0), (2, 3), (4, -9)])
    assert [group.tolist() for group in modes(shifted)] == [[0, 1, 2]]
    gaussian = FIELD.image(sources.gaussian(FIELD, 90.0, 0.3))
    apart = torch.cat([crescent(), double(), gaussian])
    assert sorted(group.tolist() for group in modes(apart)) == [[0], [1], [2]]

import numpy as np
import pytest

from lmaps_science.problems.mri.masks import (
    calibration_shape,
    calibration_width,
    cartesian_mask,
    is_complete,
    sampled,
)


def test_masks_are_inversebenchs(golden):
    masks = golden("mri_masks.npz")
    assert len(masks) == 12
    for name, expected in masks.items():
        _, lines, acceleration, seed, pattern = name.split("_")
        mask = cartesian_mask(int(lines), int(acceleration[1:]), pattern, int(seed[4:]))
        np.testing.assert_array_equal(mask, expected[0, 0, 0])


def test_random_masks_keep_the_budget():
    mask = cartesian_mask(96, 4, num_calibration_lines=10)
    assert mask.sum() == 24
    assert mask[43:53].all()
    assert (cartesian_mask(96, 4, seed=1) != mask).any()


def test_calibration_width():
    lines = np.isin(np.arange(10), [0, 4, 5, 6, 8])
    assert calibration_width(lines) == 3
    assert calibration_width(~lines) == 0
    assert calibration_width(np.ones(7, bool)) == 7
    square = np.zeros((9, 12), bool)
    square[3:6, 4:8] = True
    assert calibration_width(square) == 3
    assert calibration_width(~square) == 0
    assert calibration_width(np.ones((5, 8), bool)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"acceleration": 1}, "acceleration: expected a number above 1"),
        ({"acceleration": 100}, "up to num_lines = 64, got 100"),
        ({"acceleration": 2.5, "pattern": "equispaced"}, "expected an integer"),
        ({"pattern": "spiral"}, "pattern: expected one of random, equispaced, got 'spiral'"),
        ({"num_calibration_lines": 17}, "expected 0 to the 16 lines"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        cartesian_mask(**({"num_lines": 64, "acceleration": 4} | arguments))


def test_sampled_lines_and_points():
    kspace = np.ones((2, 6, 8), complex)
    kspace[0] = 0
    kspace[:, :, [1, 5]] = 0
    assert np.array_equal(sampled(kspace)[0], kspace[1, 0] != 0)
    kspace[:, 0, 0] = 0
    assert sampled(kspace)[0, 0] and not sampled(kspace, complete=0.99)[0, 0]
    assert np.array_equal(sampled(kspace.swapaxes(1, 2)), sampled(kspace).T)
    kspace[:, :3, :4] = 0
    assert np.array_equal(sampled(kspace), kspace[1] != 0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((20, 6), (20, 6)), ((6, 20), (6, 20)), ((7, 9), (7, 9)), ((0, 0), (0, 0))],
)
def test_calibration_is_the_sampled_rectangle(shape, expected):
    mask = np.zeros((24, 32), bool)
    mask[
        tuple(
            slice(n // 2 - w // 2, n // 2 - w // 2 + w)
            for n, w in zip((24, 32), shape, strict=True)
        )
    ] = True
    assert calibration_shape(mask) == expected
    assert calibration_shape(np.ones((100, 30), bool), largest=40) == (40, 30)


def test_complete_but_for_padding():
    points = np.zeros((20, 40), bool)
    assert not is_complete(points)
    points[2:-2, 4:-5] = True
    assert is_complete(points) and is_complete(points.T)
    for hole in ((5, 7), (slice(None), 9), (3, slice(None)), (slice(None), slice(0, 10))):
        broken = points.copy()
        broken[hole] = False
        assert not is_complete(broken)
    assert is_complete(np.ones((4, 4), bool))

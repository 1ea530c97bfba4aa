import numpy as np
import pytest

from lmaps_science.problems.mri.masks import calibration_width, cartesian_mask


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

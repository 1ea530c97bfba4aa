"""Held-out samples: outside the calibration region, whole lines, and they tell images apart."""

from collections.abc import Callable

import pytest
import torch

from lmaps_science.problems import MultiCoilMRI
from lmaps_science.problems.mri.holdout import best_image, hold_out, prediction_error, without


def test_held_out_are_whole_lines_outside_the_centre(make_operator: Callable) -> None:
    operator = make_operator("lines in x")
    held = hold_out(operator, share=0.5)
    assert held.any(0).sum() == 1
    assert held.all(0).sum() == 1
    assert not held[:, 5:7].any()
    assert not (held & ~operator.mask).any()
    along_y = hold_out(make_operator("lines in y"), share=1.0)
    assert along_y.all(1).nonzero()[:, 0].tolist() == [0, 3]
    assert len({tuple(hold_out(operator, seed=s)[0].tolist()) for s in range(20)}) == 2


def test_held_out_points_are_a_share_of_those_sampled(make_operator: Callable) -> None:
    operator = make_operator("points")
    held = hold_out(operator, share=0.25)
    assert 0.15 * operator.mask.sum() < held.sum() < 0.3 * operator.mask.sum()
    assert not (held & ~operator.mask).any()


def test_nothing_outside_the_centre_is_an_error() -> None:
    mask = torch.zeros(1, 12)
    mask[:, 5:8] = 1
    operator = MultiCoilMRI(torch.ones(2, 10, 12, dtype=torch.complex64), mask)
    with pytest.raises(ValueError, match="outside its fully sampled centre, got none"):
        hold_out(operator)


def test_the_error_is_of_the_samples_left_out(operator: MultiCoilMRI) -> None:
    x = torch.randn(1, 2, *operator.mask.shape, dtype=torch.float64)
    y = operator.forward(x)
    held = hold_out(operator, share=0.5)
    assert prediction_error(operator, x, y, held) < 1e-12
    assert prediction_error(operator, 0 * x, y, held) == pytest.approx(1)
    others = without(operator, held)
    assert torch.equal(others.mask, operator.mask & ~held)
    seen = others.observation(operator.kspace(y))
    torch.testing.assert_close(others.forward(x), seen, rtol=1e-10, atol=1e-10)


def test_the_strength_is_the_one_that_predicts_best(make_operator: Callable) -> None:
    operator = make_operator("lines in x", sigma_noise=0.0)
    x = torch.randn(1, 2, *operator.mask.shape, dtype=torch.float64)
    y = operator.forward(x)
    used = []

    def method(seen: MultiCoilMRI, data: torch.Tensor, strength: float) -> torch.Tensor:
        used.append((int(seen.mask.sum()), strength))
        return x * (1 + strength)

    image = best_image(method, operator, y, strengths=(0.5, -0.1, 2.0))
    torch.testing.assert_close(image, 0.9 * x)
    assert used[-1] == (int(operator.mask.sum()), -0.1)
    assert all(count < used[-1][0] for count, _ in used[:-1])

import dataclasses
import math

import pytest
import torch

from lmaps_science.prior.curves import (
    ErrorCurve,
    PeakCurve,
    measure_error_curve,
    measure_peak_curve,
)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_error_curve_goes_through_its_points_and_is_a_power_law_between():
    curve = ErrorCurve(torch.tensor([0.1, 1.0, 10.0]), torch.tensor([0.005, 0.1, 0.2]))
    for sigma, mse in zip(curve.sigmas.tolist(), curve.mse.tolist(), strict=True):
        assert curve(sigma) == pytest.approx(mse, rel=1e-6)
    assert curve(0.1 * 10**0.5) == pytest.approx((0.005 * 0.1) ** 0.5, rel=1e-6)


def test_error_curve_beyond_its_ends():
    curve = ErrorCurve(torch.tensor([0.1, 1.0]), torch.tensor([0.005, 0.1]))
    assert curve(0.01) == pytest.approx(0.005 / 100, rel=1e-6)
    assert curve(1000.0) == pytest.approx(0.1, rel=1e-6)
    assert isinstance(curve(0.5), float)


@pytest.mark.parametrize(
    ("sigmas", "mse", "message"),
    [
        ([0.1, 1.0], [0.1], "as many noise levels as values"),
        ([0.1], [0.1], "at least 2"),
        ([1.0, 0.1], [0.1, 0.2], "positive and increase"),
        ([0.0, 0.1], [0.1, 0.2], "positive and increase"),
        ([0.1, 1.0], [0.1, math.nan], "positive and finite"),
        ([0.1, 1.0], [0.0, 0.1], "positive and finite"),
    ],
)
def test_error_curve_refuses_nonsense(sigmas, mse, message):
    with pytest.raises(ValueError, match=message):
        ErrorCurve(torch.tensor(sigmas), torch.tensor(mse))


def test_error_curve_is_frozen_and_wants_a_positive_level():
    curve = ErrorCurve(torch.tensor([0.1, 1.0]), torch.tensor([0.005, 0.1]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        curve.mse = torch.ones(2)
    for sigma in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="expected a positive noise level"):
            curve(sigma)


def test_measured_error_of_a_prior_that_does_nothing_is_the_noise():
    images = randn(50, 2, 16, 16, dtype=torch.float32)
    sigmas = torch.tensor([0.01, 0.5, 30.0])
    curve = measure_error_curve(lambda x, sigma: x, images, sigmas)
    torch.testing.assert_close(curve.mse, sigmas**2, rtol=0.03, atol=0)
    assert curve.mse.dtype == curve.sigmas.dtype == torch.float32


def test_measured_error_does_not_depend_on_the_batch_size():
    images = randn(7, 1, 8, 8).float()
    curves = [
        measure_error_curve(lambda x, sigma: x / (1 + sigma), images, batch_size=size)
        for size in (1, 3, 16)
    ]
    torch.testing.assert_close(curves[0].mse, curves[1].mse, rtol=1e-6, atol=0)
    torch.testing.assert_close(curves[0].mse, curves[2].mse, rtol=1e-6, atol=0)
    assert len(curves[0].sigmas) == 16
    other = measure_error_curve(lambda x, sigma: x / (1 + sigma), images, seed=1)
    assert not torch.equal(other.mse, curves[0].mse)


def test_peak_curve_measures_the_median_peak_and_interpolates_in_log_sigma():
    def halve(x, sigma):
        return x / 2 if sigma > 1 else x

    images = torch.arange(1.0, 6.0).view(5, 1, 1, 1) * torch.ones(1, 1, 4, 4)
    curve = measure_peak_curve(halve, images, torch.tensor([1e-6, 1e-5, 2.0, 20.0]), batch_size=2)
    assert curve(1e-6) == pytest.approx(3, rel=1e-3)
    between = PeakCurve(torch.tensor([0.1, 10.0]), torch.tensor([1.0, 0.0]))
    assert between(1.0) == pytest.approx(0.5)
    assert (between(0.01), between(100.0)) == (1.0, 0.0)


def test_peak_curve_refuses_nonsense():
    with pytest.raises(ValueError, match="peak curve: expected finite"):
        PeakCurve(torch.tensor([0.1, 1.0]), torch.tensor([1.0, math.inf]))
    with pytest.raises(ValueError, match="as many noise levels as values"):
        PeakCurve(torch.tensor([0.1, 1.0]), torch.tensor([1.0]))

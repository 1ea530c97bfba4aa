"""The closed forms of truncated normal distributions, and the solver that rests on them."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from lmaps_science.covariance import ScaledIdentity
from lmaps_science.interval import Interval, truncated_mean, truncated_quantile
from lmaps_science.problems.restoration.quantised import Quantisation

INF = math.inf
CASES = [
    (0.0, 1.0, -1.0, 1.0),
    (0.0, 1.0, -INF, 1.0),
    (2.0, 0.5, -INF, 1.0),
    (0.3, 0.2, 1.0, 1.4),
    (-0.3, 0.2, 1.0, INF),
    (5.0, 0.5, 0.0, 1.0),
    (0.0, 3.0, -INF, INF),
    (0.0, 100.0, 0.2, 0.4),
]


def arguments(center, scale, lower, upper):
    one = [torch.tensor([v], dtype=torch.float64) for v in (center, lower, upper)]
    return one[0], scale**2, one[1], one[2]


def reference(center, scale, lower, upper):
    return scipy.stats.truncnorm((lower - center) / scale, (upper - center) / scale, center, scale)


@pytest.mark.parametrize("case", CASES)
def test_mean(case):
    assert float(truncated_mean(*arguments(*case))) == pytest.approx(
        reference(*case).mean(), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("probability", [0.01, 0.5, 0.97])
def test_quantile(case, probability):
    p = torch.tensor([probability], dtype=torch.float64)
    assert float(truncated_quantile(p, *arguments(*case))) == pytest.approx(
        reference(*case).ppf(probability), rel=2e-3, abs=1e-9
    )


@pytest.mark.parametrize("function", ["mean", "quantile"])
def test_far_in_the_tail_it_is_finite_and_within(function):
    center = torch.linspace(-1e3, 1e3, 2001)
    lower, upper = torch.full_like(center, -1e-3), torch.full_like(center, 1e-3)
    for variance in (1e-8, 1e-4, 1.0, 1e6):
        if function == "mean":
            value = truncated_mean(center, variance, lower, upper)
        else:
            u = torch.rand(center.shape, dtype=torch.float64)
            value = truncated_quantile(u, center, variance, lower, upper)
        assert value.isfinite().all()
        assert (value >= lower).all()
        assert (value <= upper).all()


def test_mode_is_the_projection_and_samples_are_of_the_posterior():
    operator = Quantisation((2, 3), 2)
    y = torch.tensor([[0.0, 1, 2], [3, 1, 2]])[None, None]
    m = torch.tensor([[-1.2, 0.4, 0.3], [0.2, -0.4, 0.9]])[None, None]
    covariance = ScaledIdentity(0.09)
    lower, upper = operator.bounds(y)
    mode = Interval(operator, y, 6.0, estimate="mode").mode(m, covariance)
    torch.testing.assert_close(mode.x0, m.clamp(lower, upper))

    count = 4000
    many = Interval(operator, y.repeat(count, 1, 1, 1), 6.0)
    generators = [torch.Generator().manual_seed(k) for k in range(count)]
    draws = many.sample(m.repeat(count, 1, 1, 1), covariance, generators).x0
    mean = many.mode(m.repeat(count, 1, 1, 1), covariance).x0[:1]
    assert (operator.loss(draws, y) == 0).all()
    np.testing.assert_allclose(draws.mean(0, keepdim=True), mean, atol=0.02)


def test_refusals():
    operator = Quantisation((2, 3), 2)
    y = torch.zeros(1, 1, 2, 3)
    with pytest.raises(ValueError, match="expected 'mean' or 'mode'"):
        Interval(operator, y, 6.0, estimate="median")
    with pytest.raises(ValueError, match="finite multiple of the identity"):
        Interval(operator, y, 6.0).mode(y, ScaledIdentity(math.inf))

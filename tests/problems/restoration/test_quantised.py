"""The operators that round: real codecs, and bounds that hold the truth."""

import math

import pytest
import torch

from lmaps_science import LMAPS
from lmaps_science.interval import Interval
from lmaps_science.problems.restoration.grey import GreyScale
from lmaps_science.problems.restoration.quantised import (
    JPEG,
    Clipping,
    Quantisation,
    quality_table,
)

SHAPE = (16, 24)
GREY = GreyScale(0.1, 0.7)


def picture(count=2, dtype=torch.float64):
    """Smooth normalised images whose grey values are 8-bit integers."""
    y, x = torch.meshgrid(torch.arange(SHAPE[0]), torch.arange(SHAPE[1]), indexing="ij")
    phases = torch.arange(count)[:, None, None]
    grey = 0.4 + 0.35 * torch.sin(x / 3 + phases) * torch.cos(y / 4)
    grey = (255 * grey).round() / 255
    return (grey[:, None].to(dtype) / GREY.scale) - GREY.shift


OPERATORS = {
    "jpeg 5": lambda: JPEG(SHAPE, quality_table(5), GREY),
    "jpeg 90": lambda: JPEG(SHAPE, quality_table(90), GREY),
    "3 bits": lambda: Quantisation(SHAPE, 3, GREY),
    "saturated": lambda: Clipping(SHAPE, 0.5, 8, GREY),
}


@pytest.fixture(params=OPERATORS)
def operator(request):
    return OPERATORS[request.param]()


def test_the_transform_is_orthonormal(operator):
    x = torch.randn(2, 1, *SHAPE, dtype=torch.float64)
    c = operator.analysis(x)
    torch.testing.assert_close(c.square().sum(), x.square().sum())
    torch.testing.assert_close(operator.synthesis(c), x)


def test_levels_are_affine_in_the_coefficients(operator):
    x = picture()
    origin = operator.levels(torch.zeros_like(x))
    expected = operator.gain * operator.analysis(x) + origin
    torch.testing.assert_close(operator.levels(x), expected)


def test_measuring_adds_no_noise_to_the_integers(operator):
    x = picture()
    assert torch.equal(operator({"target": x}), operator.forward(x))


def test_the_truth_is_within_the_bounds(operator):
    x = picture()
    lower, upper = operator.bounds(operator.forward(x))
    c = operator.analysis(x)
    # The codec's cosine transform is one of integers.
    slack = 0.05 / operator.gain if isinstance(operator, JPEG) else 1e-5
    assert (lower - slack <= c).all()
    assert (c <= upper + slack).all()


def test_within_the_bounds_means_the_same_data(operator):
    x = picture()
    y = operator.forward(x)
    lower, upper = operator.bounds(y)
    # Away from the ends, so that the rounding of the picture to 8 bits changes no JPEG integer.
    middle = torch.where(lower.isinf(), upper - 0.1, torch.where(upper.isinf(), lower + 0.1, 0))
    middle = torch.where(lower.isinf() | upper.isinf(), middle, (lower + upper) / 2)
    inside = middle + 0.2 * (operator.analysis(x) - middle)
    again = operator.forward(operator.synthesis(inside))
    different = (again != y).double().mean()
    assert different <= (0.05 if isinstance(operator, JPEG) else 0)


def test_the_gradient_is_that_of_the_levels(operator):
    x, y = picture(1), operator.forward(picture(1) + 0.3)
    _, gradient = operator.loss_and_gradient(x, y)
    residual = operator.forward(x) - y
    probe = torch.randn(x.shape, dtype=torch.float64)
    change = operator.levels(probe) - operator.levels(torch.zeros_like(probe))
    torch.testing.assert_close((gradient * probe).sum(), 2 * (residual * change).sum())


@pytest.mark.parametrize("solver", ["auto", "gradient"])
def test_the_loop_takes_it(operator, solver):
    x = picture(1, torch.float32)
    y = operator.forward(x)
    lmaps = LMAPS(
        lambda x, sigma: x / (1 + sigma**2),
        operator,
        4,
        1.0,
        solver=solver,
        covariance="isotropic",
        num_inner_steps=5,
    )
    result = lmaps(y, num_samples=2)
    assert result.samples.shape == (1, 2, 1, *SHAPE)
    if solver == "auto":
        lower, upper = operator.bounds(y)
        c = operator.analysis(result.mean)
        assert (lower - 1e-4 <= c).all()
        assert (c <= upper + 1e-4).all()


def test_auto_is_the_closed_form():
    operator = OPERATORS["3 bits"]()
    lmaps = LMAPS(lambda x, sigma: x, operator, covariance="isotropic")
    assert isinstance(lmaps._local_map(operator.forward(picture())), Interval)


def test_three_bits_have_eight_values_with_open_ends():
    operator = Quantisation((1, 8), 3)
    y = torch.arange(8.0).view(1, 1, 1, 8)
    lower, upper = operator.bounds(y)
    assert lower[0, 0, 0, 0] == -math.inf
    assert upper[0, 0, 0, 7] == math.inf
    torch.testing.assert_close(operator.unnormalize(lower)[..., 1:], (y[..., 1:] - 0.5) / 7)
    torch.testing.assert_close(operator.picture(y), y / 7)


def test_jpeg_images_have_whole_blocks():
    operator = JPEG((13, 20), quality_table(50))
    assert operator.image_shape == (1, 16, 24)
    assert operator.picture_shape == (13, 20)


def test_saturation_leaves_the_top_open_and_nothing_else():
    operator = Clipping(SHAPE, 0.5)
    y = operator.forward(picture())
    lower, upper = operator.bounds(y)
    assert ((upper == math.inf) == (y == 128)).all()
    assert (y == 128).any()
    assert (lower.isfinite() == (y > 0)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JPEG(SHAPE, [[1, 2]]), r"expected \(8, 8\) positive integers"),
        (lambda: quality_table(0), "expected 1 to 100, got 0"),
        (lambda: Quantisation(SHAPE, 0), "expected 1 to 16, got 0"),
        (lambda: Clipping(SHAPE, 1.5), "saturation: expected a grey value"),
        (lambda: Quantisation(SHAPE, 3, GreyScale(0.5, 0.5)), "has no contrast"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()

"""Linear degradations and phase retrieval: adjoints, kernels, masks, an exact local MAP."""

import pytest
import torch

from lmaps_science import LMAPS
from lmaps_science.operator import check_adjoint, check_gradient
from lmaps_science.problems.restoration.grey import GreyScale
from lmaps_science.problems.restoration.linear import (
    Blur,
    Inpainting,
    SuperResolution,
    box_mask,
    gaussian_kernel,
    motion_kernel,
    random_mask,
)
from lmaps_science.problems.restoration.phase import PhaseRetrieval

SHAPE = (12, 16)
GREY = GreyScale(0.2, 0.8)
NOISE = 0.05


def generator():
    return torch.Generator().manual_seed(0)


OPERATORS = {
    "box": lambda: Inpainting(box_mask(SHAPE, (4, 6)), NOISE, GREY),
    "random": lambda: Inpainting(random_mask(SHAPE, 0.6, generator()), NOISE, GREY),
    "gaussian": lambda: Blur(SHAPE, gaussian_kernel(1.2), NOISE, GREY),
    "motion": lambda: Blur(SHAPE, motion_kernel(5, 30), NOISE, GREY),
    "coarse": lambda: SuperResolution(SHAPE, 2, NOISE, GREY),
}


@pytest.fixture(params=OPERATORS)
def operator(request):
    return OPERATORS[request.param]()


def test_adjoint(operator):
    assert check_adjoint(operator) < 1e-6


def test_gradient(operator):
    y = operator.forward(torch.randn(1, 1, *SHAPE, dtype=torch.float64))
    assert check_gradient(operator, y) < 1e-6


def test_data_of_a_white_image_are_white(operator):
    white = operator.normalize(torch.ones(1, 1, *SHAPE, dtype=torch.float64))
    y = operator.forward(white)
    known = operator.apply(torch.ones_like(white)) > 0.5
    torch.testing.assert_close(y[known], torch.ones_like(y[known]))
    assert operator.picture(y).shape == white.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept_and_batches_are_loops(operator, dtype):
    x = torch.randn(3, 1, *SHAPE, dtype=dtype, generator=generator())
    y = operator.forward(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, torch.cat([operator.forward(one) for one in x.split(1)]))


def test_the_local_map_is_the_known_answer(operator):
    """One level of the loop against a dense solution, from the prior N(0, I) of a denoiser 0."""
    y = operator({"target": 0.5 * torch.randn(1, 1, *SHAPE, generator=generator())}, generator())
    lmaps = LMAPS(lambda x, sigma: 0 * x, operator, 1, 1.0, 1.0, covariance="isotropic")
    unit = torch.eye(SHAPE[0] * SHAPE[1], dtype=torch.float64).view(-1, 1, *SHAPE)
    J = (operator.forward(unit) - operator.offset().double()).flatten(1)
    residual = (y - operator.offset()).flatten().double()
    precision = J @ J.T / NOISE**2 + unit.flatten(1)
    exact = torch.linalg.solve(precision, J @ residual / NOISE**2)
    torch.testing.assert_close(lmaps(y).mean.flatten().double(), exact, atol=1e-2, rtol=1e-2)


def test_motion_is_as_long_and_turned_as_told():
    kernel = motion_kernel(9, 90)
    columns, rows = kernel.sum(0), kernel.sum(1)
    assert columns.max() > 0.99
    assert (rows > 0.09).sum() == 9
    up = motion_kernel(9, 45)
    middle = up.shape[0] // 2
    assert up[middle - 2, middle + 2] > 0.05  # towards the top right
    assert up[middle + 2, middle + 2] < 1e-6


def test_phase_retrieval_sees_neither_shift_nor_sign():
    operator = PhaseRetrieval(SHAPE, NOISE)
    x = operator.normalize(torch.rand(1, 1, *SHAPE, dtype=torch.float64))
    mirrored = x.flip(-1, -2)
    torch.testing.assert_close(operator.forward(x), operator.forward(mirrored))
    y = operator.forward(torch.rand(1, 1, *SHAPE, dtype=torch.float64))
    assert check_gradient(operator, y, step=1e-5) < 1e-4
    assert operator.forward(x).shape == (1, 1, 24, 32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blur(SHAPE, torch.ones(2, 3), NOISE), "expected odd sides"),
        (lambda: SuperResolution(SHAPE, 5, NOISE), "a divisor of 12 and 16, got 5"),
        (lambda: Inpainting(torch.zeros(SHAPE, dtype=torch.bool), NOISE), "0 of them known"),
        (lambda: box_mask(SHAPE, (12, 3)), "within 12×16, got 12×3"),
        (lambda: random_mask(SHAPE, 1.0, generator()), r"a share in \[0, 1\)"),
        (lambda: gaussian_kernel(0), "more than 0 pixels"),
        (lambda: motion_kernel(0.5), "at least 1 pixel"),
        (lambda: PhaseRetrieval(SHAPE, NOISE, 0), "oversampling: expected 1 or more"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()

"""Tikhonov and total variation against what defines them."""

import pytest
import torch
from skimage.restoration import denoise_tv_chambolle

from lmaps_science.baselines import tikhonov, total_variation
from tests.small import SIDE, small_image, small_operator
from tests.twin import SHAPE, MatrixOperator


@pytest.fixture(scope="module")
def operator():
    return small_operator()


@pytest.fixture(scope="module")
def y(operator) -> torch.Tensor:
    return torch.cat(
        [operator({"target": small_image(k)}, torch.Generator().manual_seed(k)) for k in (0, 1)]
    )


def test_tikhonov_solves_its_normal_equations(operator, y: torch.Tensor) -> None:
    strength = 1e-3 * float(operator.spectrum().values.max())
    x = tikhonov(operator, y, strength).double()
    # Half the gradient of the penalised loss; the empty image is -1.
    gradient = operator.gradient(x, y) / 2 + strength * (x + 1)
    scale = operator.gradient(-torch.ones_like(x), y).norm() / 2
    assert gradient.norm() < 1e-4 * scale


def test_default_strength_predicts_nearly_best_and_is_one_per_case(operator, y) -> None:
    truth = operator.forward(torch.cat([small_image(k) for k in (0, 1)]))

    def error(strength: float | None) -> torch.Tensor:
        return (
            (operator.forward(tikhonov(operator, y, strength)) - truth).abs().square().sum((1, 2))
        )

    top = float(operator.spectrum().values.max())
    candidates = torch.stack([error(top * 10.0**k) for k in range(-8, 1)])
    assert (candidates.amax(0) > 2 * candidates.amin(0)).all()
    assert (error(None) < 1.1 * candidates.amin(0)).all()
    alone = tikhonov(operator, y[1:])
    torch.testing.assert_close(tikhonov(operator, y)[1:], alone, rtol=0, atol=1e-5)


def test_tikhonov_needs_a_spectrum() -> None:
    matrix = MatrixOperator(torch.eye(16), torch.zeros(16), 0.1, spectral=False)
    with pytest.raises(ValueError, match="MatrixOperator has no spectrum"):
        tikhonov(matrix, torch.zeros(1, 16))


def test_total_variation_of_plain_denoising_is_the_librarys() -> None:
    matrix = MatrixOperator(torch.eye(16), torch.zeros(16), 0.1)
    noisy = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    x = total_variation(matrix, noisy, strength=0.3, num_steps=50)
    expected = denoise_tv_chambolle(noisy.view(4, 4).double().numpy(), 0.3, 1e-5, 100)
    torch.testing.assert_close(
        x.view(SHAPE)[0].double(), torch.from_numpy(expected), rtol=0, atol=2e-3
    )


def test_total_variation_flattens_and_fits(operator, y: torch.Tensor) -> None:
    weak, strong = (total_variation(operator, y[:1], s, num_steps=30) for s in (1e-5, 1e-1))
    assert weak.shape == (1, 1, SIDE, SIDE)
    assert operator.loss(weak, y[:1]) < operator.loss(strong, y[:1])
    assert weak.diff(dim=3).abs().sum() > 2 * strong.diff(dim=3).abs().sum()

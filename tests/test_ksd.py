"""Stein checks tell right samples from wrong ones, where both are known."""

import pytest
import torch
from torch import Tensor

from lmaps_science.ksd import kernel_stein_discrepancy, posterior_score, stein_width
from lmaps_science.prior.analytic import GaussianMixturePrior, GaussianPrior
from tests.twin import PIXELS, SHAPE, GaussianTwin


@pytest.fixture(scope="module")
def twin() -> GaussianTwin:
    return GaussianTwin()


def drawn(twin: GaussianTwin, width: float = 1.0, shift: float = 0.0) -> Tensor:
    """Samples of the posterior, its deviation times `width` and moved by `shift` deviations."""
    noise = torch.randn(
        200, PIXELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    root = torch.linalg.cholesky(twin.covariance)
    return (twin.mean + (width * noise + shift) @ root.T).view(-1, *SHAPE)


def discrepancy(twin: GaussianTwin, samples: Tensor) -> float:
    return kernel_stein_discrepancy(samples, exact_score(twin, samples))


def exact_score(twin: GaussianTwin, x: Tensor) -> Tensor:
    return (-(x.flatten(1) - twin.mean) @ torch.linalg.inv(twin.covariance)).view_as(x)


def test_score_is_that_of_the_posterior(twin: GaussianTwin) -> None:
    x = drawn(twin)[:5]

    def prior(x: Tensor, sigma: float) -> Tensor:
        total = twin.prior_covariance + sigma**2 * torch.eye(PIXELS)
        gain = torch.linalg.solve(total, twin.prior_covariance)
        return (twin.prior_mean + (x.flatten(1) - twin.prior_mean) @ gain).view_as(x)

    score = posterior_score(prior, twin.operator, x, twin.y[None], 1e-3)
    torch.testing.assert_close(score, exact_score(twin, x), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(("width", "shift"), [(0.6, 0.0), (1.6, 0.0), (1.0, 0.7)])
def test_wrong_samples_are_told_from_right_ones(
    twin: GaussianTwin, width: float, shift: float
) -> None:
    right, wrong = discrepancy(twin, drawn(twin)), discrepancy(twin, drawn(twin, width, shift))
    assert wrong > 2 * abs(right)


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_width_is_found_from_few_samples(twin: GaussianTwin, width: float) -> None:
    samples = drawn(twin, width)[:20]
    assert stein_width(samples, exact_score(twin, samples)) == pytest.approx(width, rel=0.1)


def test_a_missing_mode_is_hardly_seen() -> None:
    """Known of all checks by the score alone; stated here so that nobody relies on it."""
    means = torch.tensor([-8.0, 8.0]).view(2, 1, 1, 1)
    both = GaussianMixturePrior(means, torch.ones(2), torch.ones(2))
    one = GaussianPrior(means[0], 1.0)
    generator = torch.Generator().manual_seed(0)

    def of(samples: Tensor) -> float:
        x = samples.requires_grad_(True)
        (score,) = torch.autograd.grad(both.log_prob(x).sum(), x)
        return kernel_stein_discrepancy(x.detach(), score)

    missing = of(one.sample(300, generator))
    shifted = of(both.sample(300, generator) + 0.5)
    assert missing < 0.5 * shifted


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="at least two samples"):
        kernel_stein_discrepancy(torch.zeros(1, 3), torch.zeros(1, 3))

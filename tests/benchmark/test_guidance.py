"""DPS, PiGDM and SITCOM where the posterior is known."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lmaps_science.benchmark.guidance import Guided, Network, dps, pigdm, sitcom
from lmaps_science.prior.analytic import GaussianPrior
from tests.twin import SHAPE, GaussianTwin

METHODS: dict[str, Callable[..., Guided]] = {
    "dps": lambda *a, **k: dps(*a, num_steps=100, zeta=0.1, **k),
    "pigdm": lambda *a, **k: pigdm(*a, num_steps=50, **k),
    "sitcom": lambda *a, **k: sitcom(*a, learning_rate=0.05, **k),
}


@pytest.fixture(scope="module")
def twin() -> GaussianTwin:
    return GaussianTwin()


@pytest.fixture(scope="module")
def prior(twin: GaussianTwin) -> GaussianPrior:
    return GaussianPrior(twin.prior_mean.view(SHAPE).float(), twin.prior_covariance.float())


def error(x: Tensor, twin: GaussianTwin) -> float:
    """Root mean square distance from the posterior mean."""
    return float((x.flatten(1).double() - twin.mean).square().mean().sqrt())


@pytest.mark.parametrize("name", METHODS)
def test_their_mean_is_near_that_of_the_posterior(
    name: str, twin: GaussianTwin, prior: GaussianPrior
):
    result = METHODS[name](prior, twin.operator)(twin.y[None], 200)
    from_prior = error(twin.prior_mean[None].float(), twin)
    assert error(result.mean, twin) < 0.45 * from_prior
    assert result.samples.shape == (1, 200, *SHAPE)
    assert len(result.history["sigma"]) == len(result.history["denoiser_seconds"])


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_does_not_depend_on_its_batch(name: str, twin: GaussianTwin, prior: GaussianPrior):
    method = METHODS[name](prior, twin.operator)
    together = method(twin.y.repeat(2, 1), 3).samples
    alone = method(twin.y[None], 1).samples[0, 0]
    for case in together:
        torch.testing.assert_close(case[0], alone, rtol=1e-3, atol=1e-3)
    assert (together[0, 1] - together[0, 0]).abs().max() > 0.01


def test_sitcom_stops_where_the_data_are_fitted(twin: GaussianTwin, prior: GaussianPrior):
    calls = []

    def counting(x: Tensor, sigma: float) -> Tensor:
        calls.append(sigma)
        return prior(x, sigma)

    counting.mean = prior.mean  # type: ignore[attr-defined]
    sitcom(counting, twin.operator, num_steps=3, num_inner_steps=5, stop=1e9)(twin.y[None])
    assert len(calls) == 3


def test_transposed_derivative_of_the_network(twin: GaussianTwin, prior: GaussianPrior):
    u = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    m, transpose = Network(prior)(u, 0.7)
    torch.testing.assert_close(m, prior(u, 0.7))
    # Of a Gaussian prior the derivative is C (C + s^2 I)^-1, which is symmetric.
    linear = prior(u, 0.7) - prior(torch.zeros_like(u), 0.7)
    torch.testing.assert_close(transpose(u), linear, rtol=1e-4, atol=1e-5)

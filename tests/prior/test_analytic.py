import math

import pytest
import torch

from lmaps_science.prior.analytic import GaussianMixturePrior, GaussianPrior
from lmaps_science.prior.curves import measure_error_curve
from lmaps_science.prior.image_covariance import ImageCovariance

SHAPE = (1, 3, 4)
PIXELS = 12


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def full_matrix(seed=1):
    root = randn(PIXELS, PIXELS, seed=seed)
    return root @ root.T / PIXELS + 0.05 * torch.eye(PIXELS, dtype=torch.float64)


def low_rank():
    basis = torch.linalg.qr(randn(PIXELS, 3, seed=2)).Q.T
    return ImageCovariance(basis, torch.tensor([4.0, 2.0, 1.0]).double(), 0.3, SHAPE)


def low_rank_matrix():
    c = low_rank()
    basis = c.basis
    return basis.T @ c.eigenvalues.diag() @ basis + 0.3 * (
        torch.eye(PIXELS, dtype=torch.float64) - basis.T @ basis
    )


VARIANCES = torch.linspace(0.1, 2, PIXELS, dtype=torch.float64).reshape(SHAPE)
CASES = {
    "isotropic": (0.7, 0.7 * torch.eye(PIXELS, dtype=torch.float64)),
    "diagonal": (VARIANCES, VARIANCES.flatten().diag()),
    "full": (full_matrix(), full_matrix()),
    "low rank": (low_rank(), low_rank_matrix()),
}


@pytest.fixture(params=CASES)
def gaussian(request):
    """A prior and its covariance matrix."""
    covariance, matrix = CASES[request.param]
    return GaussianPrior(randn(*SHAPE, seed=9), covariance), matrix


def test_gaussian_denoiser_is_the_matrix_formula(gaussian):
    prior, matrix = gaussian
    x = randn(5, *SHAPE)
    for sigma in (0.125, 4.0, torch.tensor([0.125, 0.25, 0.5, 1.0, 2.0])):
        levels = torch.as_tensor(sigma, dtype=torch.float64).expand(5)
        expected = torch.stack(
            [
                prior.mean
                + (
                    matrix
                    @ torch.linalg.solve(
                        matrix + s**2 * torch.eye(PIXELS), (item - prior.mean).flatten()
                    )
                ).view(SHAPE)
                for item, s in zip(x, levels, strict=True)
            ]
        )
        torch.testing.assert_close(prior(x, sigma), expected)
    assert prior(x.float(), 0.5).dtype == torch.float32


def test_gaussian_log_prob_is_torchs(gaussian):
    prior, matrix = gaussian
    x = randn(5, *SHAPE)
    for sigma in (0.0, 0.5):
        expected = torch.distributions.MultivariateNormal(
            prior.mean.flatten(), matrix + sigma**2 * torch.eye(PIXELS)
        ).log_prob(x.flatten(1))
        torch.testing.assert_close(prior.log_prob(x, sigma), expected)
    both = prior.log_prob(x[:2], torch.tensor([0.5, 2.0]))
    torch.testing.assert_close(both[1], prior.log_prob(x[1:2], 2.0)[0])


def test_gaussian_samples_have_its_moments(gaussian):
    prior, matrix = gaussian
    samples = prior.sample(200_000, generator()).flatten(1)
    torch.testing.assert_close(samples.mean(0), prior.mean.flatten(), rtol=0, atol=0.02)
    torch.testing.assert_close(samples.T.cov(), matrix, rtol=0, atol=0.05)


def test_gaussian_error_curve_is_exact(gaussian):
    prior, matrix = gaussian
    for sigma in (0.01, 0.3, 1.7, 50.0):
        posterior = matrix - matrix @ torch.linalg.solve(
            matrix + sigma**2 * torch.eye(PIXELS), matrix
        )
        expected = float(posterior.trace()) / PIXELS
        assert prior.error_curve(sigma) == pytest.approx(expected, rel=2e-4)


def test_image_covariance_of_a_gaussian(gaussian):
    prior, matrix = gaussian
    torch.testing.assert_close(prior.image_covariance.matrix(), matrix)
    assert prior.image_covariance.mean_variance == pytest.approx(float(matrix.trace()) / PIXELS)


def test_gaussian_posterior_is_the_precision_formula(gaussian):
    prior, matrix = gaussian
    jacobian, offset, y = randn(7, PIXELS, seed=3), randn(7, seed=4), randn(7, seed=5)
    posterior = prior.posterior(jacobian, offset, y, 0.04)
    covariance = torch.linalg.inv(torch.linalg.inv(matrix) + jacobian.T @ jacobian / 0.04)
    mean = (
        prior.mean.flatten()
        + covariance @ jacobian.T @ (y - offset - jacobian @ prior.mean.flatten()) / 0.04
    )
    torch.testing.assert_close(posterior.mean.flatten(), mean)
    torch.testing.assert_close(posterior.image_covariance.matrix(), covariance)


def test_complex_data_share_their_noise_between_the_parts():
    prior = GaussianPrior(randn(*SHAPE, seed=9), full_matrix())
    jacobian = randn(7, PIXELS, seed=3, dtype=torch.complex128)
    offset, y = (randn(1, 7, seed=s, dtype=torch.complex128) for s in (4, 5))
    posterior = prior.posterior(jacobian, offset, y, 0.04)
    parts = [torch.cat([a.real, a.imag]) for a in (jacobian, offset[0], y[0])]
    expected = prior.posterior(*parts, 0.02)
    torch.testing.assert_close(posterior.mean, expected.mean)
    precision = torch.linalg.inv(full_matrix()) + 2 * (jacobian.conj().T @ jacobian).real / 0.04
    torch.testing.assert_close(posterior.image_covariance.matrix(), torch.linalg.inv(precision))


def mixture():
    return GaussianMixturePrior(
        torch.stack([randn(*SHAPE, seed=s) for s in (1, 2, 3)]),
        torch.tensor([0.1, 0.4, 0.2]),
        torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64),
    )


def reference_density(prior, sigma=0.0):
    """The mixture in torch.distributions."""
    means = torch.stack([c.mean.flatten() for c in prior.components])
    matrices = torch.stack([c.image_covariance.matrix() for c in prior.components])
    return torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(prior.weights),
        torch.distributions.MultivariateNormal(
            means, matrices + sigma**2 * torch.eye(PIXELS, dtype=torch.float64)
        ),
    )


def test_mixture_log_prob_is_torchs():
    prior, x = mixture(), randn(6, *SHAPE)
    for sigma in (0.0, 0.5):
        expected = reference_density(prior, sigma).log_prob(x.flatten(1))
        torch.testing.assert_close(prior.log_prob(x, sigma), expected)


def test_mixture_denoiser_is_tweedies_formula():
    prior, x = mixture(), randn(6, *SHAPE).requires_grad_(True)
    for sigma in (0.25, 1.0, 8.0):
        log_density = reference_density(prior, sigma).log_prob(x.flatten(1)).sum()
        (score,) = torch.autograd.grad(log_density, x)
        torch.testing.assert_close(prior(x, sigma), x + sigma**2 * score)
    levels = torch.tensor([0.25, 1.0, 8.0] * 2)
    torch.testing.assert_close(prior(x, levels)[1:2], prior(x[1:2], 1.0))


def test_mixture_moments_and_samples():
    prior = mixture()
    samples = prior.sample(200_000, generator()).flatten(1)
    torch.testing.assert_close(samples.mean(0), prior.mean.flatten(), rtol=0, atol=0.02)
    torch.testing.assert_close(samples.T.cov(), prior.image_covariance.matrix(), rtol=0, atol=0.05)
    assert torch.equal(prior.sample(5, generator(3)), prior.sample(5, generator(3)))


def test_mixture_error_curve_of_equal_components_is_the_gaussians():
    mean = randn(*SHAPE)
    same = GaussianMixturePrior(mean.expand(2, *SHAPE), [0.3, 0.3], torch.tensor([0.5, 0.5]))
    exact = GaussianPrior(mean, 0.3).error_curve
    for sigma in (0.01, 0.5, 20.0):
        assert same.error_curve(sigma) == pytest.approx(exact(sigma), rel=0.05)


def test_mixture_error_curve_has_its_limits():
    prior = mixture()
    # Little noise tells the components apart; great noise hides everything.
    apart = sum(
        float(w) * c.error_curve(0.05) for w, c in zip(prior.weights, prior.components, strict=True)
    )
    assert prior.error_curve(0.05) == pytest.approx(apart, rel=0.03)
    assert prior.error_curve(900.0) == pytest.approx(prior.image_covariance.mean_variance, rel=0.03)


def test_mixture_posterior_is_prior_times_likelihood():
    prior = mixture()
    jacobian, offset, y = randn(5, PIXELS, seed=3), randn(5, seed=4), randn(5, seed=5)
    posterior = prior.posterior(jacobian, offset, y, 0.5)
    x = randn(8, *SHAPE)
    residual = y - offset - x.flatten(1) @ jacobian.T
    joint = prior.log_prob(x) - residual.square().sum(1) / (2 * 0.5)
    difference = posterior.log_prob(x) - joint
    # The evidence does not depend on x.
    torch.testing.assert_close(difference, difference[:1].expand(8), rtol=0, atol=1e-8)
    evidence = -float(difference[0])
    dense = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(prior.weights),
        torch.distributions.MultivariateNormal(
            torch.stack([c.mean.flatten() @ jacobian.T + offset for c in prior.components]),
            torch.stack(
                [
                    jacobian @ c.image_covariance.matrix() @ jacobian.T + 0.5 * torch.eye(5)
                    for c in prior.components
                ]
            ),
        ),
    )
    expected = float(dense.log_prob(y)) + 5 / 2 * math.log(2 * math.pi * 0.5)
    assert evidence == pytest.approx(expected, abs=1e-8)


def test_measured_error_curve_of_a_gaussian_agrees_with_the_exact_one():
    prior = GaussianPrior(randn(*SHAPE, seed=9), full_matrix())
    measured = measure_error_curve(prior, prior.sample(20_000, generator()), batch_size=5000)
    for sigma, mse in zip(measured.sigmas.tolist(), measured.mse.tolist(), strict=True):
        assert mse == pytest.approx(prior.error_curve(sigma), rel=0.02)


def test_wrong_shapes():
    mean = randn(*SHAPE)
    with pytest.raises(ValueError, match=r"mean: expected shape \(channels, y, x\), got \(12,\)"):
        GaussianPrior(mean.flatten(), 1.0)
    with pytest.raises(ValueError, match=r"covariance: .* or \(12, 12\), got \(4, 4\)"):
        GaussianPrior(mean, torch.eye(4))
    with pytest.raises(ValueError, match=r"jacobian: expected shape \(3, 12\), got \(12, 3\)"):
        GaussianPrior(mean, 1.0).posterior(randn(12, 3), randn(3), randn(3), 0.1)
    with pytest.raises(ValueError, match="as many means, covariances and weights, got 1, 2 and 1"):
        GaussianMixturePrior(mean[None], [1.0, 2.0], torch.ones(1))
    with pytest.raises(ValueError, match="expected weights that are not negative"):
        GaussianMixturePrior(mean[None], [1.0], torch.tensor([-1.0]))

from functools import partial

import pytest
import torch

from lmaps_science.covariance import ScaledIdentity, gaussian
from lmaps_science.local_map import ConjugateGradient, Spectral
from lmaps_science.prior.analytic import GaussianPrior
from lmaps_science.problems import MultiCoilMRI
from lmaps_science.solver import LMAPS

LINES = ("lines in x", "lines in y", "weighted lines", "odd sizes")


def distance(a, b):
    return float((a - b).norm() / b.norm())


def images(operator, count, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, *operator.image_shape), generator=generator, dtype=dtype)


def unit_images(operator):
    size = operator.image_shape[0] * operator.image_shape[1] * operator.image_shape[2]
    return torch.eye(size, dtype=torch.float64).view(size, *operator.image_shape)


def jacobian(operator):
    """J as a matrix, (data, pixels)."""
    return operator.forward(unit_images(operator)).flatten(1).T


@pytest.fixture(params=LINES)
def operator(request, make_operator):
    return make_operator(request.param)


def test_spectrum_is_the_normal_operators(operator):
    spectrum, x = operator.spectrum(), images(operator, 3)
    filtered = spectrum.synthesis(spectrum.values * spectrum.analysis(x))
    assert filtered.shape == x.shape
    assert distance(filtered, operator.normal(x)) < 1e-12
    J = jacobian(operator)
    expected = torch.linalg.eigvalsh(J.T @ J)
    expected = expected[expected > 1e-10 * expected[-1]]
    torch.testing.assert_close(spectrum.values.sort().values, expected)
    assert operator.spectrum() is spectrum


def test_eigenvectors_are_orthonormal(operator):
    spectrum = operator.spectrum()
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(2, len(spectrum.values), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(spectrum.analysis(spectrum.synthesis(c)), c)
    x = images(operator, 2)
    torch.testing.assert_close((spectrum.synthesis(c) * x).sum(), (c * spectrum.analysis(x)).sum())


def test_unseen_directions_are_left_out(make_operator):
    operator = make_operator("lines in x", coils=1)
    spectrum = operator.spectrum()
    # One coil and 4 of 12 lines: at most 4 complex numbers of each of the 10 rows.
    assert len(spectrum.values) <= 2 * 4 * 10
    assert float(spectrum.values.min()) > 1e-10 * float(spectrum.values.max())


def test_other_masks_have_none(make_operator):
    assert make_operator("points").spectrum() is None


@pytest.mark.parametrize("weight_of_noise", [1.0, 1e3])
def test_local_map_is_the_dense_solution(operator, weight_of_noise):
    y = operator.forward(images(operator, 2, seed=1))
    m = images(operator, 2, seed=2)
    variance, weight = 0.3, operator.loss_weight * weight_of_noise
    J = jacobian(operator)
    matrix = torch.eye(J.shape[1], dtype=J.dtype) / variance + 2 * weight * J.T @ J
    right = m.flatten(1) / variance + 2 * weight * y.flatten(1) @ J
    expected = torch.linalg.solve(matrix, right.T).T.view_as(m)
    covariance = ScaledIdentity(variance)
    spectral = Spectral(operator, y, weight).mode(m, covariance)
    by_cg = ConjugateGradient(operator, y, weight, tolerance=1e-12).mode(m, covariance)
    assert distance(spectral.x0, expected) < 1e-11
    assert distance(by_cg.x0, expected) < 1e-6
    loss = operator.loss(expected, y)
    torch.testing.assert_close(spectral.loss, loss, rtol=1e-6, atol=1e-12 * float(y.norm()) ** 2)


def test_single_precision_follows_the_maps(operator):
    weights = operator.weights
    single = MultiCoilMRI(operator.sensitivity_maps.cfloat(), operator.mask, 0.1, weights)
    y, m = operator.forward(images(operator, 1, seed=1)), images(operator, 1, seed=2)
    exact, rounded = (
        Spectral(op, y.to(dtype), 100.0).mode(m.to(dtype), ScaledIdentity(1.0)).x0
        for op, dtype in ((operator, torch.float64), (single, torch.float32))
    )
    assert single.spectrum().vectors.dtype == torch.complex64
    assert rounded.dtype == torch.float32
    assert distance(rounded, exact) < 1e-5


def test_low_rank_covariance_agrees_with_cg(operator):
    y, m = operator.forward(images(operator, 1, seed=1)), images(operator, 1, seed=2)
    basis = torch.linalg.qr(images(operator, 5, seed=3).flatten(1).T).Q
    covariance = gaussian(basis, torch.linspace(1, 3, 5, dtype=torch.float64), 0.2)(1.0)
    spectral = Spectral(operator, y, operator.loss_weight).mode(m, covariance)
    by_cg = ConjugateGradient(operator, y, operator.loss_weight, 1e-9).mode(m, covariance)
    assert distance(spectral.x0, by_cg.x0) < 1e-6


def test_batch_changes_nothing(operator):
    spectrum, x = operator.spectrum(), images(operator, 9)
    coefficients = spectrum.analysis(x)
    torch.testing.assert_close(spectrum.analysis(x[3:4]), coefficients[3:4])
    torch.testing.assert_close(
        spectrum.synthesis(coefficients[3:4]), spectrum.synthesis(coefficients)[3:4]
    )


@pytest.mark.parametrize("solver", ["spectral", "cg"])
@pytest.mark.parametrize("kind", ["weighted lines", "lines in y"])
def test_lmaps_reaches_the_gaussian_posterior(make_operator, kind, solver):
    operator = make_operator(kind)
    prior = GaussianPrior(torch.full(operator.image_shape, 0.2), 0.5)
    generator = torch.Generator().manual_seed(0)
    y = operator({"target": prior.sample(1, generator)}, generator)
    J = jacobian(operator)
    precision = torch.eye(J.shape[1], dtype=J.dtype) / 0.5 + 2 * operator.loss_weight * J.T @ J
    covariance = torch.linalg.inv(precision)
    mean = covariance @ (0.2 / 0.5 + 2 * operator.loss_weight * (y.double().flatten() @ J))

    # At the highest level the covariance of p(x0 | x_t) is the prior's own, and so is m.
    exact = partial(ConjugateGradient, tolerance=1e-6) if solver == "cg" else solver
    options = {"covariance": "saturating", "solver": exact, "sigma_max": 2e3}
    mode = LMAPS(prior, operator, num_steps=1, **options)(y).samples[0, 0]
    assert distance(mode.flatten().double(), mean) < 1e-3

    run = LMAPS(prior, operator, num_steps=1, estimate="sample", **options)
    samples = run(y, num_samples=400).samples[0].flatten(1).double()
    deviation = covariance.diagonal().sqrt()
    inside = ((samples - mean).abs() < 1.645 * deviation).double().mean()
    assert float(inside) == pytest.approx(0.9, abs=0.01)
    assert float(((samples.mean(0) - mean) / deviation).square().mean()) < 1.3 / 400 + 1e-3
    ratio = samples.std(0) / deviation
    assert float(ratio.mean()) == pytest.approx(1, abs=0.01)
    assert float(ratio.std()) < 1.3 / 800**0.5


def test_auto_picks_the_rows_or_cg(make_operator):
    prior = GaussianPrior(torch.zeros(2, 10, 12), 0.5)
    for kind, exact in (("lines in x", True), ("points", False)):
        operator = make_operator(kind)
        y = operator.forward(prior.sample(1, torch.Generator().manual_seed(0)))
        result = LMAPS(prior, operator, num_steps=3)(y)
        assert (max(result.history["inner_iterations"]) == 0) == exact


def test_defaults_are_mris(make_operator):
    operator = make_operator("lines in x")
    assert isinstance(operator, MultiCoilMRI)
    solver = LMAPS(GaussianPrior(torch.zeros(2, 10, 12), 0.5), operator)
    assert len(solver.sigmas) == 25
    assert float(solver.sigmas[0]) == pytest.approx(1)
    assert float(solver.sigmas[-1]) == pytest.approx(0.01)

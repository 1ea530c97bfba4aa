"""The inner solvers against the dense solution of the local MAP."""

import math

import pytest
import torch
from torch import Tensor

from lmaps_science.covariance import Covariance, LowRank, ScaledIdentity
from lmaps_science.local_map import ConjugateGradient, GradientSteps, LocalMap, Spectral
from lmaps_science.methods import Langevin, largest_curvature
from lmaps_science.operator import Operator
from tests.twin import PIXELS, SHAPE, GaussianTwin

WEIGHT = 1 / (2 * 0.1**2)


def low_rank() -> LowRank:
    basis = torch.linalg.qr(torch.randn(PIXELS, 5, generator=torch.Generator().manual_seed(3))).Q
    return LowRank(basis, torch.tensor([0.3, 0.2, 0.1, 0.05, 0.02]), 0.01)


def dense(covariance: Covariance) -> Tensor:
    if isinstance(covariance, ScaledIdentity):
        return covariance.variance * torch.eye(PIXELS, dtype=torch.float64)
    U, d, r = covariance.basis.double(), covariance.variances.double(), covariance.rest
    return (U * d) @ U.T + r * (torch.eye(PIXELS) - U @ U.T)


def dense_map(twin: GaussianTwin, m: Tensor, covariance: Covariance, y: Tensor) -> Tensor:
    A, b = twin.operator.A, twin.operator.b
    precision = torch.linalg.inv(dense(covariance))
    hessian = precision + 2 * WEIGHT * A.T @ A
    rhs = m.flatten(1).double() @ precision + 2 * WEIGHT * (y - b) @ A
    return torch.linalg.solve(hessian, rhs.T).T.view(-1, *SHAPE)


@pytest.fixture
def m() -> Tensor:
    return torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("covariance", [ScaledIdentity(0.05), ScaledIdentity(4.0), low_rank()])
@pytest.mark.parametrize("solver", [Spectral, ConjugateGradient])
def test_mode_is_the_dense_solution(
    solver: type[LocalMap], covariance: Covariance, m: Tensor
) -> None:
    twin = GaussianTwin()
    y = twin.y.repeat(3, 1) + torch.arange(3)[:, None]
    solution = solver(twin.operator, y, WEIGHT).mode(m, covariance)
    expected = dense_map(twin, m, covariance, y)
    torch.testing.assert_close(solution.x0.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(solution.loss, twin.operator.loss(expected, y), rtol=1e-3, atol=1e-5)


def test_cg_needs_no_adjoint(m: Tensor) -> None:
    twin = GaussianTwin()

    class ForwardOnly(Operator):
        quadratic = True

        def forward(self, x: Tensor) -> Tensor:
            return twin.operator.forward(x)

    y = twin.y.repeat(3, 1)
    solution = ConjugateGradient(ForwardOnly(SHAPE, 0.1), y, WEIGHT).mode(m, ScaledIdentity(0.3))
    expected = dense_map(twin, m, ScaledIdentity(0.3), y)
    torch.testing.assert_close(solution.x0.double(), expected, rtol=1e-5, atol=1e-5)


def test_cg_warns_at_its_cap(m: Tensor) -> None:
    twin = GaussianTwin()
    solver = ConjugateGradient(twin.operator, twin.y.repeat(3, 1), WEIGHT, max_iterations=2)
    with pytest.warns(UserWarning, match="stopped after 2 iterations"):
        solver.mode(m, ScaledIdentity(0.3))


def test_infinite_variance_leaves_only_the_null_space_of_m(m: Tensor) -> None:
    twin = GaussianTwin()
    y = twin.y.repeat(3, 1)
    x0 = Spectral(twin.operator, y, WEIGHT).mode(m, ScaledIdentity(math.inf)).x0
    A = twin.operator.A
    expected = m.flatten(1).double() + (y - twin.operator.forward(m)) @ torch.linalg.pinv(A).T
    torch.testing.assert_close(x0.flatten(1).double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.01), ("sgd", 0.005)])
def test_gradient_steps_reach_the_dense_solution(m: Tensor, optimizer: str, rate: float) -> None:
    twin = GaussianTwin(num_data=64)
    y = twin.y.repeat(3, 1)
    covariance = ScaledIdentity(0.05)
    solver = GradientSteps(twin.operator, y, WEIGHT, 1500, optimizer, rate)
    expected = dense_map(twin, m, covariance, y)
    torch.testing.assert_close(solver.mode(m, covariance).x0.double(), expected, rtol=0, atol=1e-3)


def test_diverging_gradient_steps_say_so(m: Tensor) -> None:
    twin = GaussianTwin()
    solver = GradientSteps(twin.operator, twin.y.repeat(3, 1), WEIGHT, 200, "sgd", 1.0)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        solver.mode(m, ScaledIdentity(0.05))


@pytest.mark.parametrize("covariance", [ScaledIdentity(0.05), low_rank()])
@pytest.mark.parametrize("solver", [Spectral, ConjugateGradient])
def test_samples_have_the_local_posterior(solver: type[LocalMap], covariance: Covariance) -> None:
    twin, count = GaussianTwin(), 4000
    y = twin.y.repeat(count, 1)
    m = torch.zeros(count, *SHAPE)
    generators = [torch.Generator().manual_seed(i) for i in range(count)]
    samples = solver(twin.operator, y, WEIGHT).sample(m, covariance, generators).x0.flatten(1)
    A = twin.operator.A
    expected = torch.linalg.inv(torch.linalg.inv(dense(covariance)) + 2 * WEIGHT * A.T @ A)
    whitener = torch.linalg.inv(torch.linalg.cholesky(expected))
    centred = (samples.double() - dense_map(twin, m[:1], covariance, twin.y[None]).flatten(1)) @ (
        whitener.T
    )
    identity = torch.eye(PIXELS, dtype=torch.float64)
    # Entries of a sample covariance scatter by 1 / sqrt(4000) = 0.016, the mean likewise.
    torch.testing.assert_close(torch.cov(centred.T), identity, rtol=0, atol=0.09)
    assert centred.mean(0).abs().max() < 0.08


def test_langevin_samples_the_local_posterior() -> None:
    twin, count = GaussianTwin(num_data=3, sigma_noise=1.0), 3000
    covariance = ScaledIdentity(0.05)
    generators = [torch.Generator().manual_seed(i) for i in range(count)]
    solver = Langevin(twin.operator, twin.y.repeat(count, 1), 0.5, num_steps=150, step_size=0.05)
    samples = solver.sample(torch.zeros(count, *SHAPE), covariance, generators).x0.flatten(1)
    A = twin.operator.A
    expected = torch.linalg.inv(torch.eye(PIXELS) / 0.05 + A.T @ A)
    ratio = samples.double().var(0) / expected.diag()
    assert (ratio - 1).abs().max() < 0.15


def test_largest_curvature() -> None:
    twin = GaussianTwin()
    expected = 2 * torch.linalg.eigvalsh(twin.operator.A.T @ twin.operator.A).max()
    assert largest_curvature(twin.operator, twin.y[None], 200) == pytest.approx(
        float(expected), rel=1e-3
    )

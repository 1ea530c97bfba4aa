import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lmaps_science.covariance import LowRank, ScaledIdentity
from lmaps_science.operator import AffineOperator, LinearizableOperator, check_surrogate
from lmaps_science.relinearization import Relinearization, SurrogateError
from lmaps_science.solver import LMAPS

SHAPE = (1, 4, 4)


class Slope(AffineOperator):
    """value + slope * (x - at), pixel by pixel, perhaps several times."""

    def __init__(self, at: Tensor, value: Tensor, slope: Tensor) -> None:
        super().__init__(SHAPE, 1.0)
        self.at, self.value, self.slope = at, value, slope

    def forward(self, x: Tensor) -> Tensor:
        return self.value + self.slope * (x - self.at)

    def adjoint(self, y: Tensor) -> Tensor:
        return (self.slope * y).sum(1, keepdim=True)

    def normal(self, x: Tensor) -> Tensor:
        return self.adjoint((self.slope * x).expand_as(self.value))

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        residual = self.forward(x) - y
        return residual.square().flatten(1).sum(1), 2 * self.adjoint(residual)


class Bent(LinearizableOperator):
    """x + bend x³, with a derivative that may be off by a factor."""

    def __init__(self, bend: float, factor: float = 1.0) -> None:
        super().__init__(SHAPE, 0.1)
        self.bend, self.factor = bend, factor

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bend * x**3

    def linearize(self, x: Tensor, y: Tensor) -> Slope:
        return Slope(x, self.forward(x), self.factor * (1 + 3 * self.bend * x**2))


class Frequencies(Bent):
    """The same datum at several frequencies."""

    num_frequencies = 3

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).expand(-1, self.num_frequencies, -1, -1)

    def lowest(self, count: int) -> "Frequencies":
        part = Frequencies(self.bend)
        part.num_frequencies = count
        return part


def draw(seed: int, count: int = 3) -> Tensor:
    return torch.randn(
        count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def low_rank() -> LowRank:
    basis = torch.linalg.qr(draw(9, 1).view(4, 4).repeat(4, 1)[:, :3]).Q
    return LowRank(basis, torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64), 0.3)


@pytest.mark.parametrize("covariance", [ScaledIdentity(0.4), low_rank()])
def test_a_linear_problem_takes_one_step(covariance):
    m, y = draw(0), draw(1)
    solver = Relinearization(Bent(0.0), y, 50.0, 1, cg_tolerance=1e-9)
    x = solver.mode(m, covariance).x0
    unit = torch.eye(16, dtype=torch.float64)
    sigma = covariance.sqrt(covariance.sqrt(unit.view(-1, *SHAPE))).flatten(1)
    precision = torch.linalg.inv(sigma) + 100 * unit
    expected = torch.linalg.solve(
        precision, 100 * y.flatten(1).T + torch.linalg.solve(sigma, m.flatten(1).T)
    )
    torch.testing.assert_close(x.flatten(1), expected.T)
    energy = (m.flatten(1) @ torch.linalg.inv(sigma) * m.flatten(1)).sum(1)
    torch.testing.assert_close(covariance.half_energy(m), 0.5 * energy)


def test_a_nonlinear_problem_converges():
    m, y, operator = draw(0), 3 * draw(1), Bent(0.3)
    x = Relinearization(operator, y, 50.0, 30, 1e-12, 1e-9).mode(m, ScaledIdentity(0.4)).x0
    x = x.requires_grad_(True)
    objective = (x - m).square().sum() / 0.8 + 50 * (operator.forward(x) - y).square().sum()
    (slope,) = torch.autograd.grad(objective, x)
    assert slope.abs().max() < 1e-3


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 2), st.floats(0.2, 3), st.integers(0, 1000), st.floats(0.01, 10))
def test_the_true_objective_never_rises(bend, factor, seed, variance):
    """Whatever the surrogate, as long as it points downhill."""
    m, y, operator, covariance = (
        draw(seed),
        2 * draw(seed + 1),
        Bent(bend, factor),
        ScaledIdentity(variance),
    )
    try:
        x = Relinearization(operator, y, 50.0).mode(m, covariance).x0
    except SurrogateError:
        return
    before, after = (covariance.half_energy(v - m) + 50 * operator.loss(v, y) for v in (m, x))
    assert (after <= before).all()


def test_a_surrogate_that_points_uphill_stops_the_work():
    operator, m, y = Bent(0.3, factor=-1.0), draw(0), draw(1)
    assert check_surrogate(operator, y[:1], m[:1]) == pytest.approx(-1, abs=1e-3)
    with pytest.raises(
        SurrogateError, match="Bent: the surrogate points uphill: it promises a fall"
    ):
        Relinearization(operator, y, 50.0).mode(m, ScaledIdentity(0.4))


def test_frequencies_join_until_half_of_the_levels():
    m, operator = draw(0), Frequencies(0.2)
    y = operator.forward(draw(1))
    solver = Relinearization(operator, y, 50.0)
    counts = []
    for share in (0.1, 0.2, 0.3, 0.4, 0.5, 1.0):
        solver.begin(share)
        counts.append(solver.part.num_frequencies)
        assert solver.mode(m, ScaledIdentity(0.4)).x0.shape == m.shape
    assert counts == [1, 2, 2, 3, 3, 3]


def test_the_outer_loop_takes_it_for_such_operators():
    operator = Bent(0.2)
    truth = 0.5 * draw(1, 1).float()
    told = []
    result = LMAPS(lambda x, _sigma: 0 * x, operator, 8, covariance="isotropic", sigma_max=2.0)(
        operator.forward(truth), 2, lambda level: told.append(level.iterations)
    )
    assert result.samples.shape == (1, 2, *SHAPE)
    assert max(told) == 1
    with pytest.raises(ValueError, match="has no `linearize`"):
        Relinearization(Slope(truth, truth, truth), truth, 1.0)

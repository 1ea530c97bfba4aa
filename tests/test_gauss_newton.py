"""Levenberg-Marquardt in data space against closed forms and gradient steps."""

from itertools import pairwise

import pytest
import torch

from lmaps_science.covariance import LowRank, ScaledIdentity
from lmaps_science.gauss_newton import GaussNewton
from lmaps_science.local_map import GradientSteps
from lmaps_science.operator import Operator
from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole.closures import minimal_closures
from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS, FourierSampling
from lmaps_science.problems.blackhole.likelihood import WhitenedClosures
from lmaps_science.problems.blackhole.observation import add_fractional_error, average_scans
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from lmaps_science.problems.metrics import blur
from tests.conftest import GOLDEN
from tests.test_local_map import WEIGHT, dense_map, low_rank
from tests.twin import SHAPE, GaussianTwin, MatrixOperator


class Linear(MatrixOperator):
    @property
    def linear_part(self):
        return self.A

    def linear_data(self, x):
        return self.forward(x.double())

    def residual_of(self, v, y):
        return v - y

    def residual_change(self, v, y, directions):
        return v - y, directions.expand(len(v), -1, -1)


@pytest.mark.parametrize("covariance", [ScaledIdentity(0.05), ScaledIdentity(4.0), low_rank()])
def test_linear_operator_is_solved_exactly(covariance):
    twin = GaussianTwin()
    operator = Linear(twin.operator.A, twin.operator.b, 0.1)
    m = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(2))
    y = twin.y.repeat(3, 1) + torch.arange(3)[:, None]
    x0 = GaussNewton(operator, y, WEIGHT, tolerance=1e-14).mode(m, covariance).x0
    torch.testing.assert_close(x0.double(), dense_map(twin, m, covariance, y), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def closures(golden):
    """Twenty scans of a crescent, and images close enough to it to share its basin."""
    pytest.importorskip("astropy", reason="astropy (extra eht) reads UVFITS")
    observation = average_scans(read_uvfits(GOLDEN / "blackhole" / "obs.uvfits"))
    observation = add_fractional_error(observation.select(observation.scan < 20), 0.01)
    sampling = FourierSampling(observation.uv, 64, 160 / 64 * RADIANS_PER_UAS)
    likelihood = WhitenedClosures(minimal_closures(observation))
    y = likelihood.predict(torch.from_numpy(observation.visibility)[None])
    truth = torch.from_numpy(golden("blackhole_64.npz")["ground_truth"])
    noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    operator = BlackHoleImaging(sampling, likelihood, 64)
    return operator, y.expand(4, -1), truth + 0.3 * blur(noise, 8)


def objective(operator, x, m, variance, y):
    return ((x - m).double() ** 2).flatten(1).sum(1) / (2 * variance) + 0.5 * operator.loss(
        x.double(), y
    )


def test_monotone_and_lower_than_adam(closures):
    operator, y, m = closures
    covariance = ScaledIdentity(0.05)
    paths = [
        objective(
            operator,
            GaussNewton(operator, y, 0.5, max_iterations=n).mode(m, covariance).x0,
            m,
            0.05,
            y,
        )
        for n in range(7)
    ]
    for before, after in pairwise(paths):
        assert (after <= before * (1 + 1e-5)).all()
    adam = GradientSteps(operator, y, 0.5, 100, learning_rate=0.01).mode(m, covariance).x0
    assert (paths[-1] < objective(operator, adam, m, 0.05, y)).all()


def test_batch_is_a_loop(closures):
    operator, y, m = closures
    together = GaussNewton(operator, y, 0.5).mode(m, low_rank_of(m)).x0
    alone = GaussNewton(operator, y[:1], 0.5).mode(m[1:2], low_rank_of(m)).x0
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-4)


def low_rank_of(m):
    pixels = m[0].numel()
    basis = torch.linalg.qr(torch.randn(pixels, 9, generator=torch.Generator().manual_seed(1))).Q
    return LowRank(basis, torch.linspace(0.3, 0.05, 9), 0.01)


def test_operators_without_a_linear_part():
    class Plain(Operator):
        def forward(self, x):
            return x

    with pytest.raises(ValueError, match="needs an operator with a linear part"):
        GaussNewton(Plain(SHAPE), torch.zeros(1, *SHAPE), 0.5)

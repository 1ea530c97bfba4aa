"""The local MAP subproblem of each noise level, and the solvers for it.

    x0* = argmin_x  1/2 ||x - m||^2_{Sigma^-1} + w loss(x, y)

with m the denoised image, Sigma the covariance of p(x0 | x_t) and w the weight that turns
the loss into -log p(y | x). A *sample* of the local posterior instead of its mode comes from
perturbing m and y by their own noise and solving the same problem (exact for affine
operators; Papandreou & Yuille, NeurIPS 2010).

============ ===================== ====================================================
solver       loss                  how
============ ===================== ====================================================
spectral     quadratic, spectrum   closed form in the eigenbasis of J^T J
cg           quadratic             conjugate gradients on the loss's own gradient
gradient     any                   K steps of Adam or SGD, as in arXiv 2510.07343
============ ===================== ====================================================
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lmaps_science.covariance import Covariance, LowRank, ScaledIdentity
from lmaps_science.linear import conjugate_gradients
from lmaps_science.operator import AffineOperator, Operator, per_item, randn

Generators = Sequence[torch.Generator]


@dataclass(frozen=True)
class Solution:
    """Answer to one local MAP.

    Attributes
    ----------
    x0 : Tensor
        (batch, channels, y, x).
    loss : Tensor
        The operator's loss at x0 against the unperturbed data, (batch,).
    iterations : int
        Inner iterations; 0 for a closed form.
    """

    x0: Tensor
    loss: Tensor
    iterations: int


def noise_like(x: Tensor, generators: Generators) -> Tensor:
    """Standard normal noise of the shape of `x`, each item from a generator of its own."""
    return torch.cat([randn(x[i : i + 1], g) for i, g in enumerate(generators)])


class LocalMap(ABC):
    """Solver of the local MAP for one batch of data.

    Parameters
    ----------
    operator : Operator
        Forward operator.
    y : Tensor
        Data, one item per image of the batch.
    weight : float
        w.
    """

    def __init__(self, operator: Operator, y: Tensor, weight: float) -> None:
        self.operator, self.y, self.weight = operator, y, weight

    def begin(self, share: float) -> None:  # noqa: B027 - most have nothing to do
        """Told before each noise level the share of the levels that will be done with it."""

    @abstractmethod
    def mode(self, m: Tensor, covariance: Covariance) -> Solution:
        """The local MAP."""

    @abstractmethod
    def sample(self, m: Tensor, covariance: Covariance, generators: Generators) -> Solution:
        """A sample of the local posterior."""


class PerturbAndSolve(LocalMap):
    """A local MAP whose samples are solutions for perturbed m and y."""

    def mode(self, m: Tensor, covariance: Covariance) -> Solution:
        """The local MAP."""
        return self._solution(m, covariance, self.y)

    def sample(self, m: Tensor, covariance: Covariance, generators: Generators) -> Solution:
        """A sample of the local posterior: perturb m and y, then solve."""
        y = [self.operator.perturb(self.y[i : i + 1], g) for i, g in enumerate(generators)]
        m = m + covariance.sqrt(noise_like(m, generators))
        return self._solution(m, covariance, torch.cat(y))

    @abstractmethod
    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The minimiser for data `y`, and the iterations it took."""

    def _solution(self, m: Tensor, covariance: Covariance, y: Tensor) -> Solution:
        x0, iterations = self.solve(m, covariance, y)
        return Solution(x0, self.operator.loss(x0, self.y), iterations)


class Spectral(LocalMap):
    """Closed form in the eigenbasis J^T J = V diag(e) V^T.

    For Sigma = v I and lambda = v w,

        x0* = m + V f (u - V^T m),   f = 2 lambda e / (1 + 2 lambda e),

    with u the coefficients of the least-squares solution. The coefficients never cancel
    against each other in single precision, and the loss comes with them for free. A low-rank
    Sigma adds a Woodbury correction of its rank.
    """

    def __init__(self, operator: AffineOperator, y: Tensor, weight: float) -> None:
        super().__init__(operator, y, weight)
        self.operator: AffineOperator = operator
        spectrum = operator.spectrum()
        if spectrum is None:
            raise ValueError(
                f"{type(operator).__name__} offers no spectrum: use solver='cg' or 'auto'"
            )
        self.spectrum = spectrum
        residual = y - operator.offset()
        self.e = spectrum.values
        self.u = spectrum.analysis(operator.adjoint(residual)) / self.e
        energy = per_item(residual.abs().square())
        self.unexplained = (energy - per_item(self.e * self.u**2)).clamp(min=0)
        self._basis: Tensor | None = None
        self._projected_basis: Tensor | None = None

    def mode(self, m: Tensor, covariance: Covariance) -> Solution:
        """The local MAP."""
        return self._solution(m, covariance, self.u)

    def sample(self, m: Tensor, covariance: Covariance, generators: Generators) -> Solution:
        """A sample of the local posterior; the noise of y is drawn in the eigenbasis."""
        m = m + covariance.sqrt(noise_like(m, generators))
        u = self.u + noise_like(self.u, generators) / (2 * self.weight * self.e).sqrt()
        return self._solution(m, covariance, u)

    def _solution(self, m: Tensor, covariance: Covariance, u: Tensor) -> Solution:
        a = self.spectrum.analysis(m)
        if isinstance(covariance, LowRank):
            x0 = m + self._low_rank_step(u - a, covariance).to(m.dtype)
            a = self.spectrum.analysis(x0)
        else:
            step = self._filter(covariance.variance) * (u - a)
            x0 = m + self.spectrum.synthesis(step).to(m.dtype)
            a = a + step
        return Solution(x0, self.unexplained + per_item(self.e * (self.u - a) ** 2), 0)

    def _filter(self, variance: float) -> Tensor:
        return 1 / (1 + 1 / (2 * variance * self.weight * self.e))

    def _low_rank_step(self, misfit: Tensor, covariance: LowRank) -> Tensor:
        """Sigma^-1 = I/r + U D U^T; Woodbury on the closed form for r I."""
        projected, r = self._project(covariance.basis), covariance.rest
        basis, variances = (t.to(self.e) for t in (covariance.basis, covariance.variances))
        f = self._filter(r)
        difference = 1 / variances - 1 / r
        plain = f * misfit
        inner = r * (basis.T @ basis) - r * projected.T @ (f[:, None] * projected)
        capacitance = torch.eye(len(inner)).to(inner) + difference[:, None] * inner
        correction = torch.linalg.solve(capacitance, difference[:, None] * (plain @ projected).T).T
        step = self.spectrum.synthesis(plain + r * f * (correction @ projected.T))
        return step - r * (correction @ basis.T).view_as(step)

    def _project(self, basis: Tensor) -> Tensor:
        """V^T U, kept while the basis stays the same."""
        if self._basis is not basis or self._projected_basis is None:
            images = basis.T.reshape(-1, *self.operator.image_shape)
            self._basis = basis
            self._projected_basis = self.spectrum.analysis(images).T.to(self.e)
        return self._projected_basis


class ConjugateGradient(PerturbAndSolve):
    """Conjugate gradients on the loss's own gradient, started at m.

    The gradient of a quadratic loss is affine, so differences of it give the Hessian product
    and no adjoint is needed. With x = m + S u,

        (rho I + S H S) u = -S grad loss(m),

    where S = I, rho = 1 / (v w) for Sigma = v I and S = Sigma^(1/2), rho = 1 / w otherwise.

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`.
    tolerance : float
        Of the residual, relative to the first one.
    max_iterations : int
        A cap that warns.
    """

    def __init__(
        self,
        operator: Operator,
        y: Tensor,
        weight: float,
        tolerance: float = 1e-6,
        max_iterations: int = 500,
    ) -> None:
        super().__init__(operator, y, weight)
        self.tolerance, self.max_iterations = tolerance, max_iterations
        if not operator.quadratic:
            raise ValueError(
                f"{type(operator).__name__} has a loss that is not quadratic: solver='cg' does "
                "not apply; use solver='gradient' or 'auto'"
            )

    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The minimiser for data `y`, and the iterations it took."""
        if isinstance(covariance, ScaledIdentity):
            ridge, half = 1 / (covariance.variance * self.weight), lambda p: p
        else:
            ridge, half = 1 / self.weight, covariance.sqrt

        def product(u: Tensor) -> Tensor:
            return ridge * u + half(self._hessian(half(u), y))

        u, iterations, residual = conjugate_gradients(
            product, -half(self._gradient(m, y)), self.tolerance, self.max_iterations
        )
        if residual > self.tolerance:
            warnings.warn(
                f"conjugate gradients stopped after {iterations} iterations at a relative "
                f"residual of {residual:.1e} (wanted {self.tolerance:.0e}): the local MAP is not "
                "exact",
                stacklevel=2,
            )
        return m + half(u), iterations

    def _gradient(self, x: Tensor, y: Tensor) -> Tensor:
        return self.operator.loss_and_gradient(x, y)[1].to(x.dtype)

    def _hessian(self, p: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.operator, AffineOperator):
            return 2 * self.operator.normal(p).to(p.dtype)
        # Unit size keeps the difference of two gradients away from cancellation.
        norm = per_item(p**2).sqrt().clamp(min=1e-30)
        size = norm[:, None, None, None] / math.sqrt(p[0].numel())
        return size * (self._gradient(p / size, y) - self._gradient(torch.zeros_like(p), y))


class GradientSteps(PerturbAndSolve):
    """K gradient steps from m on the paper's convex combination.

        (1 - mu) 1/2 ||x - m||^2 + mu k2 loss(x, y),   mu k2 / (1 - mu) = v w,

    with a fresh optimiser at every level (arXiv 2510.07343, algorithm 1).

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`.
    num_steps : int
        K.
    optimizer : str
        'adam' or 'sgd'.
    learning_rate : float
        Of the optimiser.
    k2 : float
        Scale of the loss in the combination; matters to SGD alone.
    """

    def __init__(
        self,
        operator: Operator,
        y: Tensor,
        weight: float,
        num_steps: int = 100,
        optimizer: str = "adam",
        learning_rate: float | None = None,
        k2: float = 1.0,
    ) -> None:
        super().__init__(operator, y, weight)
        self.num_steps, self.k2 = num_steps, k2
        if optimizer not in _OPTIMIZERS:
            raise ValueError(f"optimizer: expected 'adam' or 'sgd', got {optimizer!r}")
        self.optimizer, default_rate = _OPTIMIZERS[optimizer]
        self.learning_rate = default_rate if learning_rate is None else learning_rate

    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The point reached for data `y`, and the steps it took."""
        if not isinstance(covariance, ScaledIdentity):
            raise ValueError(
                "solver='gradient' takes a covariance that is a multiple of the identity, as the "
                "paper's: use 'isotropic', 'saturating' or 'calibrated', or another solver"
            )
        ratio = covariance.variance * self.weight / self.k2
        prior_weight, data_weight = 1 / (1 + ratio), self.k2 / (1 + 1 / ratio)
        x = m.detach().clone().requires_grad_(True)
        optimizer = self.optimizer([x], lr=self.learning_rate)
        for _ in range(self.num_steps):
            _, gradient = self.operator.loss_and_gradient(x.detach(), y)
            x.grad = (prior_weight * (x.detach() - m) + data_weight * gradient).to(x.dtype)
            optimizer.step()
        if not torch.isfinite(x).all() or (x.detach() - m).abs().max() > 1e3:
            raise FloatingPointError(
                f"gradient steps diverged at learning rate {self.learning_rate:g}: lower "
                "learning_rate, or use optimizer='adam' or an exact solver"
            )
        return x.detach(), self.num_steps


_OPTIMIZERS = {"adam": (torch.optim.Adam, 0.1), "sgd": (torch.optim.SGD, 0.01)}

"""The local MAP of an operator that can be linearised anywhere: Gauss-Newton with a line search."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lmaps_science.covariance import Covariance
from lmaps_science.local_map import ConjugateGradient, PerturbAndSolve
from lmaps_science.operator import LinearizableOperator, Operator

_SHORTEST = 2**-6
_WORTHWHILE = 0.05
"""A predicted relative fall of the objective that must not fail to come true at all."""


class SurrogateError(RuntimeError):
    """A surrogate's gradient points uphill in the true objective."""


class Relinearization(PerturbAndSolve):
    """Gauss-Newton on H: linearise, solve exactly, and go as far as the objective falls.

    At x_k the problem with H replaced by its expansion is a linear one, solved by conjugate
    gradients; from x_k towards its solution, the first of the step lengths 1, 1/2, ... 1/64 is
    taken that lowers the true objective

        φ(x) = 1/2 ||x - m||^2_{Sigma^-1} + w |H(x) - y|^2.

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`; the operator is a `LinearizableOperator`.
    max_iterations : int
        Steps at most; the outer loop comes back with the next noise level.
    tolerance : float
        Relative fall of the objective below which an image is left as it is.
    cg_tolerance : float
        Of each linear problem.
    """

    def __init__(
        self,
        operator: Operator,
        y: Tensor,
        weight: float,
        max_iterations: int = 1,
        tolerance: float = 1e-2,
        cg_tolerance: float = 1e-2,
    ) -> None:
        super().__init__(operator, y, weight)
        if not isinstance(operator, LinearizableOperator):
            raise ValueError(
                f"{type(operator).__name__} has no `linearize`: use solver='gradient' or 'auto'"
            )
        self.whole: LinearizableOperator = operator
        self.begin(1.0)
        self.max_iterations, self.tolerance = max_iterations, tolerance
        self.cg_tolerance = cg_tolerance

    def begin(self, share: float) -> None:
        """Frequency hopping: all frequencies from half of the noise levels on."""
        total = self.whole.num_frequencies
        count = min(total, math.ceil(2 * share * total))
        self.part = self.whole.lowest(count)
        self.data = (slice(None), slice(count)) if total > 1 else (slice(None),)

    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The point reached for data `y`, and the steps of the slowest image."""
        y = y[self.data]
        active = torch.arange(len(m), device=m.device)
        x = m.clone()
        iterations = 0
        while len(active) and iterations < self.max_iterations:
            problem = _Problem(self.part, y[active], self.weight, m[active], covariance)
            x[active], fall = self._step(problem, x[active])
            active = active[fall > self.tolerance]
            iterations += 1
        return x, iterations

    def _step(self, problem: "_Problem", x: Tensor) -> tuple[Tensor, Tensor]:
        """Images after a step, and by how much the objective of each fell, relatively."""
        linear = problem.operator.linearize(x, problem.y)
        exact = ConjugateGradient(linear, problem.y, problem.weight, self.cg_tolerance)
        target, _ = exact.solve(problem.m, problem.covariance, problem.y)
        before = problem.objective(x, linear)
        predicted = 1 - problem.objective(target, linear) / before
        fall = torch.zeros_like(before)
        step, pending = 1.0, predicted > self.tolerance
        while pending.any() and step >= _SHORTEST:
            items = pending.nonzero()[:, 0]
            trial = x[items] + step * (target[items] - x[items])
            after = problem.of(items).objective(trial)
            better = after < before[items]
            chosen = items[better]
            x[chosen], fall[chosen] = trial[better], 1 - after[better] / before[chosen]
            pending[chosen] = False
            step /= 2
        if (pending & (predicted > _WORTHWHILE)).all():
            raise SurrogateError(
                f"{type(problem.operator).__name__}: the surrogate points uphill: it promises a "
                f"fall of the objective by {float(predicted.min()):.0%} and no step down to "
                f"{_SHORTEST:g} of its length lowers it; see check_surrogate"
            )
        return x, fall


@dataclass(frozen=True, eq=False)
class _Problem:
    """Local MAPs of a batch of images."""

    operator: LinearizableOperator
    y: Tensor
    weight: float
    m: Tensor
    covariance: Covariance

    def of(self, items: Tensor) -> "_Problem":
        """Those of some of the images."""
        return _Problem(self.operator, self.y[items], self.weight, self.m[items], self.covariance)

    def objective(self, x: Tensor, operator: Operator | None = None) -> Tensor:
        """φ of images, or that with another operator in place of the true one, (batch,)."""
        loss = (operator or self.operator).loss(x, self.y)
        return self.covariance.half_energy(x - self.m) + self.weight * loss

"""The local MAP of a nonlinear operator h(A x) with few data: Levenberg-Marquardt on A x."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lmaps_science.covariance import Covariance, LowRank, ScaledIdentity
from lmaps_science.local_map import PerturbAndSolve
from lmaps_science.operator import Operator

_RANK_TOLERANCE = 1e-12
"""Least eigenvalue of A A^T, of the largest, that counts: single precision's square."""
_FIRST_DAMPING = 1e-2
_LEAST_DAMPING = 1e-4
_TRIES = 8


@runtime_checkable
class DataSpaceOperator(Protocol):
    """An operator whose loss is Σ r(v, y)² with v = A x + A_0 of a few hundred numbers.

    Attributes
    ----------
    linear_part : Tensor
        A, (linear data, pixels), float64.
    """

    @property
    def linear_part(self) -> Tensor:
        """A."""

    def linear_data(self, x: Tensor) -> Tensor:
        """v of images (batch, channels, y, x): (batch, linear data), float64."""

    def residual_of(self, v: Tensor, y: Tensor) -> Tensor:
        """r, (batch, residuals)."""

    def residual_change(self, v: Tensor, y: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """r, and dr/dv times directions (linear data, n): (batch, residuals, n)."""


class GaussNewton(PerturbAndSolve):
    """Levenberg-Marquardt in data space.

    A = Q B with orthonormal columns Q, which are fewer than the data where these repeat each
    other: an image of limited size has smooth visibilities. The minimiser has the form
    x = m + Sigma B^T omega, so that with K = B Sigma B^T, s = sqrt(2 w) and
    v = A m + Q K omega the local MAP is

        min over omega of  1/2 omega^T K omega + 1/2 |s r(v, y)|².

    A step from omega_0 solves the linearised problem with δ times the prior's precision added
    around the present point,

        ((1 + δ) I + G^T G K) omega = δ omega_0 - G^T (r - G K omega_0),   G = s dr/dv Q.

    It is taken only if the objective falls; δ is then divided by 4, or else multiplied by 6.

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`; the operator is a `DataSpaceOperator`.
    max_iterations : int
        Steps at most; six suffice within the outer loop.
    tolerance : float
        Relative fall of the objective below which an image is left as it is.
    """

    def __init__(
        self,
        operator: Operator,
        y: Tensor,
        weight: float,
        max_iterations: int = 6,
        tolerance: float = 1e-3,
    ) -> None:
        super().__init__(operator, y, weight)
        if not isinstance(operator, DataSpaceOperator):
            raise ValueError(
                f"solver='gauss_newton' needs an operator with a linear part and a residual "
                f"(DataSpaceOperator), got {type(operator).__name__}: use solver='gradient'"
            )
        self.space: DataSpaceOperator = operator
        self.scale = (2 * weight) ** 0.5
        self.max_iterations, self.tolerance = max_iterations, tolerance
        eigenvalues, vectors = torch.linalg.eigh(operator.linear_part @ operator.linear_part.T)
        counts = eigenvalues > _RANK_TOLERANCE * eigenvalues[-1]
        self._q = vectors[:, counts].contiguous()
        self._b = self._q.T @ operator.linear_part
        self._gram = eigenvalues[counts].diag()
        self._basis: Tensor | None = None
        self._seen_basis: Tensor | None = None

    @torch.no_grad()
    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The point reached for data `y`, and the steps of the slowest image."""
        start = self.space.linear_data(m)
        problem = _Problem(self.space, y, self.scale, start, self._q, self._k(covariance))
        active = torch.arange(len(m), device=m.device)
        iterations = 0
        while len(active) and iterations < self.max_iterations:
            fall = problem.step(active)
            active = active[fall > self.tolerance]
            iterations += 1
        step = self._to_image(problem.omega, covariance)
        return m + step.view_as(m).to(m.dtype), iterations

    def _k(self, covariance: Covariance) -> Tensor:
        """K = B Sigma B^T."""
        if isinstance(covariance, LowRank):
            seen = self._see(covariance.basis)
            change = covariance.variances.double() - covariance.rest
            return covariance.rest * self._gram + (seen * change) @ seen.T
        if covariance.variance == float("inf"):
            raise ValueError(
                "solver='gauss_newton' needs a prior term: k1 = 0 leaves none; give k1 > 0"
            )
        return covariance.variance * self._gram

    def _to_image(self, omega: Tensor, covariance: Covariance) -> Tensor:
        """Sigma B^T omega, (batch, pixels)."""
        back = omega @ self._b
        if isinstance(covariance, ScaledIdentity):
            return covariance.variance * back
        change = covariance.variances.double() - covariance.rest
        coefficients = change * (omega @ self._see(covariance.basis))
        return covariance.rest * back + coefficients @ covariance.basis.double().T

    def _see(self, basis: Tensor) -> Tensor:
        """B U, kept while the basis stays the same."""
        if self._basis is not basis or self._seen_basis is None:
            self._basis, self._seen_basis = basis, self._b @ basis.double()
        return self._seen_basis


class _Problem:
    """The state of a batch of local MAPs: omega, K omega, objective and damping of each."""

    def __init__(
        self,
        space: DataSpaceOperator,
        y: Tensor,
        scale: float,
        start: Tensor,
        q: Tensor,
        k: Tensor,
    ) -> None:
        self.space, self.y, self.scale, self.start, self.q, self.k = space, y, scale, start, q, k
        self.omega = start.new_zeros(len(start), len(k))
        self.k_omega = torch.zeros_like(self.omega)
        self.damping = torch.full((len(start),), _FIRST_DAMPING).to(start)
        everything = torch.arange(len(start), device=start.device)
        self.objective = self._objective(everything, self.omega, self.k_omega)

    def step(self, items: Tensor) -> Tensor:
        """Step of each of `items`; by how much its objective fell, 0 where none was found."""
        v = self._v(items, self.k_omega[items])
        r, g = self.space.residual_change(v, self.y[items], self.q)
        r, g = self.scale * r, self.scale * g
        hk = g.mT @ g @ self.k
        rhs = (g.mT @ (g @ self.k_omega[items, :, None] - r[..., None]))[..., 0]
        fall = torch.zeros_like(self.objective[items])
        pending = torch.arange(len(items), device=items.device)
        for _ in range(_TRIES):
            if not len(pending):
                break
            at = items[pending]
            delta = self.damping[at, None]
            omega = _solve(hk[pending], 1 + delta, delta * self.omega[at] + rhs[pending])
            k_omega = omega @ self.k
            objective = self._objective(at, omega, k_omega)
            better = objective < self.objective[at]
            chosen = at[better]
            fall[pending[better]] = 1 - objective[better] / self.objective[chosen]
            self.omega[chosen], self.k_omega[chosen] = omega[better], k_omega[better]
            self.objective[chosen] = objective[better]
            self.damping[chosen] = (self.damping[chosen] / 4).clamp(min=_LEAST_DAMPING)
            self.damping[at[~better]] = 6 * self.damping[at[~better]] + _FIRST_DAMPING
            pending = pending[~better]
        return fall

    def _v(self, items: Tensor, k_omega: Tensor) -> Tensor:
        return self.start[items] + k_omega @ self.q.T

    def _objective(self, items: Tensor, omega: Tensor, k_omega: Tensor) -> Tensor:
        r = self.scale * self.space.residual_of(self._v(items, k_omega), self.y[items])
        return 0.5 * ((omega * k_omega).sum(1) + r.square().sum(1))


def _solve(matrix: Tensor, shift: Tensor, rhs: Tensor) -> Tensor:
    """(shift I + matrix)^-1 rhs; not finite where that is singular, and so rejected."""
    shifted = matrix + torch.diag_embed(shift.expand(-1, matrix.shape[-1]))
    return torch.linalg.solve_ex(shifted, rhs[..., None]).result[..., 0]

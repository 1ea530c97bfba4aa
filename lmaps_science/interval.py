"""Data that say of each coefficient of the image in which interval it lies.

A quantised value is no value with noise but an interval: of a pixel (few bits, saturation) or
of a coefficient of the cosine transform (JPEG). The likelihood is 1 inside and 0 outside. In an
orthonormal basis the local posterior N(m, v I) restricted to the intervals is a product of
truncated normal distributions, so that its mode, its mean and its samples have closed forms.
"""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lmaps_science.covariance import Covariance, ScaledIdentity
from lmaps_science.local_map import Generators, LocalMap, Solution
from lmaps_science.operator import Operator


@runtime_checkable
class IntervalOperator(Protocol):
    """An operator whose data bound the coefficients of an orthonormal transform."""

    def analysis(self, x: Tensor) -> Tensor:
        """Coefficients of normalised images (batch, channels, y, x), of the same shape."""

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """The images again."""

    def bounds(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest coefficients that agree with the data; infinite where unknown."""


class Interval(LocalMap):
    """The local posterior of interval data in closed form.

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`; the operator is an `IntervalOperator`.
    estimate : str
        What stands for the local posterior: its ``"mean"``, or its ``"mode"``, which is the
        projection of m onto the intervals. Neither leaves them, so that the true local
        objective is never infinite; see ``benchmarks/restoration_solvers.py``.
    """

    def __init__(
        self, operator: Operator, y: Tensor, weight: float, estimate: str = "mean"
    ) -> None:
        super().__init__(operator, y, weight)
        if not isinstance(operator, IntervalOperator):
            raise ValueError(
                "solver='interval' needs an operator with bounds (IntervalOperator), got "
                f"{type(operator).__name__}: use another solver or 'auto'"
            )
        if estimate not in ("mean", "mode"):
            raise ValueError(f"estimate: expected 'mean' or 'mode', got {estimate!r}")
        self.space: IntervalOperator = operator
        self.estimate = estimate
        self.lower, self.upper = operator.bounds(y)

    def mode(self, m: Tensor, covariance: Covariance) -> Solution:
        """The mean of the local posterior, or its mode."""
        c = self.space.analysis(m)
        if self.estimate == "mean":
            c = truncated_mean(c, _variance(covariance), self.lower, self.upper)
        return self._solution(c.clamp(self.lower, self.upper), m)

    def sample(self, m: Tensor, covariance: Covariance, generators: Generators) -> Solution:
        """A sample of the local posterior, exact."""
        c = self.space.analysis(m)
        uniform = torch.cat(
            [torch.rand(c[:1].shape, generator=g, dtype=torch.float64) for g in generators]
        ).to(c.device)
        c = truncated_quantile(uniform, c, _variance(covariance), self.lower, self.upper)
        return self._solution(c, m)

    def _solution(self, coefficients: Tensor, m: Tensor) -> Solution:
        x0 = self.space.synthesis(coefficients).to(m.dtype)
        return Solution(x0, self.operator.loss(x0, self.y), 0)


def _variance(covariance: Covariance) -> float:
    if isinstance(covariance, ScaledIdentity) and math.isfinite(covariance.variance):
        return covariance.variance
    raise ValueError(
        "solver='interval' takes a covariance that is a finite multiple of the identity: use "
        "'isotropic', 'saturating' or 'calibrated'"
    )


def truncated_mean(center: Tensor, variance: float, lower: Tensor, upper: Tensor) -> Tensor:
    """Mean of N(`center`, `variance`) restricted to [`lower`, `upper`].

    Parameters
    ----------
    center : Tensor
        Mean before the restriction.
    variance : float
        Before the restriction.
    lower, upper : Tensor
        Bounds, of the shape of `center`; they may be infinite or equal.

    Returns
    -------
    Tensor
        The shape and dtype of `center`.
    """
    scale = math.sqrt(variance)
    a, b, mirrored = _standardised(center, scale, lower, upper)
    # Densities and probabilities relative to the density at b, where b lies below the centre:
    # far in the tail both vanish. The scaled complementary error function keeps their ratio.
    decay = torch.exp((b - a) * (b + a) / 2)
    decay = torch.where(a.isinf(), 0.0, decay)
    tail = torch.special.erfcx(-b / math.sqrt(2)) - torch.where(
        decay > 0, decay * torch.special.erfcx(-a / math.sqrt(2)), 0.0
    )
    far = math.sqrt(2 / math.pi) * (decay - 1) / tail
    density = torch.exp(-(a**2) / 2) - torch.exp(-(b**2) / 2)
    near = density / math.sqrt(2 * math.pi) / (torch.special.ndtr(b) - torch.special.ndtr(a))
    z = torch.where(b < 0, far, near)
    # Of a very short interval the difference of two almost equal numbers is left: its middle.
    z = torch.where(b - a < _SHORT, (a + b) / 2, z)
    z = torch.where(mirrored, -z, z)
    return (center + scale * z).to(center.dtype).clamp(lower, upper)


def truncated_quantile(
    probability: Tensor, center: Tensor, variance: float, lower: Tensor, upper: Tensor
) -> Tensor:
    """Quantile of N(`center`, `variance`) restricted to [`lower`, `upper`].

    Parameters
    ----------
    probability : Tensor
        In (0, 1), float64; uniform random numbers make samples.
    center, variance, lower, upper
        As for `truncated_mean`.
    """
    scale = math.sqrt(variance)
    a, b, mirrored = _standardised(center, scale, lower, upper)
    probability = torch.where(mirrored, 1 - probability, probability)
    low, high = torch.special.ndtr(a), torch.special.ndtr(b)
    z = torch.special.ndtri(low + probability * (high - low))
    # So far in the tail the density is exponential.
    z = torch.where(b < -_FAR, b + probability.log() / b.abs(), z).clamp(min=a, max=b)
    z = torch.where(mirrored, -z, z)
    return (center + scale * z).to(center.dtype).clamp(lower, upper)


_SHORT, _FAR = 1e-4, 30.0
"""Length of an interval that is a point, and depth in the tail; standard deviations."""


def _standardised(
    center: Tensor, scale: float, lower: Tensor, upper: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Bounds in standard deviations from the centre, mirrored to where a <= 0."""
    a, b = ((bound.double() - center.double()) / scale for bound in (lower, upper))
    mirrored = a > 0
    return torch.where(mirrored, -b, a), torch.where(mirrored, -a, b), mirrored

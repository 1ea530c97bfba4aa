"""Relatives of LMAPS as configurations of its loop.

Optimisation-based diffusion solvers differ in the estimate of x0 at a noise level, the inner
step towards the data and the re-noising. Two that fit the loop are here. Methods that
differentiate through the network (DPS, PiGDM) or keep no x_t (RED-diff) do not fit it.

References
----------
DiffPIR: Zhu et al., CVPR Workshops 2023. DAPS: Zhang et al., CVPR 2025.
"""

import math
from functools import partial

import torch
from torch import Tensor

from lmaps_science.covariance import Covariance, ScaledIdentity, isotropic
from lmaps_science.local_map import Generators, LocalMap, Solution, noise_like
from lmaps_science.operator import Operator, per_item
from lmaps_science.schedule import karras_levels
from lmaps_science.solver import LMAPS, Prior


def diffpir(
    prior: Prior,
    operator: Operator,
    num_steps: int = 100,
    strength: float = 8.0,
    zeta: float = 0.3,
    seed: int = 0,
) -> LMAPS:
    """DiffPIR: one denoising, a proximal step with Sigma = sigma^2 / `strength` I, partial noise.

    Parameters
    ----------
    prior, operator
        As in `LMAPS`.
    num_steps : int
        Noise levels.
    strength : float
        Weight of the prior, the paper's lambda.
    zeta : float
        Share of fresh noise in variance, the paper's zeta.
    seed : int
        As in `LMAPS`.
    """
    covariance = isotropic(1 / strength)
    return LMAPS(prior, operator, num_steps, covariance=covariance, eta=math.sqrt(zeta), seed=seed)


def daps(
    prior: Prior,
    operator: Operator,
    num_steps: int = 50,
    num_flow_steps: int = 5,
    num_langevin_steps: int = 100,
    seed: int = 0,
) -> LMAPS:
    """DAPS: x0 by a short probability-flow ODE, Langevin steps, full re-noising.

    Parameters
    ----------
    prior, operator
        As in `LMAPS`; the operator's loss is quadratic.
    num_steps : int
        Noise levels.
    num_flow_steps : int
        Denoiser calls of the ODE at each level.
    num_langevin_steps : int
        Langevin steps at each level.
    seed : int
        As in `LMAPS`.
    """
    return LMAPS(
        FlowEstimate(prior, num_flow_steps),
        operator,
        num_steps,
        solver=partial(Langevin, num_steps=num_langevin_steps),
        estimate="sample",
        covariance=isotropic(),
        seed=seed,
    )


class FlowEstimate:
    """x0 by Euler steps of the probability-flow ODE from sigma to 0, in place of one denoising.

    Parameters
    ----------
    prior : callable
        Denoiser.
    num_steps : int
        Denoiser calls.
    sigma_min : float
        Last level before 0.
    """

    def __init__(self, prior: Prior, num_steps: int = 5, sigma_min: float = 0.01) -> None:
        self.prior, self.num_steps, self.sigma_min = prior, num_steps, sigma_min

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """The image at the end of the flow, (batch, channels, y, x)."""
        levels = karras_levels(self.num_steps, sigma, min(self.sigma_min, sigma)).tolist()
        for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
            m = self.prior(x, level)
            x = m + following / level * (x - m)
        return x


class Langevin(LocalMap):
    """A sample of the local posterior by Langevin steps from m; without noise, its descent.

    Parameters
    ----------
    operator, y, weight
        As in `LocalMap`; the loss is quadratic.
    num_steps : int
        Steps.
    step_size : float
        As a fraction of the inverse of the largest curvature of the local objective.
    """

    def __init__(
        self,
        operator: Operator,
        y: Tensor,
        weight: float,
        num_steps: int = 100,
        step_size: float = 0.5,
    ) -> None:
        super().__init__(operator, y, weight)
        self.num_steps, self.step_size = num_steps, step_size
        self.curvature = largest_curvature(operator, y[:1])

    def mode(self, m: Tensor, covariance: Covariance) -> Solution:
        """The point that the steps reach without noise."""
        return self._steps(m, covariance, None)

    def sample(self, m: Tensor, covariance: Covariance, generators: Generators) -> Solution:
        """The point that the steps reach."""
        return self._steps(m, covariance, generators)

    def _steps(self, m: Tensor, covariance: Covariance, generators: Generators | None) -> Solution:
        if not isinstance(covariance, ScaledIdentity):
            raise ValueError("Langevin steps take a covariance that is a multiple of the identity")
        precision = 1 / covariance.variance
        rate = self.step_size / (precision + self.weight * self.curvature)
        x = m
        for _ in range(self.num_steps):
            _, gradient = self.operator.loss_and_gradient(x, self.y)
            x = x - rate * (precision * (x - m) + self.weight * gradient.to(x.dtype))
            if generators is not None:
                x = x + math.sqrt(2 * rate) * noise_like(x, generators)
        return Solution(x, self.operator.loss(x, self.y), self.num_steps)


def largest_curvature(operator: Operator, y: Tensor, iterations: int = 30) -> float:
    """Largest eigenvalue of the loss's Hessian by power iteration on its gradient.

    Parameters
    ----------
    operator : Operator
        With a quadratic loss.
    y : Tensor
        Data, (1, ...).
    iterations : int
        Of the power iteration.
    """
    if not operator.quadratic:
        raise ValueError(
            f"{type(operator).__name__} has a loss that is not quadratic, so the step of Langevin "
            "dynamics cannot be found from its curvature: use the method 'lmaps'"
        )
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(1, *operator.image_shape, generator=generator).to(operator.device)
    _, origin = operator.loss_and_gradient(torch.zeros_like(p), y)
    value = 0.0
    for _ in range(iterations):
        p = p / per_item(p**2).sqrt()
        _, product = operator.loss_and_gradient(p, y)
        p = (product - origin).to(p.dtype)
        value = float(per_item(p**2).sqrt())
    return value

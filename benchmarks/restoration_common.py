"""What the restoration studies share: degradations, the published likelihood, DPS and PiGDM."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from lmaps_science.linear import conjugate_gradients
from lmaps_science.operator import Operator, per_item
from lmaps_science.problems.restoration.linear import Blur, LinearDegradation, motion_kernel
from lmaps_science.problems.restoration.quantised import (
    JPEG,
    Quantisation,
    Quantised,
    quality_table,
)
from lmaps_science.proxy import ProxyGradient
from lmaps_science.schedule import karras_levels

SIGMA_MAX = 4.0
"""The prior was trained up to here; every method starts here."""

DEGRADATIONS: dict[str, Callable[[tuple[int, int]], Quantised | LinearDegradation]] = {
    "JPEG 5": lambda shape: JPEG(shape, quality_table(5)),
    "JPEG 10": lambda shape: JPEG(shape, quality_table(10)),
    "JPEG 20": lambda shape: JPEG(shape, quality_table(20)),
    "2 bits": lambda shape: Quantisation(shape, 2),
    "3 bits": lambda shape: Quantisation(shape, 3),
    "4 bits": lambda shape: Quantisation(shape, 4),
    "motion blur": lambda shape: Blur(shape, motion_kernel(9, 30), sigma_noise=0.01),
}


@dataclass(frozen=True, eq=False)
class Case:
    """Degraded images of one kind.

    Attributes
    ----------
    truth : Tensor
        (cases, 1, y, x) in [-1, 1].
    operator : Quantised or LinearDegradation
        What degraded them.
    y : Tensor
        Data.
    picture : Tensor
        What a viewer shows, (cases, 1, y, x) in [-1, 1].
    """

    truth: Tensor
    operator: Quantised | LinearDegradation
    y: Tensor
    picture: Tensor


def case(name: str, truth: Tensor) -> Case:
    """`truth` degraded, with one noise seed per image."""
    operator = DEGRADATIONS[name]((truth.shape[-2], truth.shape[-1]))
    y = operator.forward(truth)
    if isinstance(operator, LinearDegradation):
        noisy = [
            operator.perturb(y[i : i + 1], torch.Generator().manual_seed(i)) for i in range(len(y))
        ]
        y = torch.cat(noisy)
    return Case(truth, operator, y, operator.normalize(operator.picture(y)))


class Published(Operator):
    """The likelihood of the published method: |H(x) - y|² of pictures, identity surrogate.

    Parameters
    ----------
    operator : Quantised
        The degradation.
    """

    problem = "image"

    def __init__(self, operator: Quantised) -> None:
        # The steps in the table are those of an orthonormal transform of the pixels.
        steps = 1 / operator.gain.flatten()
        sigma = float(steps.square().mean() / 12) ** 0.5
        super().__init__(operator.image_shape, sigma)
        self.proxy = ProxyGradient(
            lambda x: operator.normalize(operator.picture(operator.degrade(x)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """The degraded picture in [-1, 1]."""
        return self.proxy(x)


def picture_operator(s: Case) -> tuple[Operator, Tensor]:
    """Operator and data as other methods see them."""
    if isinstance(s.operator, Quantised):
        return Published(s.operator), s.picture
    return s.operator, s.y


def dps(prior: nn.Module, s: Case, scale: float, num_steps: int = 80, seed: int = 0) -> Tensor:
    """DPS (Chung et al., ICLR 2023): ancestral steps, then `scale` / |r| times grad |r|²."""
    operator, y = picture_operator(s)
    generator = torch.Generator().manual_seed(seed)
    sigmas = [*karras_levels(num_steps, SIGMA_MAX, 0.01).tolist(), 0.0]
    x = SIGMA_MAX * torch.randn(s.truth.shape, generator=generator)
    for sigma, following in pairwise(sigmas):
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            m = prior(x, sigma)
            norm = per_item((operator.forward(m) - y).square())
            (gradient,) = torch.autograd.grad(norm.sum(), x)
        x, m = x.detach(), m.detach()
        up = following * (1 - (following / sigma) ** 2) ** 0.5
        down = (following**2 - up**2) ** 0.5
        x = m + down / sigma * (x - m) + up * torch.randn(x.shape, generator=generator)
        x = x - scale * gradient / norm.detach().clamp(min=1e-6).sqrt()[:, None, None, None]
    return x


def pigdm(
    prior: nn.Module, s: Case, gain: float, num_steps: int = 30, eta: float = 1.0, seed: int = 0
) -> Tensor:
    """PiGDM (Song et al., ICLR 2023): DDIM plus `gain` times J^T (h†(y) - h†(h(m))).

    JPEG and few bits are its own nonlinear example, with h† the decoder; of a linear operator h†
    is the pseudoinverse, damped by the noise.
    """
    operator, y = picture_operator(s)
    generator = torch.Generator().manual_seed(seed)
    sigmas = [*karras_levels(num_steps, SIGMA_MAX, 0.01).tolist(), 0.0]
    x = SIGMA_MAX * torch.randn(s.truth.shape, generator=generator)
    for sigma, following in pairwise(sigmas):
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            m = prior(x, sigma)
            residual = (y - operator.forward(m)).detach()
            if isinstance(operator, LinearDegradation):
                # Of unit-variance data, as the paper has it.
                damping = operator.sigma_noise**2 * (sigma**2 + 1) / sigma**2
                residual = _damped_inverse(operator, residual, damping)
            (gradient,) = torch.autograd.grad((residual.to(m.dtype) * m).sum(), x)
        x, m = x.detach(), m.detach()
        noise = torch.randn(x.shape, generator=generator)
        x = m + following * ((1 - eta**2) ** 0.5 / sigma * (x - m) + eta * noise)
        x = x + gain * gradient
    return x


def _damped_inverse(operator: LinearDegradation, residual: Tensor, damping: float) -> Tensor:
    """(J^T J + damping)^-1 J^T r."""

    def product(p: Tensor) -> Tensor:
        return operator.normal(p) + damping * p

    return conjugate_gradients(product, operator.adjoint(residual), 1e-3, 200)[0]


METHODS = {
    "PiGDM": (pigdm, "gain", (0.3, 0.6, 1.0)),
    "DPS": (dps, "scale", (0.3, 1.0, 3.0)),
}
"""Method, its constant and the values to try."""


def tuned(name: str, prior: nn.Module, s: Case, score: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The constant of the best mean score on tuning images."""
    method, constant, values = METHODS[name]
    results = {
        value: float(score(method(prior, s, **{constant: value}), s.truth).nan_to_num(-100).mean())
        for value in values
    }
    print(name, {k: round(v, 2) for k, v in results.items()}, flush=True)
    return max(results, key=lambda value: results[value])


def with_constant(name: str, value: float) -> Callable[..., Tensor]:
    """The method as a function of prior and case."""
    method, constant, _ = METHODS[name]
    return partial(method, **{constant: value})

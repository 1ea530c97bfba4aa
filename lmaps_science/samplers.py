"""The methods that the command line offers, by name, and the prior as it hands it to them."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from lmaps_science import methods
from lmaps_science.baselines import tikhonov
from lmaps_science.operator import AffineOperator, Operator
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.solver import LMAPS, Level, Reconstruction


class Sampler(Protocol):
    """From data to samples."""

    def __call__(
        self, y: Tensor, num_samples: int, callback: Callable[[Level], None] | None, /
    ) -> Reconstruction:
        """Reconstruct `num_samples` images of each case of `y`."""


class Batched:
    """A prior that sees at most `size` images at a time, so that its memory stays bounded.

    Parameters
    ----------
    prior : Preconditioned
        What it knows of its images is carried along.
    size : int
        Images per call.
    """

    def __init__(self, prior: Preconditioned, size: int) -> None:
        self.prior, self.size = prior, size
        self.mean, self.sigma_max = prior.mean, prior.sigma_max
        self.error_curve, self.peak_curve = prior.error_curve, prior.peak_curve
        self.image_covariance = prior.image_covariance
        self.sha256 = getattr(prior, "sha256", None)

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """Denoised images, (batch, channels, y, x)."""
        return torch.cat([self.prior(part, sigma) for part in x.split(self.size)])


def posterior_sampler(prior: Batched, operator: Operator, steps: int | None, seed: int) -> Sampler:
    """LMAPS for the spread: samples of the local posterior, as wide as the problem's default."""
    return LMAPS(prior, operator, steps, estimate="sample", seed=seed)


def _lmaps(
    prior: Any,  # noqa: ANN401
    operator: Operator,
    steps: int | None,
    seed: int,
    **options: Any,  # noqa: ANN401
) -> Sampler:
    return LMAPS(prior, operator, steps, seed=seed, **options)


def _published(
    prior: Any,  # noqa: ANN401
    operator: Operator,
    steps: int | None,
    seed: int,
    **options: Any,  # noqa: ANN401
) -> Sampler:
    constants: dict[str, Any] = {
        "sigma_max": min(100.0, prior.sigma_max or 100.0),
        "k1": 1.0,
        "k2": operator.loss_weight,
        "learning_rate": 0.1,
    }
    return LMAPS(prior, operator, steps or 200, solver="gradient", seed=seed, **constants | options)


def _diffpir(
    prior: Any,  # noqa: ANN401
    operator: Operator,
    steps: int | None,
    seed: int,
    **options: float,
) -> Sampler:
    return methods.diffpir(prior, operator, steps or 100, seed=seed, **options)


def _daps(
    prior: Any,  # noqa: ANN401
    operator: Operator,
    steps: int | None,
    seed: int,
    **options: int,
) -> Sampler:
    return methods.daps(prior, operator, steps or 50, seed=seed, **options)


def _tikhonov(
    _prior: None,
    operator: Operator,
    _steps: int | None,
    _seed: int,
    strength: float | None = None,
) -> Sampler:
    if not isinstance(operator, AffineOperator):
        raise ValueError("method 'tikhonov' is for linear problems: use lmaps, or a problem's own")
    return baseline(lambda y: tikhonov(operator, y, strength))


def _rml(_prior: None, operator: Operator, _steps: int | None, _seed: int) -> Sampler:
    from lmaps_science.problems.blackhole.operator import BlackHoleImaging
    from lmaps_science.problems.blackhole.rml import rml

    if not isinstance(operator, BlackHoleImaging):
        raise ValueError("method 'rml' is ehtim's imager, for black holes only: use lmaps")
    return baseline(lambda _y: rml(operator).to(operator.device))


def baseline(solve: Callable[[Tensor], Tensor]) -> Sampler:
    """One image, whatever the number of samples: nothing in it is random."""

    def sample(y: Tensor, _num_samples: int, _callback: object) -> Reconstruction:
        start = time.perf_counter()
        images = solve(y)[:, None]
        seconds = time.perf_counter() - start
        return Reconstruction.without_levels(images, seconds)

    return sample


METHODS: dict[str, Callable[..., Sampler]] = {
    "lmaps": _lmaps,
    "paper": _published,
    "diffpir": _diffpir,
    "daps": _daps,
    "tikhonov": _tikhonov,
    "rml": _rml,
}
"""Samplers by name, made of (prior, operator, steps, seed) and options of their own."""

WITHOUT_PRIOR = frozenset({"tikhonov", "rml"})

"""Local MAP Sampling (Zhang, Brekelmans, Ver Steeg, arXiv 2510.07343): the outer loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.covariance import CovarianceOfLevel, ScaledIdentity, covariance_by_name
from lmaps_science.inner_solvers import SOLVERS, SolverFactory, inner_solver
from lmaps_science.local_map import LocalMap, noise_like
from lmaps_science.operator import Operator
from lmaps_science.schedule import karras_levels
from lmaps_science.settings import settings_of

Prior = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Level:
    """What the callback receives after each noise level.

    Attributes
    ----------
    step, num_steps : int
        Index of the level and number of levels.
    sigma : float
        Noise level.
    x, m, x0 : Tensor
        Noisy image x_t, denoised image m, local MAP x0*, (batch, channels, y, x).
    loss : Tensor
        The operator's loss at x0*, (batch,).
    iterations : int
        Inner iterations of the local MAP.
    seconds, denoiser_seconds : float
        Wall-clock time of the level, and of the denoiser within it.
    """

    step: int
    num_steps: int
    sigma: float
    x: Tensor
    m: Tensor
    x0: Tensor
    loss: Tensor
    iterations: int
    seconds: float
    denoiser_seconds: float


@dataclass(frozen=True)
class Reconstruction:
    """Result of LMAPS.

    Attributes
    ----------
    samples : Tensor
        (cases, num_samples, channels, y, x), float32, normalised.
    history : dict of str to list
        Per level: `sigma`, `loss` (mean over the batch), `inner_iterations`, `seconds`,
        `denoiser_seconds`.
    """

    samples: Tensor
    history: dict[str, list[float]]

    @classmethod
    def without_levels(cls, samples: Tensor, seconds: float) -> "Reconstruction":
        """Samples of a method that has no noise levels to tell of, and the time it took."""
        history: dict[str, list[float]] = {name: [] for name in HISTORY}
        return cls(samples, history | {"seconds": [seconds]})

    @property
    def mean(self) -> Tensor:
        """Mean over the samples, (cases, channels, y, x)."""
        return self.samples.mean(1)

    @property
    def std(self) -> Tensor:
        """Standard deviation over the samples, (cases, channels, y, x); 0 for one sample."""
        return self.samples.std(1, correction=min(1, self.samples.shape[1] - 1))


class LMAPS:
    """Local MAP Sampling.

    Parameters
    ----------
    prior : callable
        Denoiser, ``prior(x, sigma)`` = E[x0 | x_t = x].
    operator : Operator
        Forward operator with its likelihood.
    num_steps : int, optional
        Noise levels; the denoiser is called once a level.
    sigma_max, sigma_min : float, optional
        First and last noise level.
    solver : str or callable
        Inner solver of the local MAP: 'spectral', 'cg', 'gauss_newton', 'interval', 'gradient',
        'auto' (the best that the operator offers), or a factory
        ``(operator, y, weight) -> LocalMap``.
    estimate : str
        'mode' for the local MAP, 'sample' for a sample of the local posterior.
    covariance : str or callable
        Of p(x0 | x_t): a name of `lmaps_science.covariance`, 'auto', or a function of sigma.
    k1, k2 : float, optional
        The paper's constants: they fix v(sigma) w = sigma^2 k2 / k1^2 in place of `covariance`
        (k1 = 0 drops the prior term).
    eta : float
        Share of fresh noise in the re-noising; 1 as in the paper, 0 for DDIM.
    num_inner_steps, learning_rate, optimizer
        Of ``solver='gradient'``: K, the step size, 'adam' or 'sgd'.
    seed : int
        Each sample has a generator of its own, made of the seed and the sample's index.

    Notes
    -----
    What is None or 'auto' is the measured default of the operator's kind of problem
    (`lmaps_science.settings`).
    """

    def __init__(
        self,
        prior: Prior,
        operator: Operator,
        num_steps: int | None = None,
        sigma_max: float | None = None,
        sigma_min: float | None = None,
        solver: str | SolverFactory = "auto",
        estimate: str = "mode",
        covariance: str | CovarianceOfLevel = "auto",
        k1: float | None = None,
        k2: float | None = None,
        eta: float = 1.0,
        num_inner_steps: int = 100,
        learning_rate: float | None = None,
        optimizer: str = "adam",
        seed: int = 0,
    ) -> None:
        _check_choice("estimate", estimate, ("mode", "sample"))
        if not callable(solver):
            _check_choice("solver", solver, SOLVERS)
        if not 0 <= eta <= 1:
            raise ValueError(f"eta: expected a number in [0, 1], got {eta}")
        self.defaults = settings_of(operator.problem)
        highest = min(self.defaults.sigma_max, _trained_up_to(prior))
        self.sigmas = karras_levels(
            self.defaults.num_steps if num_steps is None else num_steps,
            highest if sigma_max is None else sigma_max,
            self.defaults.sigma_min if sigma_min is None else sigma_min,
        )
        self.prior, self.operator = prior, operator
        self.solver, self.estimate, self.eta, self.seed = solver, estimate, eta, seed
        self.gradient_options: dict[str, Any] = {
            "num_steps": num_inner_steps,
            "learning_rate": learning_rate,
            "optimizer": optimizer,
            "k2": 1.0 if k2 is None else k2,
        }
        if k1 is None and k2 is None:
            self.weight = operator.loss_weight
            self.covariance = self._named(covariance)
        else:
            # They fix what a mode depends on, the product of covariance and weight.
            self.defaults = replace(self.defaults, tempering=math.inf)
            self.weight, self.covariance = self._published(k1, k2, covariance)

    def _named(self, covariance: str | CovarianceOfLevel) -> CovarianceOfLevel:
        """The covariance as a function of sigma; 'auto' is the problem's default."""
        if callable(covariance):
            return covariance
        defaults, width = self.defaults, 1.0
        if covariance == "auto" and self.estimate == "mode":
            covariance, width = defaults.mode_covariance, defaults.mode_width
        elif covariance == "auto":
            covariance, width = defaults.sample_covariance, defaults.sample_width
        plain = covariance_by_name(covariance, self.prior, self.operator)
        return lambda sigma: plain(sigma).scaled(width)

    def _published(
        self, k1: float | None, k2: float | None, covariance: str | CovarianceOfLevel
    ) -> tuple[float, CovarianceOfLevel]:
        """w and Sigma = v I with v w = sigma^2 k2 / k1^2."""
        if k1 is None or k2 is None or k1 < 0 or k2 <= 0:
            raise ValueError(f"expected both k1 >= 0 and k2 > 0, or neither, got {k1=}, {k2=}")
        if covariance != "auto":
            raise ValueError("k1 and k2 fix the covariance: give them or `covariance`, not both")
        if self.estimate == "sample" and k1 == 0:
            raise ValueError("k1 = 0 drops the prior term, which leaves nothing to sample from")
        known = self.operator.sigma_noise > 0 or self.estimate == "sample"
        weight = self.operator.loss_weight if known else 1.0

        def covariance_of_level(sigma: float) -> ScaledIdentity:
            return ScaledIdentity(sigma**2 * k2 / (k1**2 * weight) if k1 > 0 else math.inf)

        return weight, covariance_of_level

    @torch.no_grad()
    def __call__(
        self,
        y: Tensor,
        num_samples: int = 1,
        callback: Callable[[Level], None] | None = None,
    ) -> Reconstruction:
        """Reconstruct from data.

        Parameters
        ----------
        y : Tensor
            Data of one case, (...), or of several cases of one operator, (cases, ...).
        num_samples : int
            Samples per case.
        callback : callable, optional
            Receives a `Level` after each noise level.

        Returns
        -------
        Reconstruction
            Samples and history.
        """
        y = self._cases(y)
        cases = len(y)
        y = y.repeat_interleave(num_samples, 0)
        generators = [
            generator_of_sample(self.seed, k) for _ in range(cases) for k in range(num_samples)
        ]
        blank = torch.zeros(len(y), *self.operator.image_shape, device=self.operator.device)
        history: dict[str, list[float]] = {name: [] for name in HISTORY}

        local = self._local_map(y)
        x = getattr(self.prior, "mean", 0.0) + self.sigmas[0] * noise_like(blank, generators)
        for step, sigma in enumerate(self.sigmas.tolist()):
            start = time.perf_counter()
            m = self.operator.fix_gauge(self.prior(x, sigma), self._peak(sigma))
            denoised = time.perf_counter()
            local.begin((step + 1) / len(self.sigmas))
            # To a mode, less weight of the data and a narrower covariance are the same.
            Sigma = self.covariance(sigma).scaled(self.defaults.data_weight(sigma))
            solution = (
                local.mode(m, Sigma)
                if self.estimate == "mode"
                else local.sample(m, Sigma, generators)
            )
            x0 = solution.x0.clamp(min=self.defaults.lower_bound)
            level = Level(
                step=step,
                num_steps=len(self.sigmas),
                sigma=sigma,
                x=x,
                m=m,
                x0=x0,
                loss=solution.loss,
                iterations=solution.iterations,
                seconds=time.perf_counter() - start,
                denoiser_seconds=denoised - start,
            )
            for name, value in HISTORY.items():
                history[name].append(value(level))
            if callback is not None:
                callback(level)
            if step + 1 < len(self.sigmas):
                x = renoise(x0, x, sigma, self.sigmas[step + 1], self.eta, generators)
        return Reconstruction(x0.unflatten(0, (cases, num_samples)), history)

    def _cases(self, y: Tensor) -> Tensor:
        """`y` with its axis of cases, checked."""
        expected = self.operator.data_shape
        y = torch.as_tensor(y, device=self.operator.device)
        if tuple(y.shape) == expected:
            y = y[None]
        if tuple(y.shape[1:]) != expected:
            raise ValueError(
                f"data of shape {tuple(y.shape)} do not fit {type(self.operator).__name__}: "
                f"expected {expected}, or (cases, ...) of that"
            )
        if not torch.isfinite(torch.view_as_real(y) if y.is_complex() else y).all():
            raise ValueError("the data hold NaN or infinite values: mask or remove them")
        return y

    def _peak(self, sigma: float) -> float | None:
        """Peak of an image of this noise level, where the prior knows it."""
        curve = getattr(self.prior, "peak_curve", None)
        return None if curve is None else curve(sigma)

    def _local_map(self, y: Tensor) -> LocalMap:
        if callable(self.solver):
            return self.solver(self.operator, y, self.weight)
        return inner_solver(
            self.solver,
            self.operator,
            y,
            self.weight,
            self.defaults.cg_tolerance,
            self.gradient_options,
        )


def renoise(
    x0: Tensor,
    x: Tensor,
    sigma: float,
    sigma_next: float,
    eta: float,
    generators: list[torch.Generator],
) -> Tensor:
    """g(x0*, x_t, eps) = x0* + sqrt(1 - eta^2) s' (x_t - x0*) / s + eta s' eps."""
    direction = math.sqrt(1 - eta**2) / sigma * (x - x0)
    return x0 + sigma_next * (direction + eta * noise_like(x0, generators))


HISTORY: dict[str, Callable[[Level], float]] = {
    "sigma": lambda level: level.sigma,
    "loss": lambda level: float(level.loss.mean()),
    "inner_iterations": lambda level: level.iterations,
    "seconds": lambda level: level.seconds,
    "denoiser_seconds": lambda level: level.denoiser_seconds,
}
"""What `Reconstruction.history` holds of a level, by name."""


def _trained_up_to(prior: Prior) -> float:
    """Largest noise level that the prior's card vouches for."""
    sigma_max = getattr(prior, "sigma_max", None)
    return math.inf if sigma_max is None else sigma_max


def generator_of_sample(seed: int, sample: int) -> torch.Generator:
    """Random numbers of one sample of a seed."""
    state = np.random.SeedSequence((seed, sample)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")

"""Methods that differentiate through the network, which the loop of LMAPS never does.

All take the noise levels of LMAPS and its variance-exploding x_t. Where a paper's step is in the
variance-preserving sqrt(a) x_t, with 1 / a = 1 + sigma^2, the factor is written out.

References
----------
DPS: Chung et al., ICLR 2023, algorithm 1. PiGDM: Song et al., ICLR 2023, algorithm 1. SITCOM:
Alkhouri et al., ICML 2025 (arXiv 2410.04479), algorithm 1.
"""

import math
import time
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from lmaps_science.covariance import ScaledIdentity
from lmaps_science.inner_solvers import inner_solver
from lmaps_science.local_map import noise_like
from lmaps_science.operator import Operator
from lmaps_science.schedule import karras_levels
from lmaps_science.settings import SETTINGS
from lmaps_science.solver import HISTORY, Level, Prior, Reconstruction, generator_of_sample

Pair = tuple[Tensor, Tensor]

Update = Callable[[Tensor, float, float, Tensor], Pair]
"""Of x_t, its noise level, the next one and fresh noise: the next x_t and the estimate of x0."""


class Network:
    """A denoiser with the transpose of its derivative.

    Parameters
    ----------
    prior : callable
        Denoiser that autograd can follow.

    Attributes
    ----------
    seconds : float
        Wall-clock time spent in both so far.
    """

    def __init__(self, prior: Prior) -> None:
        self.prior, self.seconds = prior, 0.0

    def __call__(self, x: Tensor, sigma: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The denoised image m, and the map from u to (dm/dx)^T u, which can be used once."""
        start = time.perf_counter()
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            m = self.prior(x, sigma)
        self.seconds += time.perf_counter() - start

        def transpose(u: Tensor) -> Tensor:
            start = time.perf_counter()
            (result,) = torch.autograd.grad(m, x, u.to(m.dtype))
            self.seconds += time.perf_counter() - start
            return result

        return m.detach(), transpose


def dps(
    prior: Prior,
    operator: Operator,
    num_steps: int = 1000,
    zeta: float = 1.0,
    sigma_max: float | None = None,
    seed: int = 0,
) -> "Guided":
    """DPS: an ancestral step, less zeta times the gradient of ||y - H(m(x_t))|| by x_t.

    Parameters
    ----------
    prior, operator
        As in `LMAPS`.
    num_steps : int
        Noise levels.
    zeta : float
        The paper's constant of that name.
    sigma_max : float, optional
        First noise level; what the prior was trained up to by default.
    seed : int
        As in `LMAPS`.
    """
    network = Network(prior)

    def begin(y: Tensor) -> Update:
        def update(x: Tensor, sigma: float, following: float, noise: Tensor) -> Pair:
            m, transpose = network(x, sigma)
            loss, gradient = operator.loss_and_gradient(m, y)
            norm = loss.clamp(min=torch.finfo(loss.dtype).tiny).sqrt().to(x.dtype)
            slope = transpose(gradient) / (2 * norm[:, None, None, None])
            kept = (following / sigma) ** 2
            ancestral = m + kept * (x - m) + following * math.sqrt(1 - kept) * noise
            rescaled = math.sqrt((1 + sigma**2) * (1 + following**2))
            return ancestral - zeta * rescaled * slope, m

        return update

    return Guided(begin, network, operator, num_steps, sigma_max, seed)


def pigdm(
    prior: Prior,
    operator: Operator,
    num_steps: int = 100,
    eta: float = 1.0,
    sigma_max: float | None = None,
    seed: int = 0,
) -> "Guided":
    """PiGDM: a DDIM step plus (dm/dx)^T J^T (J J^T + s^2/r^2 I)^-1 (y - H(m)), s the data's noise.

    What (dm/dx)^T acts on is the step of a local MAP from m with Sigma = r^2 I and
    r^2 = sigma^2 / (1 + sigma^2), and is computed as one.

    Parameters
    ----------
    prior, operator
        As in `LMAPS`; the operator's loss is quadratic.
    num_steps : int
        Noise levels.
    eta : float
        Share of fresh noise, the paper's eta.
    sigma_max : float, optional
        First noise level; what the prior was trained up to by default.
    seed : int
        As in `LMAPS`.
    """
    network = Network(prior)

    def begin(y: Tensor) -> Update:
        tolerance = SETTINGS[operator.problem].cg_tolerance
        local = inner_solver("auto", operator, y, operator.loss_weight, tolerance, {})

        def update(x: Tensor, sigma: float, following: float, noise: Tensor) -> Pair:
            m, transpose = network(x, sigma)
            r2 = sigma**2 / (1 + sigma**2)
            guidance = transpose(local.mode(m, ScaledIdentity(r2)).x0 - m)
            direction = math.sqrt(1 - eta**2) / sigma * (x - m) + eta * noise
            return m + following * direction + math.sqrt(1 + following**2) * guidance, m

        return update

    return Guided(begin, network, operator, num_steps, sigma_max, seed)


def sitcom(
    prior: Prior,
    operator: Operator,
    num_steps: int = 20,
    num_inner_steps: int = 20,
    strength: float = 1.0,
    learning_rate: float = 0.01,
    stop: float = 1.0,
    sigma_max: float | None = None,
    seed: int = 0,
) -> "Guided":
    """SITCOM: the v near x_t whose denoised image fits the data, by Adam; then full re-noising.

    v minimises w loss(m(v), y) + strength ||x_t - v||^2, from x_t on, until the data are fitted to
    their noise; x0 = m(v).

    Parameters
    ----------
    prior, operator
        As in `LMAPS`.
    num_steps : int
        Noise levels.
    num_inner_steps : int
        Steps of Adam at each, at most: the paper's K.
    strength, learning_rate : float
        The paper's lambda and gamma.
    stop : float
        Chi squared per datum at which the data count as fitted.
    sigma_max : float, optional
        First noise level; what the prior was trained up to by default.
    seed : int
        As in `LMAPS`.
    """
    network, weight = Network(prior), operator.loss_weight

    def begin(y: Tensor) -> Update:
        expected = stop * y[0].numel() / (1 if y.is_complex() else 2)

        def update(x: Tensor, sigma: float, following: float, noise: Tensor) -> Pair:
            scale = math.sqrt(1 + sigma**2)
            x = x / scale
            v = x.clone()
            adam = torch.optim.Adam([v], lr=learning_rate)
            m, transpose = network(scale * v, sigma)
            for _ in range(num_inner_steps):
                loss, gradient = operator.loss_and_gradient(m, y)
                fitted = (weight * loss <= expected)[:, None, None, None]
                if fitted.all():
                    break
                v.grad = weight * scale * transpose(gradient) + 2 * strength * (v - x)
                before = v.clone()
                adam.step()
                v.copy_(torch.where(fitted, before, v))
                m, transpose = network(scale * v, sigma)
            return m + following * noise, m

        return update

    return Guided(begin, network, operator, num_steps, sigma_max, seed)


class Guided:
    """A loop over noise levels with a method's update in it; called as `LMAPS` is.

    Parameters
    ----------
    begin : callable
        Makes the update for data, one item per image of the batch.
    network, operator
        The denoiser, and the operator as in `LMAPS`.
    num_steps : int
        Noise levels.
    sigma_max : float or None
        First noise level; what the prior was trained up to if None.
    seed : int
        As in `LMAPS`.
    """

    def __init__(
        self,
        begin: Callable[[Tensor], Update],
        network: Network,
        operator: Operator,
        num_steps: int,
        sigma_max: float | None,
        seed: int,
    ) -> None:
        trained = getattr(network.prior, "sigma_max", None) or SETTINGS["generic"].sigma_max
        self.sigmas = karras_levels(
            num_steps,
            trained if sigma_max is None else sigma_max,
            SETTINGS[operator.problem].sigma_min,
        )
        self.begin, self.network, self.operator, self.seed = begin, network, operator, seed

    @torch.no_grad()
    def __call__(
        self,
        y: Tensor,
        num_samples: int = 1,
        callback: Callable[[Level], None] | None = None,
    ) -> Reconstruction:
        """Samples of data (cases, ...): the estimates of x0 at the last level."""
        cases = len(y)
        y = y.repeat_interleave(num_samples, 0)
        generators = [
            generator_of_sample(self.seed, k) for _ in range(cases) for k in range(num_samples)
        ]
        blank = torch.zeros(len(y), *self.operator.image_shape, device=self.operator.device)
        mean = getattr(self.network.prior, "mean", 0.0)
        x = mean + self.sigmas[0] * noise_like(blank, generators)
        update = self.begin(y)
        history: dict[str, list[float]] = {name: [] for name in HISTORY}
        for step, (sigma, following) in enumerate(pairwise([*self.sigmas.tolist(), 0.0])):
            start, before = time.perf_counter(), self.network.seconds
            noisy = x
            x, x0 = update(noisy, sigma, following, noise_like(blank, generators))
            level = Level(
                step=step,
                num_steps=len(self.sigmas),
                sigma=sigma,
                x=noisy,
                m=x0,
                x0=x0,
                loss=self.operator.loss(x0, y),
                iterations=0,
                seconds=time.perf_counter() - start,
                denoiser_seconds=self.network.seconds - before,
            )
            for name, value in HISTORY.items():
                history[name].append(value(level))
            if callback is not None:
                callback(level)
        return Reconstruction(x0.unflatten(0, (cases, num_samples)), history)

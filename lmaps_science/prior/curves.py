"""What a denoiser does at each noise level: how far it errs, and how bright its images are."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

SIGMAS = torch.logspace(math.log10(0.003), math.log10(100), 16)
"""Noise levels at which a curve is measured by default."""

Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, eq=False)
class ErrorCurve:
    """Mean squared denoising error per component against the noise level.

    Attributes
    ----------
    sigmas : Tensor
        Noise levels, increasing, (levels,), float32.
    mse : Tensor
        E|prior(x0 + sigma n, sigma) - x0|^2 / components, (levels,), float32.
    """

    sigmas: Tensor
    mse: Tensor

    def __post_init__(self) -> None:
        _check_levels("error curve", self.sigmas, self.mse)
        if not ((self.mse > 0) & self.mse.isfinite()).all():
            raise ValueError("error curve: expected errors that are positive and finite")

    def __call__(self, sigma: float) -> float:
        """Error at `sigma`: linear in the logarithms between the levels.

        Above the last level it is constant, as the prior knows no more than its images'
        variance; below the first it falls as sigma^2, as the noise does.
        """
        if not sigma > 0:
            raise ValueError(f"sigma: expected a positive noise level, got {sigma}")
        log_sigmas, log_mse = self._logarithms
        below = min(0.0, math.log(sigma) - log_sigmas[0])
        return math.exp(np.interp(math.log(sigma), log_sigmas, log_mse) + 2 * below)

    @cached_property
    def _logarithms(self) -> tuple[np.ndarray, np.ndarray]:
        return self.sigmas.double().log().numpy(), self.mse.double().log().numpy()


@dataclass(frozen=True, eq=False)
class PeakCurve:
    """Brightest pixel of denoised images against the noise level.

    Denoised images of much noise are blurred, so their peak is lower than 1. Data that do
    not fix the scale of an image leave it to this curve.

    Attributes
    ----------
    sigmas : Tensor
        Noise levels, increasing, (levels,), float32.
    peak : Tensor
        Median over images of the largest value, in [-1, 1], (levels,), float32.
    """

    sigmas: Tensor
    peak: Tensor

    def __post_init__(self) -> None:
        _check_levels("peak curve", self.sigmas, self.peak)
        if not self.peak.isfinite().all():
            raise ValueError("peak curve: expected finite values")

    def __call__(self, sigma: float) -> float:
        """Peak at `sigma`, linear in its logarithm between the levels, constant beyond."""
        return float(np.interp(math.log(sigma), self.sigmas.log().numpy(), self.peak.numpy()))


def _check_levels(name: str, sigmas: Tensor, values: Tensor) -> None:
    if sigmas.ndim != 1 or sigmas.shape != values.shape or len(sigmas) < 2:
        raise ValueError(
            f"{name}: expected as many noise levels as values and at least 2, got "
            f"shapes {tuple(sigmas.shape)} and {tuple(values.shape)}"
        )
    if not (sigmas[0] > 0 and (sigmas.diff() > 0).all()):
        raise ValueError(f"{name}: expected noise levels that are positive and increase")


@torch.no_grad()
def measure_error_curve(
    prior: Denoiser,
    images: Tensor,
    sigmas: Tensor = SIGMAS,
    seed: int = 0,
    batch_size: int = 16,
) -> ErrorCurve:
    """Measure a denoiser's error on images it was not trained on.

    Parameters
    ----------
    prior : callable
        (noisy images, sigma) to E[x0 | x].
    images : Tensor
        Held-out images, (count, channels, y, x), on the prior's device.
    sigmas : Tensor
        Noise levels, increasing, (levels,).
    seed : int
        Of the noise, the same at every level; the batch size does not change it.
    batch_size : int
        Images per call of the prior.

    Returns
    -------
    ErrorCurve
        Averaged over images and components.
    """
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            f"images: expected shape (count, channels, y, x), got {tuple(images.shape)}"
        )
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    mse = []
    for sigma in sigmas.tolist():
        total = 0.0
        for x0, n in zip(images.split(batch_size), noise.split(batch_size), strict=True):
            error = prior(x0 + sigma * n.to(x0), sigma) - x0
            total += float(error.double().square().sum())
        mse.append(total / images.numel())
    return ErrorCurve(sigmas.float().cpu(), torch.tensor(mse))


@torch.no_grad()
def measure_peak_curve(
    prior: Denoiser,
    images: Tensor,
    sigmas: Tensor = SIGMAS,
    seed: int = 0,
    batch_size: int = 16,
) -> PeakCurve:
    """Measure the peak of a denoiser's images.

    Parameters
    ----------
    prior, images, sigmas, seed, batch_size
        As for `measure_error_curve`.
    """
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    peaks = []
    for sigma in sigmas.tolist():
        pairs = zip(images.split(batch_size), noise.split(batch_size), strict=True)
        denoised = torch.cat([prior(x0 + sigma * n.to(x0), sigma) for x0, n in pairs])
        peaks.append(float(denoised.flatten(1).amax(1).median()))
    return PeakCurve(sigmas.float().cpu(), torch.tensor(peaks))

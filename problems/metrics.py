"""Metrics that several problems share."""

import math
from typing import Protocol

import torch
from torch import Tensor

_FLOOR = 1e-8


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, dB, of images clipped to [0, 1], as InverseBench has it.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x), in units of the largest contrast; one truth serves a batch.

    Returns
    -------
    Tensor
        (batch,); at most 80 dB.
    """
    error = image.clamp(0, 1) - truth.clamp(0, 1)
    return -10 * torch.log10(error.square().flatten(1).mean(1) + _FLOOR)


def blur(image: Tensor, fwhm: float) -> Tensor:
    """Images (batch, 1, y, x) convolved with a Gaussian of `fwhm` pixels, edges reflected."""
    from scipy.ndimage import gaussian_filter

    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    blurred = gaussian_filter(image.cpu().double().numpy(), sigma, axes=(2, 3))
    return torch.from_numpy(blurred).to(image)


def windowed_ssim(image: Tensor, truth: Tensor, peak: Tensor) -> Tensor:
    """Structural similarity, an 11×11 Gaussian window of σ = 1.5 pixels within the image.

    Parameters
    ----------
    image, truth : Tensor
        (batch, y, x).
    peak : Tensor
        Data range of each pair, (batch,).

    Returns
    -------
    Tensor
        (batch,), float64.
    """
    from skimage.metrics import structural_similarity

    pairs = zip(*(a.detach().cpu().double().numpy() for a in (image, truth, peak)), strict=True)
    return torch.tensor(
        [
            structural_similarity(
                a, b, data_range=p, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for a, b, p in pairs
        ],
        dtype=torch.float64,
    )


class Measured(Protocol):
    """An operator that knows how many data it has."""

    @property
    def loss_weight(self) -> float:
        """The w of -log p(y | x) = w loss(x, y) + const."""

    @property
    def num_data(self) -> int:
        """Number of complex data measured."""

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of squared residuals, (batch,)."""


def chi_squared(operator: Measured, x: Tensor, y: Tensor) -> Tensor:
    """Misfit per datum, loss / (M σ²), (batch,): 1 where only the noise is left.

    Parameters
    ----------
    operator : Measured
        With its noise level.
    x : Tensor
        Normalised images, (batch, channels, y, x).
    y : Tensor
        Data, (batch or 1, ...).

    Returns
    -------
    Tensor
    """
    return operator.loss_weight * operator.loss(x, y) / operator.num_data

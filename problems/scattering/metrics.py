"""How close a reconstructed contrast is to the truth, and to the data."""

import torch
from torch import Tensor

from lmaps_science.problems.metrics import blur, psnr, windowed_ssim


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of images clipped to [0, 1], as InverseBench has it.

    An 11×11 Gaussian window of σ = 1.5 pixels, where it lies within the image.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x), in units of the largest contrast; one truth serves a batch.

    Returns
    -------
    Tensor
        (batch,), float64.
    """
    a, b = torch.broadcast_tensors(image[:, 0].clamp(0, 1), truth[:, 0].clamp(0, 1))
    return windowed_ssim(a, b, torch.ones(len(a)))


def blurred_psnr(image: Tensor, truth: Tensor, fwhm: float) -> Tensor:
    """PSNR after both images are blurred by the same Gaussian.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x), in units of the largest contrast; one truth serves a batch.
    fwhm : float
        Full width of the Gaussian at half its maximum, pixels.

    Returns
    -------
    Tensor
        (batch,), dB.
    """
    return psnr(blur(image.clamp(0, 1), fwhm), blur(truth.clamp(0, 1), fwhm))


def nrmse(image: Tensor, truth: Tensor) -> Tensor:
    """Relative error |image - truth| / |truth|, not clipped, (batch,)."""
    error = (image - truth).flatten(1).norm(dim=1)
    return error / truth.flatten(1).norm(dim=1)

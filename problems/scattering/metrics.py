"""How close a reconstructed contrast is to the truth, and to the data."""

import math

import numpy as np
import torch
from torch import Tensor

from lmaps_science.problems.scattering.operator import InverseScattering

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
    from skimage.metrics import structural_similarity

    pairs = zip(*(_arrays(a) for a in torch.broadcast_tensors(image, truth)), strict=True)
    return torch.tensor(
        [
            structural_similarity(
                a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for a, b in pairs
        ],
        dtype=torch.float64,
    )


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


def blur(image: Tensor, fwhm: float) -> Tensor:
    """Images (batch, 1, y, x) convolved with a Gaussian of `fwhm` pixels, edges reflected."""
    from scipy.ndimage import gaussian_filter

    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    blurred = gaussian_filter(image.cpu().double().numpy(), sigma, axes=(2, 3))
    return torch.from_numpy(blurred).to(image)


def nrmse(image: Tensor, truth: Tensor) -> Tensor:
    """Relative error |image - truth| / |truth|, not clipped, (batch,)."""
    error = (image - truth).flatten(1).norm(dim=1)
    return error / truth.flatten(1).norm(dim=1)


def chi_squared(operator: InverseScattering, x: Tensor, y: Tensor) -> Tensor:
    """Misfit per datum, loss / (M σ²), (batch,): 1 where only the noise is left.

    Parameters
    ----------
    operator : InverseScattering
        With its noise level.
    x : Tensor
        Normalised images, (batch, 1, y, x).
    y : Tensor
        Data, (batch or 1, transmitters, receivers).

    Returns
    -------
    Tensor
    """
    return operator.loss_weight * operator.loss(x, y) / operator.num_data


def _arrays(image: Tensor) -> np.ndarray:
    return image.detach().clamp(0, 1).cpu().double().numpy()[:, 0]

"""How close a reconstructed image is to the truth, and to the data, as InverseBench has it."""

import torch
from torch import Tensor

from lmaps_science.problems.metrics import windowed_ssim
from lmaps_science.problems.mri.operator import MultiCoilMRI


def magnitude(image: Tensor) -> Tensor:
    """Magnitude (batch, y, x) of images (batch, 2, y, x), real and imaginary."""
    return torch.linalg.vector_norm(image, dim=1)


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the magnitude, dB.

    The peak is the truth's largest magnitude, to which the image is clipped.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 2, y, x); one truth serves a batch.

    Returns
    -------
    Tensor
        (batch,); infinite where they agree.
    """
    clipped, target, peak = _clipped(image, truth)
    return 10 * torch.log10(peak.square() / (clipped - target).square().flatten(1).mean(1))


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of the magnitude, clipped as for `psnr`.

    An 11×11 Gaussian window of σ = 1.5 pixels, where it lies within the image.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 2, y, x); one truth serves a batch.

    Returns
    -------
    Tensor
        (batch,), float64.
    """
    clipped, target, peak = _clipped(image, truth)
    return windowed_ssim(clipped, target.expand_as(clipped), peak.expand(len(clipped)))


def data_misfit(operator: MultiCoilMRI, x: Tensor, y: Tensor) -> Tensor:
    """Norm of the residual |H(x) - y|, (batch,), of images (batch, 2, y, x)."""
    return operator.loss(x, y).sqrt()


def _clipped(image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Magnitudes of the image, clipped, and of the truth, and the truth's largest."""
    target = magnitude(truth)
    peak = target.flatten(1).amax(1)
    return magnitude(image).minimum(peak[:, None, None]), target, peak

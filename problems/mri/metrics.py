"""How close a reconstructed image is to the truth, and to the data, as InverseBench has it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    from skimage.metrics import structural_similarity

    clipped, target, peak = _clipped(image, truth)
    target, peak = target.expand_as(clipped), peak.expand(len(clipped))
    return torch.tensor(
        [
            structural_similarity(
                a,
                b,
                data_range=float(p),
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for a, b, p in zip(_array(clipped), _array(target), peak, strict=True)
        ],
        dtype=torch.float64,
    )


def data_misfit(operator: MultiCoilMRI, x: Tensor, y: Tensor) -> Tensor:
    """Norm of the residual |H(x) - y|, (batch,), of images (batch, 2, y, x)."""
    return operator.loss(x, y).sqrt()


def chi_squared(operator: MultiCoilMRI, x: Tensor, y: Tensor) -> Tensor:
    """Misfit per datum, loss / (M σ²), (batch,): 1 where only the noise is left.

    Parameters
    ----------
    operator : MultiCoilMRI
        With its noise level.
    x : Tensor
        Images, (batch, 2, y, x).
    y : Tensor
        Data, (batch or 1, coils, y, x, 2).

    Returns
    -------
    Tensor
    """
    return operator.loss_weight * operator.loss(x, y) / operator.num_data


def _clipped(image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Magnitudes of the image, clipped, and of the truth, and the truth's largest."""
    target = magnitude(truth)
    peak = target.flatten(1).amax(1)
    return magnitude(image).minimum(peak[:, None, None]), target, peak


def _array(image: Tensor) -> NDArray[np.float64]:
    return image.detach().cpu().double().numpy()

"""What is known of a prior beside its denoiser: its error curve and its images' covariance.

They set the width of p(x0 | x_t) in the method: the error curve that of the `calibrated`
covariance, the images' covariance that of `gaussian` and `saturating`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

SIGMAS = torch.logspace(math.log10(0.003), math.log10(100), 16)
"""Noise levels at which an error curve is measured by default."""

BASIS_BYTES = 5_000_000
"""Size of an image covariance's basis in float16, by default: what a checkpoint spares."""

FLOOR = 1e-6
"""Least variance of a measured covariance over its mean variance: it stays invertible."""

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
        if self.sigmas.ndim != 1 or self.sigmas.shape != self.mse.shape or len(self.sigmas) < 2:
            raise ValueError(
                "error curve: expected as many noise levels as errors and at least 2, got "
                f"shapes {tuple(self.sigmas.shape)} and {tuple(self.mse.shape)}"
            )
        if not (self.sigmas[0] > 0 and (self.sigmas.diff() > 0).all()):
            raise ValueError("error curve: expected noise levels that are positive and increase")
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
class ImageCovariance:
    """Covariance of images, U^T diag(e) U + rest (I - U^T U).

    Attributes
    ----------
    basis : Tensor
        U, orthonormal rows, (components, pixels).
    eigenvalues : Tensor
        e, decreasing, (components,).
    rest : float
        Variance per component outside the basis.
    shape : tuple of int
        (channels, y, x) of the images; their product is `pixels`.
    """

    basis: Tensor
    eigenvalues: Tensor
    rest: float
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        expected = (len(self.eigenvalues), math.prod(self.shape))
        if tuple(self.basis.shape) != expected:
            raise ValueError(
                f"image covariance: expected a basis of shape {expected} for images of shape "
                f"{self.shape}, got {tuple(self.basis.shape)}"
            )
        if not (self.rest >= 0 and (self.eigenvalues >= 0).all()):
            raise ValueError("image covariance: expected variances that are not negative")

    @classmethod
    def from_matrix(cls, matrix: Tensor, shape: tuple[int, int, int]) -> "ImageCovariance":
        """Build it from a full covariance matrix, (pixels, pixels)."""
        eigenvalues, vectors = torch.linalg.eigh(matrix.double())
        eigenvalues = eigenvalues.clamp(min=0).flip(0).to(matrix.dtype)
        # Nothing is outside a full basis; a finite `rest` keeps 0 * log(rest) out of sums.
        return cls(
            vectors.T.flip(0).to(matrix.dtype), eigenvalues, float(eigenvalues.mean()), shape
        )

    @property
    def mean_variance(self) -> float:
        """Variance per component, averaged over the image."""
        return float(self.trace(lambda e: e)) / self.basis.shape[1]

    def trace(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Trace of f(covariance), in float64 on the CPU.

        Parameters
        ----------
        function : callable
            f, of eigenvalues (n,); returns (n,), or (batch, n) for several functions.

        Returns
        -------
        Tensor
            () or (batch,).
        """
        components, pixels = self.basis.shape
        inside = function(self.eigenvalues.double().cpu()).sum(-1)
        outside = function(torch.tensor([self.rest], dtype=torch.float64)).sum(-1)
        return inside + (pixels - components) * outside

    def apply(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """f(covariance) x.

        Parameters
        ----------
        function : callable
            f, of eigenvalues (n,); returns (n,), or (batch, n) for one function per image.
        x : Tensor
            Images, (batch, channels, y, x).

        Returns
        -------
        Tensor
            (batch, channels, y, x), the type and device of `x`.
        """
        basis, flat = self.basis.to(x), x.flatten(1)
        inside = function(self.eigenvalues.to(x))
        outside = function(torch.tensor([self.rest]).to(x))
        change = (inside - outside) * (flat @ basis.T)
        return (outside * flat + change @ basis).view(x.shape)

    def matrix(self) -> Tensor:
        """Full covariance matrix, (pixels, pixels); for small images."""
        unit = torch.eye(self.basis.shape[1], dtype=self.basis.dtype, device=self.basis.device)
        return self.apply(lambda e: e, unit.view(-1, *self.shape)).flatten(1)


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
def measure_image_covariance(
    images: Tensor,
    max_components: int | None = None,
    symmetric: bool = True,
    num_iterations: int = 6,
    seed: int = 0,
) -> ImageCovariance:
    """Measure the covariance of images around their mean, by subspace iteration.

    Parameters
    ----------
    images : Tensor
        (count, channels, y, x), at least 2.
    max_components : int, optional
        Size of the basis; as many as `BASIS_BYTES` hold in float16 by default.
    symmetric : bool
        Count each image's rotations by 90 degrees and its reflections as images too (those
        by 180 degrees if it is not square), as the training does.
    num_iterations : int
        Products with the covariance.
    seed : int
        Of the starting subspace.

    Returns
    -------
    ImageCovariance
        The leading eigenvectors; `rest` keeps the total variance.
    """
    if images.ndim != 4 or len(images) < 2:
        raise ValueError(
            "images: expected at least 2 of shape (count, channels, y, x), got "
            f"{tuple(images.shape)}"
        )
    group = _symmetries(images) if symmetric else [(0, False)]
    mean = images.mean(0, keepdim=True)
    mean = torch.stack([_transform(mean, *element) for element in group]).mean(0)
    centred = (images - mean).flatten(1)
    count, pixels = centred.shape
    shape = (images.shape[1], images.shape[2], images.shape[3])

    def product(vectors: Tensor) -> Tensor:
        """Covariance times row vectors, averaged over the group; no image is copied."""
        total = torch.zeros_like(vectors)
        for turns, flip in group:
            # A reflection is its own inverse.
            probe = _transform(vectors.view(-1, *shape), turns if flip else -turns, flip)
            result = (probe.flatten(1) @ centred.T) @ centred / count
            total += _transform(result.view(-1, *shape), turns, flip).flatten(1)
        return total / len(group)

    components = max_components or max(1, BASIS_BYTES // (2 * pixels))
    components = min(components, pixels, count * len(group))
    generator = torch.Generator().manual_seed(seed)
    width = min(pixels, components + 16)
    basis = torch.randn(width, pixels, generator=generator).to(centred)
    for _ in range(num_iterations):
        basis = torch.linalg.qr(product(basis).T).Q.T
    eigenvalues, rotation = torch.linalg.eigh(basis @ product(basis).T)
    eigenvalues = eigenvalues.flip(0)[:components]
    basis = (rotation.T.flip(0) @ basis)[:components].contiguous()
    total = float(centred.square().sum()) / count
    if total == 0:
        raise ValueError("images: they are all the same, so they have no covariance")
    outside = (total - float(eigenvalues.sum())) / max(1, pixels - components)
    floor = FLOOR * total / pixels
    return ImageCovariance(basis, eigenvalues.clamp(min=floor), max(outside, floor), shape)


def _symmetries(images: Tensor) -> list[tuple[int, bool]]:
    """List the square's or the rectangle's symmetries: quarter turns, then a reflection."""
    turns = range(4) if images.shape[2] == images.shape[3] else (0, 2)
    return [(turn, flip) for turn in turns for flip in (False, True)]


def _transform(images: Tensor, turns: int, flip: bool) -> Tensor:
    images = torch.rot90(images, turns, (2, 3))
    return images.flip(3) if flip else images

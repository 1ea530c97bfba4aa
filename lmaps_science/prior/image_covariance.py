"""The covariance of a prior's images, which sets the width of p(x0 | x_t) in `gaussian`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BASIS_BYTES = 5_000_000
"""Size of an image covariance's basis in float16, by default: what a checkpoint spares."""

FLOOR = 1e-6
"""Least variance of a measured covariance over its mean variance: it stays invertible."""


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

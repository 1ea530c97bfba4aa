"""Coil arrays: noise that is white across them, and fewer of them."""

import torch
from torch import Tensor

from lmaps_science.problems.mri.fourier import to_image


def noise_covariance(noise: Tensor) -> Tensor:
    """Covariance of the noise between coils.

    Parameters
    ----------
    noise : Tensor
        Samples of noise alone, complex, (coils, ...).

    Returns
    -------
    Tensor
        (coils, coils), complex128, Hermitian.

    Raises
    ------
    ValueError
        If there are fewer samples than coils.
    """
    samples = noise.flatten(1).to(torch.complex128)
    coils, count = samples.shape
    if count < coils:
        raise ValueError(
            f"noise scan: expected at least {coils} samples, as many as coils, got {count}"
        )
    return samples @ samples.mH / count


def whitening(covariance: Tensor) -> Tensor:
    """Matrix that makes noise white: the inverse of the covariance's Cholesky factor.

    Scaled so that the geometric mean of the noise's variance over the coils stays.

    Parameters
    ----------
    covariance : Tensor
        Of the noise between coils, (coils, coils).

    Returns
    -------
    Tensor
        (coils, coils), complex128, for `combine`.

    Raises
    ------
    ValueError
        If the covariance is not that of noise in every coil.
    """
    covariance = covariance.to(torch.complex128)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(
            f"noise covariance: expected (coils, coils), got {tuple(covariance.shape)}"
        )
    factor, failed = torch.linalg.cholesky_ex((covariance + covariance.mH) / 2)
    if failed or not torch.isfinite(torch.view_as_real(factor)).all():
        raise ValueError(
            "noise covariance: expected a positive definite matrix, got one that is not: a coil "
            "without noise, or one coil twice, has to be left out"
        )
    inverse = torch.linalg.solve_triangular(
        factor, torch.eye(len(factor), dtype=factor.dtype, device=factor.device), upper=False
    )
    return factor.diagonal().real.log().mean().exp() * inverse


def compression(kspace: Tensor, num_coils: int) -> Tensor:
    """The `num_coils` orthonormal combinations of coils that hold the most signal.

    Parameters
    ----------
    kspace : Tensor
        Complex, (coils, ...), zero where not sampled; white noise stays white.
    num_coils : int
        Virtual coils to keep.

    Returns
    -------
    Tensor
        (num_coils, coils), complex128, for `combine`.

    References
    ----------
    Buehrer et al., Magn. Reson. Med. 57, 1131 (2007).
    """
    samples = kspace.flatten(1)
    if not 1 <= num_coils <= len(samples):
        raise ValueError(
            f"virtual coils: expected 1 to the {len(samples)} coils there are, got {num_coils}"
        )
    covariance = (samples @ samples.mH).to(torch.complex128)
    return torch.linalg.eigh(covariance).eigenvectors.mH.flip(0)[:num_coils]


def combine(matrix: Tensor, coils: Tensor) -> Tensor:
    """Combinations `matrix` (new, coils) of `coils` (coils, ...): k-space, images or maps."""
    return torch.tensordot(matrix.to(coils.dtype), coils, dims=1)


def root_sum_of_squares(kspace: Tensor) -> Tensor:
    """Magnitude image sqrt(Σ_c |F^H k_c|²), (y, x), of k-space (coils, y, x)."""
    return torch.linalg.vector_norm(to_image(kspace), dim=0)

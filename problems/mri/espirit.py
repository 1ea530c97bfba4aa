"""Sensitivity maps from a fully sampled centre of k-space, and their phase.

ESPIRiT (Uecker et al., Magn. Reson. Med. 71, 990, 2014): patches of k-space span a subspace;
where it confines the coils, its projection in the image domain has the sensitivities as the
eigenvector of its largest eigenvalue. The projection is a convolution, so it is formed from
its few coefficients, never kernel by kernel; rectangular and very narrow centres are welcome.
"""

import torch
from torch import Tensor

from lmaps_science.problems.mri.fourier import centre, resized, to_image


def espirit(
    calibration: Tensor,
    shape: tuple[int, int],
    kernel_width: int = 5,
    threshold: float = 0.005,
) -> Tensor:
    """Sensitivity maps from the centre of k-space, everywhere: nothing is cropped.

    Parameters
    ----------
    calibration : Tensor
        Centre of k-space, complex, (coils, height, width), at least two samples each way.
    shape : tuple of int
        (y, x) of the maps.
    kernel_width : int
        Side of the patches, less where the centre is that narrow.
    threshold : float
        Singular values to keep, relative to the largest; at least twice those of the noise,
        which is what the lower half of them holds.

    Returns
    -------
    Tensor
        (coils, y, x), complex64, Σ_c |S_c|² = 1; their phase is that of `calibration_image`.
    """
    projection = _projection(calibration.to(torch.complex128), kernel_width, threshold)
    images = calibration_image(calibration, shape)
    return with_phase_of(_principal(projection, shape), images)


def calibration_image(calibration: Tensor, shape: tuple[int, int]) -> Tensor:
    """Coil images of a Hamming-windowed centre of k-space, (coils, y, x), complex64."""
    for dim in (-2, -1):
        width = calibration.shape[dim]
        window = torch.hamming_window(width + 2, periodic=False, device=calibration.device)[1:-1]
        calibration = calibration * (window if dim == -1 else window[:, None])
    padded = resized(resized(calibration.to(torch.complex64), shape[0], -2), shape[1], -1)
    return to_image(padded)


def with_phase_of(maps: Tensor, images: Tensor) -> Tensor:
    """Maps turned in each pixel so that they see `images` as real and positive.

    Parameters
    ----------
    maps : Tensor
        (coils, y, x).
    images : Tensor
        Coil images, or other maps, (coils, y, x).

    Returns
    -------
    Tensor
        S e^{iφ}, with φ the phase of Σ_c conj(S_c) images_c.
    """
    phase = (maps.conj() * images).sum(0).angle()
    return maps * torch.polar(torch.ones_like(phase), phase)


def calibration_region(kspace: Tensor, height: int, width: int) -> Tensor:
    """The (height, width) samples around the centre of k-space (coils, y, x)."""
    return kspace[:, centre(kspace.shape[1], height), centre(kspace.shape[2], width)]


def _projection(calibration: Tensor, kernel_width: int, threshold: float) -> Tensor:
    """Coefficients of the subspace's projection, (coils, coils, 2 ky - 1, 2 kx - 1).

    At (ky - 1, kx - 1) is the one for no displacement.
    """
    coils, height, width = calibration.shape
    ky, kx = (max(min(kernel_width, n - 1), 1) for n in (height, width))
    patches = calibration.unfold(1, ky, 1).unfold(2, kx, 1)
    patches = patches.permute(1, 2, 0, 3, 4).reshape(-1, coils * ky * kx)
    values, vectors = torch.linalg.eigh(patches.mT @ patches.conj())
    noise = values[-min(patches.shape) :][: min(patches.shape) // 2].median()
    kept = vectors[:, values > max(threshold**2 * values[-1], 4 * noise)]
    matrix = (kept @ kept.mH).view(coils, ky, kx, coils, ky, kx)
    coefficients = matrix.new_zeros(coils, coils, 2 * ky - 1, 2 * kx - 1)
    for y in range(ky):
        for x in range(kx):
            block = matrix[:, :, :, :, y, x].permute(0, 3, 1, 2)
            coefficients[:, :, ky - 1 - y : 2 * ky - 1 - y, kx - 1 - x : 2 * kx - 1 - x] += block
    return coefficients.to(torch.complex64)


def _principal(coefficients: Tensor, shape: tuple[int, int]) -> Tensor:
    """Eigenvectors of the largest eigenvalues of the projection, (coils, y, x)."""
    coils, _, height, width = coefficients.shape
    along_y, along_x = (
        _waves(n, count).to(coefficients.device)
        for n, count in zip(shape, (height, width), strict=True)
    )
    columns = coefficients.permute(2, 3, 0, 1).reshape(height, -1)
    rows = []
    for wave in along_y:
        matrices = along_x @ (wave @ columns).view(width, -1)
        matrices = matrices.view(-1, coils, coils)
        rows.append(torch.linalg.eigh(matrices).eigenvectors[..., -1])
    return torch.stack(rows).permute(2, 0, 1)


def _waves(size: int, count: int) -> Tensor:
    """Inverse Fourier transform of the `count` samples around the centre, (size, count)."""
    position = torch.arange(size, dtype=torch.float64) - size // 2
    frequency = torch.arange(count, dtype=torch.float64) - count // 2
    return torch.exp(2j * torch.pi / size * position[:, None] * frequency).to(torch.complex64)

"""Simulated scans: the package's slices of a head, coils around them, noise."""

from importlib import resources

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from lmaps_science.problems.mri.fourier import to_kspace


def sample_slices() -> NDArray[np.float32]:
    """The package's slices of a head, (3, 128, 128) in [0, 1]; see ``sample/README.md``."""
    source = resources.files("lmaps_science.problems").joinpath("mri/sample/brain.npz")
    with source.open("rb") as file, np.load(file) as arrays:
        return (arrays["images"] / 255).astype(np.float32)


def birdcage_maps(
    num_coils: int, shape: tuple[int, int], radius: float = 1.5
) -> NDArray[np.complex64]:
    """Sensitivity maps of coils evenly around the field of view.

    Each falls off as one over the distance from its coil, its phase turning around it.

    Parameters
    ----------
    num_coils : int
        Coils.
    shape : tuple of int
        (y, x).
    radius : float
        Of the ring of coils, in half fields of view.

    Returns
    -------
    ndarray
        (coils, y, x), Σ_c |S_c|² = 1.
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, n, endpoint=False) for n in shape), indexing="ij")
    angle = 2 * np.pi * np.arange(num_coils)[:, None, None] / num_coils
    offset = (x - radius * np.cos(angle)) + 1j * (y - radius * np.sin(angle))
    maps = np.exp(1j * (np.angle(offset) - angle)) / np.abs(offset)
    return (maps / np.linalg.norm(maps, axis=0)).astype(np.complex64)


def simulate_kspace(
    image: ArrayLike, num_coils: int = 8, sigma_noise: float = 0.02, seed: int = 0
) -> NDArray[np.complex64]:
    """Complete k-space of a slice with a smooth phase.

    Parameters
    ----------
    image : array
        Magnitude, (y, x), bright tissue about 1.
    num_coils : int
        Coils of `birdcage_maps`.
    sigma_noise : float
        Standard deviation of the noise of a complex datum.
    seed : int
        Of the phase and the noise.

    Returns
    -------
    ndarray
        (coils, y, x), its centre at (y // 2, x // 2).
    """
    magnitude = np.asarray(image, dtype=np.float64)
    generator = np.random.default_rng(seed)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in magnitude.shape), indexing="ij")
    c = generator.uniform(-1.5, 1.5, 5)
    phase = c[0] + c[1] * x + c[2] * y + c[3] * x * y + c[4] * x**2
    coils = birdcage_maps(num_coils, magnitude.shape) * (magnitude * np.exp(1j * phase))
    real, imaginary = generator.standard_normal((2, *coils.shape)) * sigma_noise / np.sqrt(2)
    kspace = to_kspace(torch.from_numpy(coils)).numpy() + real + 1j * imaginary
    return kspace.astype(np.complex64)

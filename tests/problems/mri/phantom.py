"""A small head of ellipses seen by coils, and its k-space."""

import numpy as np

SHAPE = (32, 40)
COILS = 6
SIGMA = 0.02


def head(shape=SHAPE):
    """Image (y, x), complex, with a smooth phase."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    image = 1.0 * (x**2 + y**2 < 0.7)
    image += 0.6 * ((x - 0.2) ** 2 + (y + 0.1) ** 2 < 0.1)
    image -= 0.7 * ((x + 0.35) ** 2 / 2 + y**2 < 0.05)
    return image * np.exp(1j * (0.5 + 0.4 * x - 0.3 * y))


def coils(count=COILS, shape=SHAPE):
    """Sensitivity maps (coils, y, x) with Σ|S|² = 1."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    angles = 2 * np.pi * np.arange(count)[:, None, None] / count
    distance = (x - 1.3 * np.cos(angles)) ** 2 + (y - 1.3 * np.sin(angles)) ** 2
    maps = np.exp(-distance / 3 + 1j * angles)
    return maps / np.linalg.norm(maps, axis=0)


def transform(image):
    """Centred orthonormal Fourier transform."""
    shifted = np.fft.ifftshift(image, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))


def measured(sigma=SIGMA, count=COILS, shape=SHAPE, seed=0):
    """Noisy k-space (coils, y, x) of `head`, fully sampled, complex64."""
    noise = np.random.default_rng(seed).standard_normal((2, count, *shape))
    kspace = transform(coils(count, shape) * head(shape))
    return (kspace + sigma / np.sqrt(2) * (noise[0] + 1j * noise[1])).astype(np.complex64)


def lines(shape=SHAPE, calibration=10, every=3):
    """Every few lines along x, and a centre, (1, x)."""
    mask = np.zeros(shape[1], bool)
    mask[::every] = True
    mask[shape[1] // 2 - calibration // 2 : shape[1] // 2 + calibration // 2] = True
    return mask[None]

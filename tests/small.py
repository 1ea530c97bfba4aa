"""A small scattering measurement and small priors, as files.

The network of a new `ShuffleUNet` is zero, so its EDM denoiser is exactly that of independent
Gaussian pixels: the posterior is known.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import save_prior
from lmaps_science.prior.curves import ErrorCurve
from lmaps_science.problems.scattering.data import write_measurement
from lmaps_science.problems.scattering.operator import InverseScattering

SIDE = 32
NETWORK = {
    "type": "ShuffleUNet",
    "channels": [8, 8],
    "num_blocks": 1,
    "stem_channels": 8,
    "embedding_channels": 8,
}
SIGMA_DATA = 0.4


def small_prior(
    path: Path, image_shape: tuple[int, int, int] = (1, SIDE, SIDE), curve: bool = True
) -> Path:
    """The prior N(0, SIGMA_DATA^2 I), written to `path`."""
    card = PriorCard(
        name=path.stem,
        network={**NETWORK, "image_channels": image_shape[0]},
        preconditioning={"type": "EDM", "sigma_data": SIGMA_DATA},
        image_shape=image_shape,
        sigma_max=20.0,
    )
    prior = card.build()
    if curve:
        sigmas = torch.logspace(-3, 2, 60)
        variance = sigmas**2 * SIGMA_DATA**2 / (sigmas**2 + SIGMA_DATA**2)
        prior.error_curve = ErrorCurve(sigmas, variance)
    save_prior(prior, path, card)
    return path


def small_operator(num_pixels: int = SIDE, **options: object) -> InverseScattering:
    """Few sensors, much noise."""
    settings = {"num_transmitters": 6, "num_receivers": 24, "sigma_noise": 3e-3, **options}
    return InverseScattering(num_pixels=num_pixels, **settings)  # type: ignore[arg-type]


def small_image(seed: int = 0, num_pixels: int = SIDE) -> Tensor:
    """A draw of the prior, (1, 1, y, x)."""
    generator = torch.Generator().manual_seed(seed)
    return SIGMA_DATA * torch.randn(1, 1, num_pixels, num_pixels, generator=generator)


def small_measurement(
    path: Path, seed: int = 0, num_pixels: int = SIDE, truth: bool = True
) -> Path:
    """A measurement of `small_image`, written to `path`."""
    operator, x = small_operator(num_pixels), small_image(seed, num_pixels)
    y = operator({"target": x}, torch.Generator().manual_seed(seed + 1))
    write_measurement(path, operator, y, operator.unnormalize(x) if truth else None)
    return path


def exact_posterior(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, (y, x), of the contrast given `small_measurement`."""
    operator, x = small_operator(), small_image(seed)
    y = operator({"target": x}, torch.Generator().manual_seed(seed + 1))
    unit = torch.eye(SIDE**2, dtype=torch.float64).view(-1, 1, SIDE, SIDE)
    J = torch.view_as_real(operator.forward(unit) - operator.offset()).flatten(1)
    precision = 2 * operator.loss_weight * J @ J.T + unit.flatten(1) / SIGMA_DATA**2
    covariance = torch.linalg.inv(precision)
    data = torch.view_as_real(y - operator.offset()).flatten().double()
    mean = 2 * operator.loss_weight * covariance @ (J @ data)
    deviation = operator.unnorm_scale * covariance.diagonal().sqrt()
    image = operator.unnormalize(mean.view(1, 1, SIDE, SIDE))[0, 0]
    return image.numpy(), deviation.view(SIDE, SIDE).numpy()


def small_kspace(path: Path, num_slices: int = 1, broken: int | None = None) -> Path:
    """K-space of a bright ellipse with a slit, six coils, 48 lines of 40 samples, as .npy."""
    y, x = np.mgrid[-1:1:40j, -1:1:48j]
    image = (x**2 / 0.6 + y**2 / 0.8 < 1) * (1.0 - 0.7 * (np.abs(x - 0.2) < 0.1))
    angles = 2 * np.pi * np.arange(6) / 6
    maps = [np.exp(-((x - np.cos(a)) ** 2) - (y - np.sin(a)) ** 2 + 1j * a) for a in angles]
    brightness = 1 + np.arange(num_slices)[:, None, None, None]
    images = brightness * np.array(maps) * image
    shifted = np.fft.fftn(np.fft.ifftshift(images, (-2, -1)), axes=(-2, -1), norm="ortho")
    kspace = np.fft.fftshift(shifted, (-2, -1))
    noise = np.random.default_rng(0).standard_normal((2, *kspace.shape))
    kspace = (kspace + 0.01 * (noise[0] + 1j * noise[1])).astype(np.complex64)
    if broken is not None:
        kspace[broken, 0, 3, 5] = np.nan
    np.save(path, kspace if num_slices > 1 else kspace[0])
    return path

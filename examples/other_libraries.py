"""The same Fourier sampling in scipy, in sigpy and as a plain function, with one prior.

Where there is an adjoint the local MAP is exact, by conjugate gradients; a function that autograd
follows gets gradient steps.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.sparse.linalg
import sigpy.linop
import torch

from lmaps_science import LMAPS, load_prior
from lmaps_science.demo import nuclei
from lmaps_science.interop import Function, Linear
from lmaps_science.plot import save_images

SHAPE, SIGMA = (1, 128, 128), 0.05
generator = np.random.default_rng(0)
distance = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128)] * 2))
sampled = generator.random(SHAPE[1:]) < np.exp(-((distance / 0.15) ** 2))


def transform(image: np.ndarray) -> np.ndarray:
    """Samples of one image, flattened."""
    return np.fft.fft2(image.reshape(SHAPE[1:]), norm="ortho")[sampled]


def adjoint(samples: np.ndarray) -> np.ndarray:
    """Its adjoint."""
    grid = np.zeros(SHAPE[1:], complex)
    grid[sampled] = samples
    return np.fft.ifft2(grid, norm="ortho").ravel()


def torch_transform(images: torch.Tensor) -> torch.Tensor:
    """The same on a batch, differentiable."""
    return torch.fft.fft2(images, norm="ortho")[:, 0, torch.from_numpy(sampled)]


of_scipy = scipy.sparse.linalg.LinearOperator(
    (int(sampled.sum()), sampled.size), transform, adjoint, dtype=complex
)
of_sigpy = (
    sigpy.linop.Multiply(SHAPE[1:], sampled)
    * sigpy.linop.FFT(SHAPE[1:], center=False)
    * sigpy.linop.Reshape(SHAPE[1:], SHAPE)
)

truth = nuclei()[:1]
measured = Function(torch_transform, SHAPE, SIGMA)
y = measured({"target": truth}, torch.Generator().manual_seed(0))
grid = torch.zeros(SHAPE[1:], dtype=y.dtype)
grid[torch.from_numpy(sampled)] = y[0]
prior = load_prior("cells-128")


def decibel(image: torch.Tensor) -> float:
    """PSNR of an image in [-1, 1]."""
    return float(-20 * torch.log10((image - truth).square().mean().sqrt() / 2))


zero_filled = torch.fft.ifft2(grid, norm="ortho").real
images = {"truth": truth, "zeros elsewhere": zero_filled}
print(f"{sampled.mean():.0%} of the samples; zeros elsewhere: {decibel(zero_filled):.2f} dB")
for name, operator, data in (
    ("scipy", Linear(of_scipy, SHAPE, SIGMA), y),
    ("sigpy", Linear(of_sigpy, SHAPE, SIGMA), grid[None]),
    ("function", measured, y),
):
    images[name] = LMAPS(prior, operator, num_steps=10, sigma_max=1.0)(data).mean
    print(f"{name:8} {decibel(images[name]):.2f} dB")

if len(sys.argv) > 1:
    save_images(Path(sys.argv[1]) / "other_libraries.png", images, vmin=-1, vmax=1)

"""Gradient descent through a NumPy camera: 2x2 binning, then eight grey levels.

Autograd sees neither NumPy nor, through the rounding, any slope. ProxyGradient runs the
camera going forward and the gradient of the binning alone going backward.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from lmaps_science import ProxyGradient
from lmaps_science.plot import save_images


def camera(images: np.ndarray) -> np.ndarray:
    """Bin 2x2 pixels and quantise to integers; (batch, 1, y, x) to (batch, 1, y/2, x/2)."""
    batch, channels, height, width = images.shape
    binned = images.reshape(batch, channels, height // 2, 2, width // 2, 2).mean((3, 5))
    return np.clip(np.round(7 * binned), 0, 7).astype(np.uint8)


forward = ProxyGradient(camera, surrogate=lambda x: 7 * functional.avg_pool2d(x, 2), numpy=True)

grid = torch.linspace(-1, 1, 32)
truth = torch.exp(-3 * (grid[:, None] ** 2 + grid**2))[None, None]
y = forward(truth)
x = torch.zeros_like(truth, requires_grad=True)
for step in range(9):
    loss = (forward(x) - y).square().sum()
    (gradient,) = torch.autograd.grad(loss, x)
    with torch.no_grad():
        x -= 0.02 * gradient
    if step % 2 == 0:
        error = (x - truth).square().mean().sqrt()
        print(f"step {step}  misfit {loss.item():7.1f}  error {error.item():.3f}")

if len(sys.argv) > 1:
    images = {"truth": truth, "camera": y, "found": x.detach()}
    save_images(Path(sys.argv[1]) / "proxy_gradient.png", images)

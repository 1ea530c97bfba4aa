"""A stand-in for InverseBench's scattering operator, made from its published description."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import hankel1


class InverseScatter:
    """The attributes, shapes and conventions of the host's operator; the first image only."""

    unnorm_shift, unnorm_scale, device = 1.0, 0.5, "cpu"

    def __init__(
        self, side=(0.18, 0.18), pixels=24, wave=6, transmitters=4, receivers=12, sigma_noise=1e-4
    ):
        self.Nx = self.Ny = pixels
        self.dx, self.dy = (length / pixels for length in side)
        self.numTrans, self.numRec, self.sigma_noise = transmitters, receivers, sigma_noise
        k = 2 * np.pi / (wave * self.dx)
        index = np.arange(pixels) - pixels / 2
        x, y = np.meshgrid(index * self.dx, index * self.dy)

        def field(count):
            angle = np.radians(np.linspace(0, 359, count))
            distance = np.hypot(
                x[..., None] - 1.6 * np.cos(angle), y[..., None] - 1.6 * np.sin(angle)
            )
            return torch.from_numpy(0.25j * hankel1(0, k * distance))[..., None]

        self.uinc_dom_set = field(transmitters)
        self.sensor_greens_function_set = k**2 * field(receivers)

    def forward(self, image):
        potential = (image[0, 0].to(torch.float64) + self.unnorm_shift) * self.unnorm_scale
        source = (potential[..., None] * self.uinc_dom_set[..., 0]).conj().flatten(0, 1)
        return (
            self.dx
            * self.dy
            * (source.T @ self.sensor_greens_function_set[..., 0].flatten(0, 1))[None]
        )

    def loss(self, image, observation):
        return (self.forward(image) - observation).abs().square().sum((1, 2))


class Net(torch.nn.Module):
    """The host's calling convention: sigma is a tensor. Denoises a N(0, 1/4) prior exactly."""

    img_channels = 1

    def __init__(self, img_resolution=24):
        super().__init__()
        self.img_resolution = img_resolution
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x, sigma):
        return self.scale * x * 0.25 / (0.25 + sigma.reshape(-1, 1, 1, 1) ** 2)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The InverseBench that the environment variable INVERSEBENCH names."""
    folder = os.environ.get("INVERSEBENCH")
    if not folder:
        pytest.skip("not run in InverseBench: INVERSEBENCH does not name a checkout")
    if not (Path(folder) / "main.py").is_file():
        pytest.fail(f"INVERSEBENCH={folder}: expected a checkout of InverseBench with main.py")
    return Path(folder)


@pytest.fixture
def make_host():
    return InverseScatter


@pytest.fixture
def make_net():
    return Net


@pytest.fixture
def host():
    return InverseScatter()


@pytest.fixture
def net():
    return Net()

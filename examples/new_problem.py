"""A problem of your own, complete: parallel-beam tomography from few angles.

A forward operator and a way to read a file; the exact local MAP, the spread, the report and the
command line follow. docs/add_a_problem.md goes through it.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from lmaps_science import LMAPS, load_prior
from lmaps_science.demo import nuclei
from lmaps_science.operator import AffineOperator, check_adjoint, check_gradient
from lmaps_science.plot import save_images
from lmaps_science.problem import Problem
from lmaps_science.problems.metrics import psnr
from lmaps_science.settings import SETTINGS, Settings

SETTINGS["tomography"] = Settings(sigma_max=1.0, cg_tolerance=1e-2)  # measured, see the page


class Tomography(AffineOperator):
    """Integrals along parallel rays, one per pixel at each angle (radian), with Gaussian noise.

    An image is an absorption per pixel: x = -1 means 0, x = 1 means `largest`.
    """

    problem = "tomography"

    def __init__(
        self, angles: np.ndarray, num_pixels: int, sigma_noise: float, largest: float = 0.02
    ) -> None:
        shape = (1, num_pixels, num_pixels)
        super().__init__(shape, sigma_noise, unnorm_shift=1.0, unnorm_scale=largest / 2)
        cos, sin, zero = np.cos(angles), np.sin(angles), np.zeros(len(angles))
        turns = torch.tensor(np.array([[cos, -sin, zero], [sin, cos, zero]])).movedim(-1, 0)
        self.grid = affine_grid(turns, (len(angles), *shape), align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        """Integrals (batch, angles, rays) of normalised images (batch, 1, y, x)."""
        images = self.unnormalize(x).transpose(0, 1).expand(len(self.grid), -1, -1, -1)
        turned = grid_sample(images, self.grid.to(x.dtype), align_corners=False)
        return turned.sum(2).transpose(0, 1)


class Scan(NamedTuple):
    """What a file holds: an operator, data (1, angles, rays), the truth (1, 1, y, x) if known."""

    operator: Tomography
    y: Tensor
    truth: Tensor | None = None


class TomographyFiles(Problem):
    """For the command line: the entry point `tomography` names this class."""

    name, title = "tomography", "Parallel-beam tomography"
    quantity, default_prior = "absorption per pixel", "cells-128"

    def read(self, paths: Sequence[Path], device: str) -> Scan:  # noqa: ARG002
        """Read HDF5: `sinogram` (angles, rays), `angles` (radian), attribute `sigma_noise`."""
        with h5py.File(paths[0]) as file:
            y = torch.from_numpy(file["sinogram"][:])[None].float()
            return Scan(Tomography(file["angles"][:], y.shape[-1], file.attrs["sigma_noise"]), y)


instrument = Tomography(np.pi * np.arange(12) / 12, num_pixels=64, sigma_noise=0.01)
truth = nuclei()[:1, :, 32:96, 32:96]
sinogram = instrument({"target": truth}, torch.Generator().manual_seed(0))
print(f"adjoint wrong by {check_adjoint(instrument):.0e}, ", end="")
print(f"gradient by {check_gradient(instrument, sinogram):.0e}")

with tempfile.TemporaryDirectory() as folder:
    with h5py.File(path := Path(folder) / "scan.h5", "w") as file:
        file["sinogram"], file["angles"] = sinogram[0].numpy(), np.pi * np.arange(12) / 12
        file.attrs["sigma_noise"] = 0.01
    kind = TomographyFiles()
    operator, y, _ = kind.read([path], "cpu")

prior = load_prior("cells-128")
image = LMAPS(prior, operator)(y, num_samples=4).mean
drawn = LMAPS(prior, operator, estimate="sample")(y, num_samples=4)
error = (drawn.mean - truth).abs()
print(f"{float(psnr((image + 1) / 2, (truth + 1) / 2)):.1f} dB")
print(f"chi2 per datum {kind.misfit_scale(operator) * float(operator.loss(image, y)):.2f}")
print(f"spread {drawn.std.mean():.3f}, error {error.mean():.3f} on average")

if len(sys.argv) > 1:
    images = {"truth": truth, "back-projection": operator.adjoint(y), "LMAPS": image}
    images |= {"spread": drawn.std, "error": error}
    save_images(Path(sys.argv[1]) / "new_problem.png", images)

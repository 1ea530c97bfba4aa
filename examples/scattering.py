"""Inverse scattering: cell nuclei from the fields that they scatter, with a spread.

20 transmitters and 60 receivers on a circle; the objects come with the package, the fields are
simulated.
"""

import sys
from pathlib import Path

import torch

from lmaps_science import LMAPS, load_prior
from lmaps_science.baselines import tikhonov
from lmaps_science.demo import nuclei
from lmaps_science.plot import save_images
from lmaps_science.problems import InverseScattering
from lmaps_science.problems.metrics import chi_squared, psnr

operator = InverseScattering(num_pixels=64, num_transmitters=20, num_receivers=60)
truth = nuclei()[:1, :, 32:96, 32:96]
y = operator({"target": truth}, torch.Generator().manual_seed(0))  # noise of 1e-4 is added

prior = load_prior("cells-128")
image = LMAPS(prior, operator)(y, num_samples=8).mean
without_prior = tikhonov(operator, y)

# The spread is drawn on its own, as wide as the prior errs.
drawn = LMAPS(prior, operator, estimate="sample")(y, num_samples=8)
error = (drawn.mean - truth).abs()
inside = (error < 1.645 * drawn.std).double().mean()


def decibel(x: torch.Tensor) -> float:
    """PSNR of an image from -1 to 1."""
    return float(psnr((x + 1) / 2, (truth + 1) / 2))


print(f"Tikhonov  {decibel(without_prior):.1f} dB")
print(f"LMAPS     {decibel(image):.1f} dB, chi2 {float(chi_squared(operator, image, y)):.2f}")
print(f"spread    {inside:.0%} of the pixels within their 90 % intervals")

if len(sys.argv) > 1:
    images = {"truth": truth, "Tikhonov": without_prior, "LMAPS": image}
    images |= {"10 × error": 10 * error - 1, "10 × spread": 10 * drawn.std - 1}
    save_images(Path(sys.argv[1]) / "scattering.png", images, vmin=-1, vmax=1)

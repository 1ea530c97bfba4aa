"""Image restoration: nuclei compressed, rounded, blurred or with pixels missing.

Rounded data are intervals, and solved as such; the others are linear with Gaussian noise.
"""

import sys
from pathlib import Path

import torch

from lmaps_science import LMAPS, load_prior
from lmaps_science.demo import nuclei
from lmaps_science.plot import save_images
from lmaps_science.problems import JPEG, Blur, Inpainting, Quantisation
from lmaps_science.problems.metrics import psnr
from lmaps_science.problems.restoration.linear import gaussian_kernel, random_mask
from lmaps_science.problems.restoration.quantised import quality_table

truth = nuclei()[1:2, :, 32:96, 40:104]  # grey values from -1 to 1, which the data have from 0 to 1
shape, generator = (64, 64), torch.Generator().manual_seed(0)
degradations = {
    "JPEG 10": JPEG(shape, quality_table(10)),
    "3 bits": Quantisation(shape, bits=3),
    "blur": Blur(shape, gaussian_kernel(2.0), sigma_noise=0.03),
    "3 in 4 missing": Inpainting(random_mask(shape, 0.75, generator), sigma_noise=0.01),
}
prior = load_prior("cells-128")
pictures, restorations = {}, {}
for name, operator in degradations.items():
    y = operator({"target": truth}, generator)  # (1, 1, y, x): integers, or values with noise
    degraded = operator.picture(y)
    restored = operator.unnormalize(LMAPS(prior, operator)(y).mean)
    before, after = (float(psnr(image, (truth + 1) / 2)) for image in (degraded, restored))
    print(f"{name:<14} {before:5.1f} dB, restored {after:5.1f} dB")
    pictures[f"{name}, {before:.1f} dB"] = degraded
    restorations[f"restored, {after:.1f} dB"] = restored

if len(sys.argv) > 1:
    path = Path(sys.argv[1]) / "restoration.png"
    save_images(path, pictures | restorations, columns=len(pictures), vmin=0, vmax=1)

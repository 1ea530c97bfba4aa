"""MRI: a slice from a quarter of its k-space, beside the usual methods.

The slice comes with the package, the scan (8 coils, a smooth phase, noise) is simulated. Maps of
the coils and the noise are found in the data, as in a file of a scanner.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from lmaps_science import reconstruct
from lmaps_science.plot import save_images
from lmaps_science.problems.mri.simulation import sample_slices, simulate_kspace

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "kspace.npy"  # (coils, y, x), complex
    np.save(file, simulate_kspace(sample_slices()[1], sigma_noise=0.005))
    # Complete k-space: three lines in four are taken away, and the image of all is the truth.
    result = reconstruct("mri", file, samples=1, acceleration=4, spread=False, compare=True)

summary = result.summary
print(
    f"{summary['coils']} coils, {summary['sampled_lines']} lines of 128, "
    f"noise {summary['sigma_noise']:.4f} (put in: 0.0050), chi2 {summary['data_fit']:.2f}"
)
scores = {"LMAPS": summary["metrics"]}
scores |= {other["name"]: other["metrics"] for other in summary["baselines"]}
for name, metrics in scores.items():
    print(f"{name:<11} {metrics['psnr']:.1f} dB, SSIM {metrics['ssim']:.3f}")

if len(sys.argv) > 1:
    images = {"all lines": result.truth, "LMAPS": abs(result.mean)}
    images |= {name: abs(image) for name, image in result.baselines.items()}
    save_images(Path(sys.argv[1]) / "mri.png", images, vmin=0, vmax=result.truth.max())

"""A measurement of your own: a file in, an image with its spread out.

The file is written here with h5py alone, as any laboratory could write it; its fields are
simulated from the package's nuclei. The command line does the same:
lmaps reconstruct scattering measurement.h5 --out result
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import torch

from lmaps_science import reconstruct
from lmaps_science.demo import nuclei
from lmaps_science.problems import InverseScattering

folder = Path(tempfile.mkdtemp())
instrument = InverseScattering(num_pixels=64, num_receivers=60, convention="physical")
field = instrument({"target": nuclei()[2:, :, 32:96, 32:96]}, torch.Generator().manual_seed(1))

with h5py.File(folder / "measurement.h5", "w") as file:
    file["scattered_field"] = field[0].numpy()  # (transmitters, receivers), complex
    file["transmitter_positions"] = instrument.geometry.transmitter_positions  # metre
    file["receiver_positions"] = instrument.geometry.receiver_positions
    file.attrs["wavenumber"] = instrument.geometry.wavenumber  # rad/m
    file.attrs["pixel_size"] = 0.18 / 64  # metre
    file.attrs["grid_shape"] = (64, 64)
    file.attrs["sigma_noise"] = 1e-4

result = reconstruct("scattering", folder / "measurement.h5", out=folder / "result", samples=4)
print(f"contrast up to {result.mean.max():.2f}, spread of {result.std.mean():.3f} on average")

summary = json.loads((folder / "result" / "summary.json").read_text())
print(f"prior {summary['prior']}, {summary['kept_samples']} samples kept")
print(f"chi2 per datum {summary['data_fit']:.2f}: 1 where only the noise is left")
for note in summary["notes"]:
    print("note:", note)
with h5py.File(folder / "result" / "reconstruction.h5") as file:
    print("reconstruction.h5:", file["mean"].shape, file["samples"].shape, file["std"].shape)
print("beside it:", ", ".join(sorted(path.name for path in (folder / "result").iterdir())))

if len(sys.argv) > 1:
    shutil.copy(folder / "result" / "figure.png", Path(sys.argv[1]) / "own_file.png")

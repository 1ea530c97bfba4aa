"""Time and memory of a slice of 320 × 320 with 15 coils, and of volumes of several slices."""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import report
from mri_common import lines, people, simulated

from lmaps_science.imaging.mri_volume import reconstruct_volume

SIZE, COILS = 320, 15


def scan(data: Path, num_slices: int, path: Path) -> Path:
    """K-space (slices, coils, y, x) of enlarged people, random lines of ×4."""
    images = torch.nn.functional.interpolate(
        people(data, num_slices)[:, None], (SIZE, SIZE), mode="bicubic"
    )[:, 0].clamp(min=0)
    mask = lines(SIZE, 4, "random", 0)
    kspace = [simulated(image.numpy(), k, COILS) * mask for k, image in enumerate(images)]
    np.save(path, np.array(kspace, dtype=np.complex64))
    return path


def main() -> None:
    """One row for each number of slices."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder of IXI's slices")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--slices", type=int, nargs="+", default=[1, 4, 16])
    p.add_argument("--samples", type=int, default=1)
    options = p.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for count in options.slices:
            path = scan(options.data, count, Path(name) / f"{count}.npy")
            start = time.perf_counter()
            summary = reconstruct_volume(
                path,
                Path(name) / f"out-{count}",
                prior=options.prior,
                samples=options.samples,
                spread=False,
            )
            seconds = time.perf_counter() - start
            assert len(summary["slices"]) == count  # noqa: S101 - or the time is of nothing
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            rows.append([str(count), f"{seconds:.1f}", f"{seconds / count:.1f}", f"{peak:.2f}"])
            print(rows[-1], flush=True)
    report(
        "mri_slice",
        f"{SIZE} × {SIZE}, {COILS} coils, random ×4: all of `reconstruct_volume`, its files too",
        ["slices", "s", "s a slice", "peak memory so far, GiB"],
        rows,
        command="python benchmarks/mri_slice.py --data IXI",
        samples=options.samples,
    )


if __name__ == "__main__":
    main()

"""Gradient and normal product of the MRI operator against InverseBench's own, and the rows.

The gradients are of the same loss at the same image; calls alternate, so that all meet the
same load on the machine. InverseBench has no normal operator: half the gradient of its loss
against zero data is one.
"""

import argparse
import resource
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from common import report
from scattering_gradient import alternate
from torch import Tensor

from lmaps_science.covariance import ScaledIdentity
from lmaps_science.local_map import Spectral
from lmaps_science.problems import MultiCoilMRI
from lmaps_science.problems.mri.masks import cartesian_mask

SIZE, COILS, SIGMA = 320, 15, 0.05


def smooth_maps() -> Tensor:
    """Sensitivity maps of coils on a circle, (coils, y, x), complex64, Σ|S|² = 1."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    angles = 2 * torch.pi * torch.arange(COILS)[:, None, None] / COILS
    distance = (x - angles.cos()) ** 2 + (y - angles.sin()) ** 2
    maps = torch.polar(torch.exp(-distance), angles + x * angles.sin())
    return maps / torch.linalg.vector_norm(maps, dim=0)


def inversebench(checkout: Path, acceleration: int, along_y: bool, maps: Tensor) -> Any:  # noqa: ANN401
    """InverseBench's operator with these maps."""
    sys.path.insert(0, str(checkout))
    # Its data set, which the operator's gradient does not use, wants packages of its own.
    data = ModuleType("training.dataset")
    data.MultiCoilMRIData = object  # type: ignore[attr-defined]
    sys.modules.setdefault("training.dataset", data)
    from inverse_problems.multi_coil_mri import MultiCoilMRI as HostMRI

    orientation = "horizontal" if along_y else "vertical"
    host = HostMRI(SIZE, acceleration, orientation=orientation, device="cpu")
    host.maps = maps[None]
    return host


def compare(checkout: Path, acceleration: int, along_y: bool, repeats: int) -> list[str]:
    """A row of the table: milliseconds of the host's products and of ours."""
    maps, mask = smooth_maps(), cartesian_mask(SIZE, acceleration)
    host = inversebench(checkout, acceleration, along_y, maps)
    ours = MultiCoilMRI(maps, mask[:, None] if along_y else mask[None], SIGMA)
    generator = torch.Generator().manual_seed(0)
    x, truth = torch.randn(2, 1, 2, SIZE, SIZE, generator=generator)
    y = ours({"target": truth}, generator)
    zero = torch.zeros_like(y)
    calls = [
        lambda: host.gradient(x, y),
        lambda: ours.gradient(x, y),
        lambda: host.gradient(x, zero) / 2,
        lambda: ours.normal(x),
    ]
    differences = [float((calls[i + 1]() - calls[i]()).norm() / calls[i]().norm()) for i in (0, 2)]
    medians = [sorted(times)[repeats // 2] for times in alternate(calls, repeats)]
    return [
        str(acceleration),
        "y" if along_y else "x",
        *(f"{t:.1f}" for t in medians[:2]),
        f"{medians[0] / medians[1]:.1f}",
        *(f"{t:.1f}" for t in medians[2:]),
        f"{medians[2] / medians[3]:.1f}",
        f"{max(differences):.1e}",
    ]


def rows(acceleration: int, batch: int) -> list[str]:
    """A row of the table: seconds and memory of the spectrum and of one exact local MAP."""
    operator = MultiCoilMRI(smooth_maps(), cartesian_mask(SIZE, acceleration)[None], SIGMA)
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(1, 2, SIZE, SIZE, generator=generator)
    y = operator({"target": truth}, generator).expand(batch, -1, -1, -1, -1)
    start = time.perf_counter()
    operator.spectrum()
    spectrum = time.perf_counter() - start
    local = Spectral(operator, y, operator.loss_weight)
    m, covariance = torch.zeros(batch, 2, SIZE, SIZE), ScaledIdentity(0.01)
    x = local.mode(m, covariance).x0
    (times,) = alternate([lambda: local.mode(m, covariance)], 5)
    gradient = operator.gradient(x, y)
    optimality = x - m + 0.01 * operator.loss_weight * gradient
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [
        str(acceleration),
        str(batch),
        f"{spectrum:.1f}",
        f"{sorted(times)[2] / 1e3:.3f}",
        f"{float(optimality.norm() / x.norm()):.1e}",
        f"{peak:.2f}",
    ]


def main() -> None:
    """Two tables: products, and rows if asked for."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkout", type=Path, help="folder of an InverseBench checkout")
    p.add_argument("--repeats", type=int, default=15)
    p.add_argument("--rows", action="store_true", help="also time the spectrum")
    options = p.parse_args()
    size = f"{SIZE}×{SIZE}, {COILS} coils"
    # The rows first: the peak of memory is the whole process's.
    if options.rows:
        report(
            "mri_rows",
            f"Exact local MAP by rows, {size}",
            [
                "nominal acceleration",
                "batch",
                "spectrum, s",
                "one local MAP, s",
                "gradient left, relative",
                "peak memory so far, GiB",
            ],
            [rows(4, batch) for batch in (1, 8)],
            command="python benchmarks/mri_operator.py CHECKOUT --rows",
        )
    report(
        "mri_operator",
        f"Gradient and normal product, {size}",
        [
            "nominal acceleration",
            "phase encoded along",
            "gradient, InverseBench, ms",
            "ours, ms",
            "ratio",
            "normal product, InverseBench, ms",
            "ours, ms",
            "ratio",
            "largest relative difference",
        ],
        [
            compare(options.checkout, acceleration, along_y, options.repeats)
            for acceleration in (4, 8)
            for along_y in (False, True)
        ],
        command="python benchmarks/mri_operator.py CHECKOUT",
    )


if __name__ == "__main__":
    main()

"""The measured foam-and-plastic target at 3 GHz: the full wave beside Born and total variation.

The truth serves for figures of merit and, in favour of the methods compared with, their weights.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import prior_facts, report
from fullwave_common import (
    best,
    born_lmaps,
    born_total_variation,
    error,
    full_wave_total_variation,
    registered_error,
)
from scipy.ndimage import shift
from torch import Tensor

from lmaps_science import LMAPS, load_prior
from lmaps_science.problems.scattering.data import read_measurement
from lmaps_science.problems.scattering.fullwave import FullWaveScattering

TV_WEIGHTS = (1e-3, 3e-3, 1e-2, 3e-2)


def main() -> None:
    """One row for each method."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("file", type=Path, help="fresnel-foam.h5, from lmaps data get fresnel-foam")
    p.add_argument("--prior", default="shapes-64")
    p.add_argument("--samples", type=int, default=8)
    options = p.parse_args()
    prior = load_prior(options.prior)
    found = read_measurement(options.file, full_wave=True)
    operator, y, truth = found.operator, found.y, found.truth

    methods: dict[str, Callable[[], Tensor]] = {
        "Born, total variation": lambda: born_total_variation(operator.born(), y, truth),
        "Born, LMAPS": lambda: born_lmaps(prior, operator, y, truth),
        "full wave, total variation": lambda: best(
            (full_wave_total_variation(operator, y, weight) for weight in TV_WEIGHTS), truth
        ),
        "full wave, LMAPS, one sample": lambda: operator.unnormalize(
            LMAPS(prior, operator)(y).mean
        ),
        f"full wave, LMAPS, mean of {options.samples}": lambda: operator.unnormalize(
            LMAPS(prior, operator)(y, options.samples).mean
        ),
    }
    rows = [row("the true object", truth, truth, operator, y, 0.0)]
    for name, method in methods.items():
        start = time.process_time()
        image = method().float()
        rows.append(row(name, image, truth, operator, y, time.process_time() - start))
        print(rows[-1], flush=True)
    # What the truth itself would score, were the object where the last image has it.
    _, move = registered_error(image, truth)
    elsewhere = torch.from_numpy(shift(truth[0, 0].numpy(), move, order=1))[None, None]
    rows.insert(1, row("the same, moved", elsewhere, truth, operator, y, 0.0))
    report(
        "fullwave_foam",
        "Measured foam-and-plastic target, 3 GHz, 64×64",
        ["method", "error", "error once moved", "move mm (y, x)", "misfit %", "foam", "plastic",
         "plastic, moved", "CPU s"],
        rows,
        command="python benchmarks/fullwave_foam.py fresnel-foam.h5",
        prior=prior_facts(prior),
        weights="of total variation and of Born's noise: the best by the truth; CPU s of all of "
        "them",
        truth="permittivity 1.45 and 3.3 in the file, 1.45 ± 0.15 and 3.0 ± 0.3 published",
    )  # fmt: skip


def row(
    name: str,
    image: Tensor,
    truth: Tensor,
    operator: FullWaveScattering,
    y: Tensor,
    seconds: float,
) -> list[str]:
    """Figures of merit of a contrast (1, 1, y, x)."""
    moved, move = registered_error(image, truth)
    millimetre = 1e3 * operator.geometry.pixel_size
    misfit = (operator.loss(operator.normalize(image), y) / y.abs().square().sum()).sqrt()
    foam, plastic = (truth - 0.45).abs() < 0.01, truth > 2.29
    there = torch.roll(plastic, [round(float(m)) for m in move], (2, 3))
    return [
        name,
        f"{error(image, truth):.3f}",
        f"{moved:.3f}",
        f"{move[0] * millimetre:.1f}, {move[1] * millimetre:.1f}",
        f"{100 * float(misfit):.1f}",
        f"{1 + float(image[foam].mean()):.2f}",
        f"{1 + float(image[plastic].mean()):.2f}",
        f"{1 + float(image[there].mean()):.2f}",
        f"{seconds:.0f}",
    ]


if __name__ == "__main__":
    main()

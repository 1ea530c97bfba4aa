"""Exact rows against conjugate gradients and gradient steps: same levels, same noise, one run.

Times are of the processor, without the denoiser, which is the same for all.
"""

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from common import prior_facts, report
from mri_common import cases, score, updated

from lmaps_science import LMAPS, load_prior
from lmaps_science.local_map import ConjugateGradient, GradientSteps


class Timed:
    """The prior, counting its processor seconds."""

    def __init__(self, prior: torch.nn.Module) -> None:
        self.prior, self.seconds = prior, 0.0
        self.error_curve, self.sigma_max = prior.error_curve, prior.sigma_max

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Denoise."""
        start = time.process_time()
        denoised = self.prior(x, sigma)
        self.seconds += time.process_time() - start
        return denoised


def main() -> None:
    """One row for each solver."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kspace", type=Path, help="fully sampled k-space")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--seeds", type=int, default=2)
    p.add_argument("--acceleration", type=int, default=8)
    options = p.parse_args()
    prior = load_prior(options.prior)
    found = cases(options.kspace, "random", [options.acceleration], options.seeds, "x")
    ready = [updated(prior, case.prepared) for case in found]
    solvers = {
        "exact rows": "spectral",
        "conjugate gradients, 1e-2": partial(ConjugateGradient, tolerance=1e-2),
        "conjugate gradients, 1e-3": partial(ConjugateGradient, tolerance=1e-3),
        **{
            f"{steps} Adam steps, learning rate {rate:g}": partial(
                GradientSteps, num_steps=steps, learning_rate=rate
            )
            for steps in (20, 50, 100)
            for rate in (0.01, 0.02, 0.03)
        },
    }
    rows, exact = [], []
    for name, solver in solvers.items():
        figures = []
        for index, prepared in enumerate(ready):
            set_up = 0.0
            if solver == "spectral":
                start = time.process_time()
                prepared.operator.spectrum()
                set_up = time.process_time() - start
            denoiser = Timed(prior)
            start = time.process_time()
            x = LMAPS(denoiser, prepared.operator, solver=solver)(prepared.y).samples[0]
            seconds = time.process_time() - start - denoiser.seconds
            if solver == "spectral":
                exact.append(x)
            distance = float((x - exact[index]).norm() / exact[index].norm())
            figures.append((distance, *score(prepared, x), seconds, seconds + set_up))
        distance, psnr, ssim, *seconds = (statistics.mean(f) for f in zip(*figures, strict=True))
        rows.append([name, f"{distance:.1e}", f"{psnr:.2f}", f"{ssim:.3f}", *seconds])
        print(rows[-1], flush=True)
    levels, whole = rows[0][-2:]
    report(
        "mri_solvers",
        f"Local MAPs of a real brain, random ×{options.acceleration}, 25 levels, one sample",
        ["solver", "distance from exact", "PSNR", "SSIM", "CPU s in 25 levels", "times exact",
         "with set-up", "times exact"],
        [
            [*row[:4], f"{row[4]:.3f}", f"{row[4] / levels:.0f}",
             f"{row[5]:.3f}", f"{row[5] / whole:.0f}"]
            for row in rows
        ],
        command="python benchmarks/mri_solvers.py KSPACE",
        prior=prior_facts(prior),
        masks=options.seeds,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Exact rows against conjugate gradients and gradient steps: same levels, same noise, one run."""

import argparse
import statistics
from functools import partial
from pathlib import Path

from common import prior_facts, report, timed
from mri_common import cases, score, updated

from lmaps_science import LMAPS, load_prior
from lmaps_science.local_map import ConjugateGradient, GradientSteps


def main() -> None:
    """One row for each solver; times without the denoiser, which is the same for all."""
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
        "conjugate gradients, 1e-6": partial(ConjugateGradient, tolerance=1e-6),
        **{
            f"{steps} Adam steps, learning rate {rate:g}": partial(
                GradientSteps, num_steps=steps, learning_rate=rate
            )
            for steps in (20, 100)
            for rate in (0.003, 0.01, 0.03)
        },
    }
    rows, exact = [], []
    for name, solver in solvers.items():
        figures = []
        for index, prepared in enumerate(ready):
            lmaps = LMAPS(prior, prepared.operator, solver=solver)
            result, _ = timed(lambda run=lmaps, y=prepared.y: run(y))
            x = result.samples[0]
            if name == "exact rows":
                exact.append(x)
            distance = float((x - exact[index]).norm() / exact[index].norm())
            h = result.history
            seconds = sum(h["seconds"]) - sum(h["denoiser_seconds"])
            figures.append((distance, *score(prepared, x.nan_to_num(0)), seconds))
        distance, psnr, ssim, seconds = (statistics.mean(f) for f in zip(*figures, strict=True))
        rows.append([name, f"{distance:.1e}", f"{psnr:.2f}", f"{ssim:.3f}", f"{seconds:.3f}"])
        print(rows[-1], flush=True)
    fastest = float(rows[0][-1])
    report(
        "mri_solvers",
        f"Local MAPs of a real brain, random ×{options.acceleration}, 25 levels, one sample",
        ["solver", "distance from exact", "PSNR", "SSIM", "s in the solver", "times exact"],
        [[*row, f"{float(row[-1]) / fastest:.0f}"] for row in rows],
        command="python benchmarks/mri_solvers.py KSPACE",
        prior=prior_facts(prior),
        masks=options.seeds,
    )


if __name__ == "__main__":
    main()

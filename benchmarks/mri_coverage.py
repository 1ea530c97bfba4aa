"""Does the quoted spread hold the truth? Coverage of nominal 90 % intervals of eight samples.

Pixels of the object are those brighter than a tenth of the maximum. The width of the samples'
covariance is chosen on people that the prior was trained on (--training).
"""

import argparse
from pathlib import Path

import torch
from common import prior_facts, report
from mri_common import Case, cases, people, score, updated
from mri_simulated import measured
from torch import Tensor

from lmaps_science import LMAPS, load_prior
from lmaps_science.covariance import covariance_by_name
from lmaps_science.problems.mri.metrics import magnitude
from lmaps_science.problems.mri.preparation import PreparedSlice

T_90 = 1.8946  # two-sided 90 % quantile of Student's t with 7 degrees of freedom


def main() -> None:
    """One row for each kind of sampling, estimate and width."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder of IXI's slices")
    p.add_argument("--kspace", type=Path, nargs="*", default=[], help="complete k-space")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--training", action="store_true", help="people that were trained on")
    p.add_argument("--people", type=int, default=4)
    p.add_argument("--seeds", type=int, default=2, help="masks of real k-space")
    p.add_argument("--widths", type=float, nargs="+", default=[1.0, 4.0, 8.0])
    options = p.parse_args()
    prior = load_prior(options.prior)
    torch.set_grad_enabled(False)
    sets = {}
    for pattern, acceleration in (("random", 4), ("random", 8), ("every", 8)):
        name = f"{pattern} ×{acceleration}"
        sets[f"simulated, {name}"] = simulated_cases(options, pattern, acceleration)
        for path in options.kspace:
            found = cases(path, pattern, [acceleration], options.seeds, "x")
            sets[f"real, {name}"] = list(found)
    rows = []
    for name, group in sets.items():
        ready = [updated(prior, case.prepared) for case in group]
        for estimate, width in [("mode", 2.0), *(("sample", w) for w in options.widths)]:
            figures = torch.tensor([one(prior, case, estimate, width) for case in ready]).mean(0)
            rows.append(
                [name, estimate, f"{width:g}", *(f"{v:.1f}" for v in figures[:2])]
                + [f"{100 * v:.0f} %" for v in figures[2:]]
            )
            print(rows[-1], flush=True)
    report(
        "mri_coverage" + ("_training" if options.training else ""),
        "Coverage of nominal 90 % intervals, eight samples",
        ["data", "estimate", "width", "one, dB", "mean, dB", "all pixels", "object"],
        rows,
        command="python benchmarks/mri_coverage.py --data IXI --kspace KSPACE"
        + (" --training" if options.training else ""),
        prior=prior_facts(prior),
        people=options.people,
        masks=options.seeds,
    )


def simulated_cases(options: argparse.Namespace, pattern: str, acceleration: int) -> list[Case]:
    """One mask for each person."""
    images = people(options.data, options.people, not options.training)
    return [
        Case(pattern, seed, measured(image, acceleration, pattern, seed))
        for seed, image in enumerate(images)
    ]


def one(
    prior: torch.nn.Module, prepared: PreparedSlice, estimate: str, width: float
) -> list[float]:
    """PSNR of one sample and of the mean; coverage of all pixels and of the object's."""
    plain = covariance_by_name("calibrated", prior, prepared.operator)
    run = LMAPS(
        prior,
        prepared.operator,
        estimate=estimate,
        covariance=lambda sigma: plain(sigma).scaled(width),
    )
    samples = run(prepared.y, num_samples=8).samples[0]
    truth = magnitude(prepared.truth)[0]
    draws = magnitude(samples)
    return [
        score(prepared, samples[:1])[0],
        score(prepared, samples.mean(0, keepdim=True))[0],
        covered(draws, truth, truth > -1),
        covered(draws, truth, truth > 0.1 * truth.max()),
    ]


def covered(draws: Tensor, truth: Tensor, where: Tensor) -> float:
    """Share of the pixels `where` within mean +- t s sqrt(1 + 1/n) of the draws, not calibrated."""
    half = T_90 * draws.std(0) * (1 + 1 / len(draws)) ** 0.5
    return float(((truth - draws.mean(0)).abs() <= half)[where].float().mean())


if __name__ == "__main__":
    main()

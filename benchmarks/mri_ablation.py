"""What each part is worth: noise model, covariance, line weights, map updates, levels, samples.

A real brain under random and under every R-th line. Each row changes one thing of the recipe.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import prior_facts, report
from mri_common import averaged, cases, score, updated

from lmaps_science import LMAPS, load_prior
from lmaps_science.covariance import covariance_by_name
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.preparation import PreparedSlice


@dataclass(frozen=True)
class Recipe:
    """What the rows differ in."""

    noise: str = "by line"
    covariance: str = "calibrated"
    width: float = 2.0
    updates: int = 2
    samples: int = 8
    options: tuple[tuple[str, Any], ...] = ()


ROWS = {
    "the recipe": Recipe(),
    "noise of the read-outs' ends, isotropic, first maps": Recipe("edge", "isotropic", 1, 0),
    "noise of the residual, isotropic, first maps": Recipe("residual", "isotropic", 1, 0),
    "noise of the residual, calibrated × 2, first maps": Recipe("residual", updates=0),
    "noise of each line, calibrated × 2, first maps": Recipe(updates=0),
    "one map update": Recipe(updates=1),
    "isotropic covariance": Recipe(covariance="isotropic", width=1),
    "saturating covariance": Recipe(covariance="saturating", width=1),
    "calibrated covariance": Recipe(width=1),
    "calibrated covariance × 4": Recipe(width=4),
    **{f"{n} levels": Recipe(options=(("num_steps", n),)) for n in (5, 10, 50, 100)},
    **{f"eta {e:g}": Recipe(options=(("eta", e),)) for e in (0.0, 0.5)},
    "from σ = 3": Recipe(options=(("sigma_max", 3.0),)),
    "one sample": Recipe(samples=1),
}


def run(prior: torch.nn.Module, prepared: PreparedSlice, recipe: Recipe) -> tuple[float, float]:
    """PSNR and SSIM of one mask."""
    prepared = with_noise(updated(prior, prepared, recipe.updates), recipe.noise)
    plain = covariance_by_name(recipe.covariance, prior, prepared.operator)
    lmaps = LMAPS(
        prior,
        prepared.operator,
        covariance=lambda sigma: plain(sigma).scaled(recipe.width),
        **dict(recipe.options),
    )
    return score(prepared, lmaps(prepared.y, num_samples=recipe.samples).mean)


def with_noise(prepared: PreparedSlice, model: str) -> PreparedSlice:
    """The slice with another idea of its noise.

    ``"by line"`` as it is, ``"residual"`` one level for all lines, ``"edge"`` that of the ends of
    the read-outs, which one would take for thermal noise, but which hold signal.
    """
    if model == "by line":
        return prepared
    old = prepared.operator
    sigma = old.sigma_noise if model == "residual" else edge(prepared)
    new = MultiCoilMRI(old.sensitivity_maps, old.mask, sigma, scale=old.unnorm_scale)
    return replace(prepared, operator=new, y=new.observation(prepared.kspace))


def edge(prepared: PreparedSlice) -> float:
    """Median magnitude of the outermost tenth of the read-out, as the sigma of Gaussian noise."""
    kspace = prepared.kspace if prepared.phase_axis == "x" else prepared.kspace.mT
    mask = prepared.operator.mask if prepared.phase_axis == "x" else prepared.operator.mask.mT
    edge = max(1, kspace.shape[1] // 20)
    rows = torch.cat([kspace[:, :edge], kspace[:, -edge:]], 1)
    sampled = torch.cat([mask[:edge], mask[-edge:]])
    median = rows[:, sampled].abs().median()
    # The magnitude of complex Gaussian noise of variance σ² has the median σ sqrt(ln 2).
    return float(median / torch.tensor(2.0).log().sqrt()) / prepared.operator.unnorm_scale


def main() -> None:
    """One row for each change, one column for each sampling."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kspace", type=Path, help="fully sampled k-space")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--seeds", type=int, default=2)
    options = p.parse_args()
    prior = load_prior(options.prior)
    kinds = [("random", 4), ("random", 8), ("every", 8)]
    groups = [
        list(cases(options.kspace, pattern, [acceleration], options.seeds, "x"))
        for pattern, acceleration in kinds
    ]
    rows = []
    for name, recipe in ROWS.items():
        cells = [averaged([run(prior, c.prepared, recipe) for c in group]) for group in groups]
        rows.append([name, *cells])
        print(rows[-1], flush=True)
    report(
        "mri_ablation",
        "A real brain, 16 coils, PSNR in dB / SSIM: one change at a time",
        ["", *(f"{pattern} ×{acceleration}" for pattern, acceleration in kinds)],
        rows,
        command="python benchmarks/mri_ablation.py KSPACE",
        prior=prior_facts(prior),
        masks=options.seeds,
    )


if __name__ == "__main__":
    main()

"""A real brain measured in full, undersampled: LMAPS against baselines tuned on the truth.

All see the same maps, found in the calibration lines; the baselines are shown with the maps
that LMAPS updates, too. PSNR and SSIM are of magnitudes against the root sum of squares of
all of k-space. No picture is written: the licence of the data may not allow it.
"""

import argparse
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
from common import prior_facts, report
from mri_common import (
    WAVELET,
    Case,
    Score,
    averaged,
    baselines,
    cases,
    reconstruct,
    sampling,
    score,
    tuned,
)

from lmaps_science import load_prior
from lmaps_science.problems.mri.baselines import bart_is_installed, bart_pics, l1_wavelet

SIGPY, BART = "ℓ1-wavelet (sigpy)", "ℓ1-wavelet (BART)"
UPDATED = "ℓ1-wavelet, updated maps"
ONE, MEAN = "LMAPS, one sample", "LMAPS, mean"


def compare(
    case: Case, prior: torch.nn.Module | None, samples: int, fast: bool
) -> dict[str, Score]:
    """Scores of all methods on one mask by name."""
    scores = baselines(case.prepared, fast)
    if prior is not None:
        updated, images = reconstruct(prior, case.prepared, samples)
        best = bart_pics if bart_is_installed() else l1_wavelet
        scores[UPDATED] = tuned(partial(best, updated.operator), updated, WAVELET)
        scores[ONE] = score(updated, images[:1])
        scores[MEAN] = score(updated, images.mean(0, keepdim=True))
    return scores


def row(name: str, sampled: str, scores: list[dict[str, Score]]) -> list[str]:
    """A row of the table: means over masks, and on how many of them LMAPS is ahead."""
    cells = [averaged([one[method] for one in scores]) for method in scores[0]]
    if MEAN in scores[0]:
        strongest = [max(v[0] for k, v in one.items() if k not in (ONE, MEAN)) for one in scores]
        gains = [one[MEAN][0] - one[SIGPY][0] for one in scores]
        over_all = [one[MEAN][0] - best for one, best in zip(scores, strongest, strict=True)]
        for values in (gains, over_all):
            mean, least = sum(values) / len(values), min(values)
            cells.append(f"{mean:+.1f} (least {least:+.1f})")
    return [name, sampled, *cells]


def main() -> None:
    """One table for each pattern of lines."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kspace", type=Path, help="fully sampled k-space")
    p.add_argument("--prior", help="name or path; the baselines alone without")
    p.add_argument("--pattern", choices=("random", "every"), default="random")
    p.add_argument("--accelerations", type=int, nargs="+", default=[4, 6, 8])
    p.add_argument("--seeds", type=int, default=5, help="masks of each kind")
    p.add_argument("--axes", default="xy")
    p.add_argument("--samples", type=int, default=8)
    p.add_argument("--fast", action="store_true", help="leave out total variation")
    options = p.parse_args()
    prior = None if options.prior is None else load_prior(options.prior)
    rows, header = [], ["acceleration", "sampled (first mask)"]
    everything = cases(
        options.kspace, options.pattern, options.accelerations, options.seeds, options.axes
    )
    for name, group in groupby(everything, key=lambda case: case.name):
        same = list(group)
        scores = [compare(case, prior, options.samples, options.fast) for case in same]
        rows.append(row(name, sampling(same[0].prepared), scores))
        print(rows[-1], flush=True)
    header += list(scores[0])
    if prior is not None:
        header += ["mean − sigpy's, dB", "mean − the strongest, dB"]
    report(
        f"mri_brain_{options.pattern}",
        "A real brain, 16 coils, PSNR in dB / SSIM",
        header,
        rows,
        command=f"python benchmarks/mri_brain.py KSPACE --pattern {options.pattern} --prior NAME",
        prior=prior_facts(prior) if prior is not None else "none",
        masks=options.seeds,
        samples=options.samples,
    )


if __name__ == "__main__":
    main()

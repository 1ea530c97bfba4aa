"""People the prior never saw and other contrasts, eight simulated coils, noise: three methods."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import prior_facts, report
from mri_common import (
    WAVELET,
    averaged,
    lines,
    people,
    reconstruct,
    score,
    simulated,
    tuned,
)
from torch import Tensor

from lmaps_science import load_prior
from lmaps_science.problems.mri.baselines import l1_wavelet
from lmaps_science.problems.mri.magnitudes import read_magnitudes
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare

NOISE = 0.02


def measured(image: Tensor, acceleration: int, pattern: str, seed: int) -> PreparedSlice:
    """A slice with the noiseless image as its truth."""
    kspace, clean = (simulated(image.numpy(), seed, noise=noise) for noise in (NOISE, 0.0))
    mask = lines(image.shape[1], acceleration, pattern, seed)
    seen = prepare(kspace, mask[None])
    known = prepare(clean, mask[None])
    assert known.truth is not None  # noqa: S101 - the k-space was complete
    ratio = known.operator.unnorm_scale / seen.operator.unnorm_scale
    return replace(seen, truth=ratio * known.truth)


def main() -> None:
    """One row for each set of images and acceleration."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder of IXI's slices")
    p.add_argument("--extra", type=Path, nargs="*", default=[], help="other images")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--people", type=int, default=6)
    p.add_argument("--samples", type=int, default=8)
    options = p.parse_args()
    prior = load_prior(options.prior)
    sets = {"people left out": people(options.data, options.people)}
    for path in options.extra:
        slices = read_magnitudes(path)[0]
        chosen = np.linspace(0.3, 0.7, 4) * (len(slices) - 1)
        sets[path.name.split(".")[0]] = slices[chosen.round().astype(int)]
    rows = []
    for name, images in sets.items():
        for pattern, acceleration in (("random", 4), ("random", 8), ("every", 8)):
            scores: list[list[tuple[float, float]]] = []
            for seed, image in enumerate(images):
                prepared = measured(image, acceleration, pattern, seed)
                updated, samples = reconstruct(prior, prepared, options.samples)
                scores.append(
                    [
                        score(prepared, prepared.operator.mvue(prepared.y)),
                        tuned(
                            lambda y, strength, p=prepared: l1_wavelet(p.operator, y, strength),
                            prepared,
                            WAVELET,
                        ),
                        score(updated, samples[:1]),
                        score(updated, samples.mean(0, keepdim=True)),
                    ]
                )
            cells = [averaged(list(column)) for column in zip(*scores, strict=True)]
            gain = torch.tensor([s[3][0] - s[1][0] for s in scores])
            least = f"{gain.mean():+.1f} (least {gain.min():+.1f})"
            rows.append([name, f"{pattern} ×{acceleration}", str(len(images)), *cells, least])
            print(rows[-1], flush=True)
    report(
        "mri_simulated",
        "Simulated coils, PSNR in dB / SSIM",
        ["images", "lines", "cases", "zero-filled", "ℓ1-wavelet, tuned on the truth",
         "LMAPS, one sample", "LMAPS, mean", "mean − ℓ1, dB"],
        rows,
        command="python benchmarks/mri_simulated.py --data IXI --extra FILES",
        prior=prior_facts(prior),
        noise=NOISE,
        samples=options.samples,
    )  # fmt: skip


if __name__ == "__main__":
    main()

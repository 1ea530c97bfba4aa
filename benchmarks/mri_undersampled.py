"""A brain measured undersampled, without a truth: how well samples left out are predicted.

One sample in ten outside the calibration region is kept from all methods. The baselines are as
strong as predicts just those samples best, which nobody could know.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from common import prior_facts, report
from mri_common import SENSE, WAVELET, reconstruct
from torch import Tensor

from lmaps_science import load_prior
from lmaps_science.problems.mri.baselines import bart_is_installed, bart_pics, l1_wavelet, sense
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.holdout import hold_out, prediction_error
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare


def main() -> None:
    """One row for each draw of samples left out."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kspace", type=Path, help="undersampled k-space")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--draws", type=int, default=2)
    p.add_argument("--samples", type=int, default=8)
    options = p.parse_args()
    prior = load_prior(options.prior)
    kspace = read_scan(options.kspace).kspace(0)
    whole = prepare(kspace)
    rows, names = [], []
    for seed in range(options.draws):
        held = hold_out(whole.operator, seed=seed)
        mask = (whole.operator.mask & ~held).cpu().numpy()
        first = prepare(kspace, mask)
        updated, images = reconstruct(prior, first, options.samples)
        errors = {
            "SENSE": tuned(sense, SENSE, first, whole, held),
            "ℓ1-wavelet (sigpy)": tuned(l1_wavelet, WAVELET, first, whole, held),
            "ℓ1-wavelet (sigpy), updated maps": tuned(l1_wavelet, WAVELET, updated, whole, held),
        }
        if bart_is_installed():
            errors["ℓ1-wavelet (BART)"] = tuned(bart_pics, WAVELET, first, whole, held)
            errors["ℓ1-wavelet (BART), updated maps"] = tuned(
                bart_pics, WAVELET, updated, whole, held
            )
        errors["LMAPS, one sample"] = error(updated, images[:1], whole, held)
        errors["LMAPS, mean"] = error(updated, images.mean(0, keepdim=True), whole, held)
        names = list(errors)
        rows.append([str(seed), *(f"{value:.4f}" for value in errors.values())])
        print(rows[-1], flush=True)
    report(
        "mri_undersampled",
        "A brain measured undersampled, 8 coils: relative error of k-space left out",
        ["draw", *names],
        rows,
        command="python benchmarks/mri_undersampled.py KSPACE",
        prior=prior_facts(prior),
        samples=options.samples,
    )


def error(prepared: PreparedSlice, x: Tensor, whole: PreparedSlice, held: Tensor) -> float:
    """Error in predicting `held`, with the maps of `prepared`, of an image (1, 2, y, x)."""
    scale = prepared.operator.unnorm_scale
    maps = prepared.operator.sensitivity_maps
    everything = MultiCoilMRI(maps, whole.operator.mask, scale=scale)
    return prediction_error(everything, x, everything.observation(whole.kspace), held)


def tuned(
    method: Callable[[MultiCoilMRI, Tensor, float], Tensor],
    strengths: tuple[float, ...],
    prepared: PreparedSlice,
    whole: PreparedSlice,
    held: Tensor,
) -> float:
    """The least error over the strengths."""
    solve = partial(method, prepared.operator, prepared.y)
    return min(error(prepared, solve(strength), whole, held) for strength in strengths)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()

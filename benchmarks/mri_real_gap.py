"""Why a real brain errs more than its samples say: its truth, maps, scanner, or the prior."""

import argparse
from pathlib import Path

import torch
from common import report
from mri_common import lines, people, simulated, updated
from numpy.typing import NDArray
from torch import Tensor
from uncertainty_cases import brain, cropped

from lmaps_science import load_prior
from lmaps_science.calibration import coverage, quoted_std
from lmaps_science.problems.mri.coils import root_sum_of_squares
from lmaps_science.problems.mri.espirit import calibration_region, espirit, with_phase_of
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.fourier import to_image, to_kspace
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare

SIGMAS = (0.03, 0.1, 0.3, 0.6)


def combined(kspace: NDArray) -> tuple[Tensor, Tensor, float]:
    """Complex image (y, x) of all lines, its maps (coils, y, x), and its scale."""
    full = torch.as_tensor(kspace).to(torch.complex64)
    operator = prepare(kspace).operator
    maps = espirit(calibration_region(full, 48, 48), tuple(full.shape[1:]))
    maps = with_phase_of(maps, operator.sensitivity_maps.to(maps.dtype))
    return (maps.conj() * to_image(full)).sum(0), maps, operator.unnorm_scale


def prior_errors(prior: torch.nn.Module, kspace: list[NDArray]) -> list[float]:
    """Squared error of denoising the object's pixels, over the error curve, at each of `SIGMAS`."""
    images = []
    for one in kspace:
        image, _, scale = combined(one)
        images.append(torch.view_as_real(image / scale).movedim(-1, 0))
    x = torch.stack(images).float()
    magnitude = torch.linalg.vector_norm(x, dim=1)
    inside = magnitude > 0.1 * magnitude.amax((1, 2), keepdim=True)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    errors = [(prior(x + s * noise, s) - x).square().mean(1)[inside].mean() for s in SIGMAS]
    return [float(e) / prior.error_curve(s) for e, s in zip(errors, SIGMAS, strict=True)]


def covered(prepared: PreparedSlice) -> str:
    """Of nominal 90 % intervals that are not calibrated, the object's pixels."""
    case = brain(prepared, update=False)
    at = case.object
    return f"{100 * coverage(case.image[at], quoted_std(case.draws)[at], case.truth[at]):.0f} %"


def main() -> None:
    """One row for each suspect."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder of all data")
    options = p.parse_args()
    torch.set_grad_enabled(False)
    prior = load_prior("brain-128")
    real = read_scan(options.data / "mri_kspace" / "mchiew_sense_tutorial_16ch_ksp.npz").kspace(0)
    image, maps, scale = combined(real)
    rss = root_sum_of_squares(torch.as_tensor(real).to(torch.complex64))
    inside = rss > 0.1 * rss.max()
    off = float((rss - image.abs())[inside].square().mean().sqrt() / scale)
    rows = [["truth: root sum of squares against the combined image, RMS", f"{off:.5f}"]]
    print(rows[-1], flush=True)
    sets = {"the real brain": [real]}
    for name, held_out in (("training people", False), ("people left out", True)):
        slices = people(options.data / "mr_slices", 3, held_out).numpy()
        sets[name] = [cropped(simulated(s, k, noise=0.0), 96) for k, s in enumerate(slices)]
    for name, kspace in sets.items():
        errors = ", ".join(f"{e:.1f}" for e in prior_errors(prior, kspace))
        rows.append([f"the prior's error over its curve at σ = {SIGMAS}: {name}", errors])
        print(rows[-1], flush=True)
    mask = lines(real.shape[2], 4, "random", 0)[None]
    noise = torch.randn(2, *real.shape, generator=torch.Generator().manual_seed(0))
    scans = {
        "as it is": updated(prior, prepare(real, mask)),
        "maps of complete k-space": prepare(real, mask, maps=maps),
    }
    sigma = scans["as it is"].operator.sigma_noise * scale
    clean = to_kspace(maps * image)
    simulated_real = clean + sigma / 2**0.5 * torch.complex(*noise)
    scans["simulated from the real image, maps and noise given"] = prepare(
        simulated_real, mask, maps=maps, sigma_noise=sigma
    )
    for name, prepared in scans.items():
        rows.append([f"covered at random ×4: {name}", covered(prepared)])
        print(rows[-1], flush=True)
    report(
        "mri_real_gap",
        "Why a real brain errs more than its samples say",
        ["", ""],
        rows,
        command="python benchmarks/mri_real_gap.py --data DATA",
    )


if __name__ == "__main__":
    main()

"""What the MRI studies share: masks, the recipe with map updates, baselines tuned on the truth."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science import LMAPS
from lmaps_science.problems.mri import metrics
from lmaps_science.problems.mri.baselines import (
    bart_is_installed,
    bart_pics,
    l1_wavelet,
    sense,
    total_variation,
)
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.fourier import to_kspace
from lmaps_science.problems.mri.masks import cartesian_mask
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare, update_maps
from lmaps_science.problems.mri.training_images import HELD_OUT

Score = tuple[float, float]
"""PSNR in dB, and SSIM."""

SENSE = (3e-4, 1e-3, 3e-3, 1e-2)
WAVELET = (1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
TOTAL_VARIATION = (1e-3, 2e-3, 4e-3, 8e-3)


@dataclass(frozen=True)
class Case:
    """A mask, and the slice that it undersamples.

    Attributes
    ----------
    name : str
        Of the pattern, acceleration and axis.
    seed : int
        Of the mask.
    prepared : PreparedSlice
        With its truth.
    """

    name: str
    seed: int
    prepared: PreparedSlice


def cases(
    path: Path, pattern: str, accelerations: Iterable[int], seeds: int, axes: str
) -> Iterator[Case]:
    """The slice of a fully sampled file under each mask, slice by slice, axis by axis.

    Random lines count the calibration lines, 12 up to fourfold acceleration and 8 above;
    every R-th line has 12 calibration lines beside it.
    """
    kspace = read_scan(path).kspace(0)
    for axis in axes:
        num_lines = kspace.shape[2 if axis == "x" else 1]
        for acceleration in accelerations:
            for seed in range(seeds):
                mask = lines(num_lines, acceleration, pattern, seed)
                prepared = prepare(kspace, mask[None] if axis == "x" else mask[:, None])
                yield Case(f"×{acceleration}, lines along {axis}", seed, prepared)


def people(data: Path, count: int, held_out: bool = True) -> Tensor:
    """A middle slice of each of `count` people, (count, y, x); 1 is bright tissue."""
    with np.load(data / "ixi_hh_t1_axial128.npz") as arrays:
        slices, subject = arrays["slices"], arrays["subject"]
    chosen = np.unique(subject[(subject % 10 == HELD_OUT) == held_out])[:count]
    middle = [slices[subject == one][(subject == one).sum() // 2] for one in chosen]
    return torch.from_numpy(np.array(middle, dtype=np.float32) / np.quantile(middle, 0.995))


def simulated(image: NDArray, seed: int, num_coils: int = 8, noise: float = 0.02) -> NDArray:
    """K-space (coils, y, x) of an image (y, x) with a smooth phase, birdcage coils and noise.

    `noise` is the standard deviation of a complex datum; bright tissue is 1.
    """
    from sigpy.mri import birdcage_maps

    generator = np.random.default_rng(seed)
    y, x = (np.linspace(-1, 1, n) for n in image.shape)
    c = generator.uniform(-1.5, 1.5, 5)
    phase = c[0] + c[1] * x + c[2] * y[:, None] + c[3] * x * y[:, None] + c[4] * x**2
    maps = birdcage_maps((num_coils, *image.shape), dtype=np.complex64)
    coils = torch.from_numpy(maps * (image * np.exp(1j * phase)))
    parts = generator.standard_normal((2, num_coils, *image.shape)) * noise / np.sqrt(2)
    return to_kspace(coils).numpy() + parts[0] + 1j * parts[1]


def lines(num_lines: int, acceleration: int, pattern: str, seed: int) -> NDArray[np.bool_]:
    """Lines sampled: random ones, or every `acceleration`-th from one that the seed shifts."""
    if pattern == "random":
        return cartesian_mask(
            num_lines, acceleration, seed=seed, num_calibration_lines=12 if acceleration <= 4 else 8
        )
    mask = np.zeros(num_lines, dtype=bool)
    mask[(num_lines // 2 + seed) % acceleration :: acceleration] = True
    mask[num_lines // 2 - 6 : num_lines // 2 + 6] = True
    return mask


def updated(
    prior: Callable, prepared: PreparedSlice, num_updates: int = 2, seed: int = 0
) -> PreparedSlice:
    """The slice with maps from drafts of its image."""
    for update in range(num_updates):
        draft = LMAPS(prior, prepared.operator, num_steps=12, seed=seed + 100 + update)(prepared.y)
        prepared = update_maps(prepared, draft.mean)
    return prepared


def reconstruct(
    prior: Callable, prepared: PreparedSlice, num_samples: int, num_updates: int = 2, seed: int = 0
) -> tuple[PreparedSlice, Tensor]:
    """The slice with updated maps, and samples (num_samples, 2, y, x)."""
    prepared = updated(prior, prepared, num_updates, seed)
    solve = LMAPS(prior, prepared.operator, seed=seed)
    return prepared, solve(prepared.y, num_samples=num_samples).samples[0]


def score(prepared: PreparedSlice, image: Tensor) -> Score:
    """PSNR and SSIM of a normalised image (1, 2, y, x)."""
    truth = prepared.truth
    assert truth is not None  # noqa: S101 - `cases` undersampled it
    return float(metrics.psnr(image, truth)), float(metrics.ssim(image, truth))


def tuned(
    method: Callable[[Tensor, float], Tensor], prepared: PreparedSlice, strengths: Iterable[float]
) -> Score:
    """The score at the strength of highest PSNR: what nobody can have without the truth."""
    return max(score(prepared, method(prepared.y, strength)) for strength in strengths)


def baselines(prepared: PreparedSlice, fast: bool = False) -> dict[str, Score]:
    """Scores of the baselines by name, each tuned on the truth."""
    operator = prepared.operator
    methods = {
        "SENSE": (sense, SENSE),
        "ℓ1-wavelet (sigpy)": (l1_wavelet, WAVELET),
        "TV (sigpy)": (total_variation, TOTAL_VARIATION),
        "ℓ1-wavelet (BART)": (bart_pics, WAVELET),
    }
    if fast:
        del methods["TV (sigpy)"]
    if not bart_is_installed():
        del methods["ℓ1-wavelet (BART)"]
    return {
        name: tuned(partial(run, operator), prepared, strengths)
        for name, (run, strengths) in methods.items()
    }


def sampling(prepared: PreparedSlice) -> str:
    """Lines, calibration lines and true acceleration."""
    operator = prepared.operator
    mask = operator.mask
    count = int(mask[0].sum() if prepared.phase_axis == "x" else mask[:, 0].sum())
    calibration = min(prepared.calibration)
    return f"{count} lines, {calibration} of them calibration, net ×{operator.acceleration:.1f}"


def averaged(scores: list[Score]) -> str:
    """Means over the masks."""
    psnr, ssim = torch.tensor(scores).mean(0).tolist()
    return f"{psnr:.1f} / {ssim:.3f}"

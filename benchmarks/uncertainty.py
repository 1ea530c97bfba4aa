"""Coverage and sharpness of the spread in three problems, and the factors that calibrate it.

The factor of each problem is learned on its `learn` cases and judged on the others
(`uncertainty_cases.py`). --write puts the factors where `lmaps reconstruct` finds them.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from common import prior_facts, report
from numpy.typing import NDArray
from scipy.stats import norm
from uncertainty_cases import Case, brains, cached, real_brain, scattering, sources

from lmaps_science import load_prior
from lmaps_science.calibration import NORMAL_90, Calibration, coverage, quoted_std
from lmaps_science.plot import BLUE, GREY, ORANGE, new_figure

LEVELS = (0.5, 0.68, 0.9, 0.95)
PRIORS = {"scattering": "cells-128", "mri": "brain-128", "blackhole": "blackhole-64"}
DOMAINS: dict[str, dict[str, tuple[float, float]]] = {
    "scattering": {
        "num_steps": (20, 20),
        "grid_shape": (64, 128), "receivers": (60, 360), "relative_noise": (0.01, 0.035),
        "data_fit": (0.8, 1.2),
    },
    "mri": {
        "num_steps": (25, 25), "grid_shape": (96, 128), "sampled_lines": (12, 45),
        "acceleration": (2.5, 8.5), "data_fit": (0.8, 1.2),
    },
    "blackhole": {"num_steps": (40, 40), "closure_phases": (60, 120), "data_fit": (0.5, 1.5)},
}  # fmt: skip
"""Within what the cases lie; entries of ``summary.json``."""

RINGS = {"ring_diameter_uas": 2.0 / NORMAL_90, "ring_diameter_corrected_uas": 1.0}
"""Factors on the ± of posterior samples: of 50 drawn rings (`blackhole_rings.py`) 90 % were within
two of them. Corrected for the width they were within one, and are not narrowed."""

Cases = dict[str, Case]


def fitted(*groups: Cases) -> float:
    """Scale at which nominal 90 % intervals hold 90 % of the object's pixels.

    Cases of a group count the same, and so do groups.
    """
    ratios, weights = [], []
    for cases in groups:
        for case in cases.values():
            at = case.object
            ratio = np.abs(case.truth - case.image)[at] / (NORMAL_90 * quoted_std(case.draws)[at])
            ratios.append(ratio)
            weights.append(np.full(len(ratio), 1 / len(ratio) / len(cases) / len(groups)))
    ratio = np.concatenate(ratios)
    order = np.argsort(ratio)
    below = np.cumsum(np.concatenate(weights)[order])
    return float(ratio[order][np.searchsorted(below, 0.9)])


def ring_errors(cases: Cases) -> NDArray[np.float64]:
    """Error and ± of both diameters by posterior samples of sources that are rings.

    Shape (2, rings, 2), microarcsecond.
    """
    found = []
    for case in cases.values():
        if case.rings.size and case.drawn_rings.size:
            drawn = case.drawn_rings
            found.append(np.stack([drawn.mean(1) - case.rings[:, 0], drawn.std(1)], 1))
    return np.stack(found, 1)


def held(errors: NDArray[np.float64], factor: float, level: float) -> float:
    """Share of errors within the central interval that their ± (rings, 2) times `factor` gives."""
    half = norm.ppf(0.5 + level / 2) * factor * errors[:, 1]
    return float((np.abs(errors[:, 0]) <= half).mean())


def scores(cases: Cases, estimate: str, scale: float = 1.0) -> NDArray[np.float64]:
    """Of each case (cases, 7): coverages, width, CRPS and interval score in units of the RMS error.

    `estimate` is whose scatter is quoted, 'modes' or 'draws'; all of the object's pixels.
    """
    rows = []
    for case in cases.values():
        at = case.object
        std = quoted_std(getattr(case, estimate), scale)[at]
        truth, image = case.truth[at], case.image[at]
        error = np.abs(truth - image)
        rms, half, z = np.sqrt(np.square(error).mean()), NORMAL_90 * std, error / std
        crps = std * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        interval = 2 * half + 20 * (error - half).clip(min=0)
        rows.append(
            [coverage(image, std, truth, level) for level in LEVELS]
            + [v.mean() / rms for v in (2 * half, crps, interval)]
        )
    return np.array(rows)


def row(name: str, spread: str, cases: Cases, estimate: str, scale: float) -> list[str]:
    """Of the table."""
    each = scores(cases, estimate, scale)
    percent = [f"{100 * v:.0f}" for v in each.mean(0)[:4]]
    percent[2] += f" ({100 * each[:, 2].min():.0f} to {100 * each[:, 2].max():.0f})"
    return [name, str(len(each)), spread, *percent, *(f"{v:.2f}" for v in each.mean(0)[4:])]


def save_figure(sets: dict[str, tuple[Cases, float]], path: Path) -> None:
    """Nominal against observed coverage, before and after the calibration."""
    nominal = np.linspace(0.02, 0.98, 25)
    with new_figure(2.5 * len(sets), 2.9) as figure:
        axes = figure.subplots(1, len(sets), sharey=True)
        for ax, (name, (cases, scale)) in zip(axes, sets.items(), strict=True):
            curves = (
                ("modes", 1.0, "modes", GREY),
                ("draws", 1.0, "samples", ORANGE),
                ("draws", scale, "calibrated", BLUE),
            )
            ax.plot([0, 100], [0, 100], "k", lw=0.6)
            for estimate, factor, label, color in curves:
                observed = [_observed(cases, estimate, factor, level) for level in nominal]
                ax.plot(100 * nominal, 100 * np.array(observed), color=color, label=label)
            ax.set(title=name, xlabel="nominal (%)", xlim=(0, 100), ylim=(0, 100), aspect="equal")
        axes[0].set_ylabel("truth inside (%)")
        axes[0].legend(loc="upper left")
        figure.savefig(path)


def _observed(cases: Cases, estimate: str, scale: float, level: float) -> float:
    return float(
        np.mean(
            [
                coverage(
                    case.image[case.object],
                    quoted_std(getattr(case, estimate), scale)[case.object],
                    case.truth[case.object],
                    level,
                )
                for case in cases.values()
            ]
        )
    )


def starting(cases: Cases, *names: str) -> Cases:
    """Those whose names begin so."""
    return {name: case for name, case in cases.items() if name.startswith(names)}


def main() -> None:
    """Draw what is missing, learn, judge."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder of all data, see the docs")
    p.add_argument("--cache", type=Path, default=Path("uncertainty-cases"))
    p.add_argument("--figure", type=Path, help="PNG to draw")
    p.add_argument("--write", type=Path, help="JSON of the factors: checkpoints/spread.json")
    options = p.parse_args()
    torch.set_grad_enabled(False)
    data, folder = options.data, options.cache
    models = data / "blackhole" / "ngehtutil_blackhole_models.h5"
    cells = [
        cached(folder, scattering(data / "microscopy", split, 3, 64, (360, 180, 60)))
        for split in ("train", "test")
    ]
    large = cached(folder, scattering(data / "microscopy", "test", 1, 128, (180,)))
    people = [cached(folder, brains(data / "mr_slices", held_out)) for held_out in (False, True)]
    known = [cached(folder, sources(data / "eht", models, held_out)) for held_out in (False, True)]
    real = cached(folder, real_brain(data / "mri_kspace" / "mchiew_sense_tutorial_16ch_ksp.npz"))
    along = {axis: starting(real, f"real-{axis}") for axis in "xy"}
    judge = {
        "scattering, 64×64": cells[1],
        "scattering, 128×128": large,
        "mri, people left out": people[1],
        "mri, real brain, lines along y": along["y"],
        "mri, real brain, lines along x (learned on)": along["x"],
        "blackhole, sources": known[1],
    }
    scales = {
        "scattering": fitted(cells[0]),
        "mri": fitted(people[0], along["x"]),
        "blackhole": fitted(known[0]),
    }
    rows = []
    for name, cases in judge.items():
        scale = scales[name.split(",")[0]]
        for spread, estimate, factor in (
            ("modes", "modes", 1.0),
            ("samples", "draws", 1.0),
            (f"samples × {scale:.2f}", "draws", scale),
        ):
            rows.append(row(name, spread, cases, estimate, factor))
    rows.append(
        row(
            "mri, real brain, all",
            f"samples × {fitted(people[0]):.2f}, learned on people only",
            real,
            "draws",
            fitted(people[0]),
        )
    )
    errors = ring_errors(known[0] | known[1])
    facts = {
        name: f"± × {factor:.2f}, "
        + ", ".join(f"{100 * held(e, factor, v):.0f} % in {100 * v:.0f} %" for v in LEVELS)
        + f" of {len(e)} rings"
        for (name, factor), e in zip(RINGS.items(), errors, strict=True)
    }
    if options.figure is not None:
        save_figure(
            {
                "scattering": (cells[1], scales["scattering"]),
                "MRI, people left out": (people[1], scales["mri"]),
                "MRI, a real brain": (starting(real, "real-y"), scales["mri"]),
                "black holes": (known[1], scales["blackhole"]),
            },
            options.figure,
        )
    report(
        "uncertainty",
        "Coverage of the object's pixels and sharpness",
        ["cases", "number", "spread", *(f"{100 * v:.0f} %" for v in LEVELS),
         "width / RMS error", "CRPS / RMS error", "interval score / RMS error"],
        rows,
        command="python benchmarks/uncertainty.py --data DATA",
        priors=", ".join(prior_facts(load_prior(name)) for name in PRIORS.values()),
        **facts,
    )  # fmt: skip
    if options.write is not None:
        write(options.write, scales, errors, judge)


LEARNED = {
    "scattering": "simulated fields of training cells",
    "mri": "simulated scans of training people, and a real brain with lines along x",
    "blackhole": "drawn rings and other sources",
}


def write(
    path: Path, scales: dict[str, float], rings: NDArray[np.float64], judge: dict[str, Cases]
) -> None:
    """Keep the factors and, in words, what they gave on cases they were not learned on."""
    records = []
    for problem, name in PRIORS.items():
        groups = ", ".join(
            f"{100 * scores(cases, 'draws', scales[problem])[:, 2].mean():.0f} % "
            f"({group.split(', ', 1)[1]})"
            for group, cases in judge.items()
            if group.startswith(problem) and not group.endswith("(learned on)")
        )
        told = f"on other cases its 90 % intervals held {groups} of the object's pixels"
        if problem == "blackhole":
            inside = [
                round(len(e) * held(e, f, 0.9)) for e, f in zip(rings, RINGS.values(), strict=True)
            ]
            told += f" and {inside[0]} and {inside[1]} of {len(rings[0])} of the raw and corrected "
            told += "ring diameters"
        record = Calibration(
            problem,
            name,
            load_prior(name).sha256,
            round(scales[problem], 3),
            LEARNED[problem],
            told,
            {k: round(v, 3) for k, v in RINGS.items()} if problem == "blackhole" else {},
            DOMAINS[problem],
        )
        records.append(asdict(record))
    path.write_text(json.dumps(records, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

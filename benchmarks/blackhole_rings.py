"""Bias of the ring's diameter and coverage of its ±, on random rings that are known."""

import math

import numpy as np
import torch
from blackhole_common import image, parser, read, seen
from common import prior_facts, report

from lmaps_science import load_prior
from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.ring import circular_mean_std, measure_ring
from lmaps_science.problems.blackhole.sources import Field

FIELD = Field(oversampling=4)


def ring(generator: torch.Generator) -> torch.Tensor:
    """A crescent of 30 to 56 µas, its width and orientation random, (1, 1, y, x)."""
    a, b, c, d, e, f = torch.rand(6, generator=generator).tolist()
    return FIELD.image(
        sources.crescent(
            FIELD,
            diameter=30 + 26 * a,
            width=8 + 8 * b,
            position_angle=2 * math.pi * c,
            asymmetry=0.2 + 0.6 * d,
            east=6 * e - 3,
            north=6 * f - 3,
        )
    )


def main() -> None:
    """Compare samples of the mode and of the posterior with the truth."""
    p = parser(__doc__)
    p.add_argument("--rings", type=int, default=50)
    options = p.parse_args()
    prior = load_prior(options.prior)
    observations = [read(options.data, name) for name in ("5 April lo", "11 April hi")]
    generator = torch.Generator().manual_seed(0)
    found: dict[str, list[tuple[float, ...]]] = {"mode": [], "sample": []}
    kept = 0
    for number in range(options.rings):
        truth = ring(generator)
        true = measure_ring(truth[0])
        known = seen(observations[number % 2], truth, seed=number)
        for estimate, errors in found.items():
            result = image(known, prior, options.samples, estimate=estimate)
            if len(result.kept) < 2:
                continue
            kept += len(result.kept) if estimate == "mode" else 0
            raw, corrected = result.diameter(), result.diameter(corrected=True)
            angle, scatter = circular_mean_std([r.position_angle_deg for r in result.rings])
            off = (angle - true.position_angle_deg + 180) % 360 - 180
            errors.append(
                (
                    raw.mean() - true.diameter_uas,
                    raw.std(ddof=1),
                    corrected.mean() - true.diameter_corrected_uas,
                    corrected.std(ddof=1),
                    off,
                    scatter,
                )
            )
        print(number, {k: np.round(v[-1], 2).tolist() for k, v in found.items() if v}, flush=True)
    rows = []
    for estimate, errors in found.items():
        table = np.array(errors)
        for name, at in (("diameter µas", 0), ("corrected diameter µas", 2), ("PA °", 4)):
            error, width = table[:, at], table[:, at + 1]
            rows.append(
                [
                    estimate,
                    name,
                    f"{len(table)}",
                    f"{error.mean():+.2f} ± {error.std(ddof=1) / math.sqrt(len(error)):.2f}",
                    f"{error.std(ddof=1):.2f}",
                    f"{np.sqrt((width**2).mean()):.2f}",
                    f"{100 * (np.abs(error) < width).mean():.0f} %",
                    f"{100 * (np.abs(error) < 2 * width).mean():.0f} %",
                ]
            )
    report(
        "blackhole_rings",
        "Known rings",
        [
            "samples", "quantity", "rings", "bias", "scatter of the error", "quoted ±",
            "within ±", "within 2 ±",
        ],
        rows,
        prior=prior_facts(prior),
        kept=f"{kept} of {options.rings * options.samples} modes",
    )  # fmt: skip


if __name__ == "__main__":
    main()

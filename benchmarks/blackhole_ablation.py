"""Covariances, numbers of noise levels and the tempering, on the real files and a crescent."""

import math
from dataclasses import replace

import numpy as np
from blackhole_common import FILES, image, parser, read, seen
from common import prior_facts, report

from lmaps_science import load_prior
from lmaps_science.covariance import NAMES
from lmaps_science.problems.blackhole.controls import control_images
from lmaps_science.settings import SETTINGS

LEVELS = (10, 20, 40)


def main() -> None:
    """Print kept samples, χ² and scatter of the position angle."""
    p = parser(__doc__)
    options = p.parse_args()
    prior = load_prior(options.prior)
    cases = {name: read(options.data, name) for name in FILES}
    cases["crescent"] = seen(cases["11 April hi"], control_images()["crescent"], seed=3)
    frozen = SETTINGS["blackhole"]
    variants = {
        (name, n, True): {"covariance": name, "num_steps": n} for name in NAMES for n in LEVELS
    }
    variants["gaussian", 40, False] = {"covariance": "gaussian", "num_steps": 40}
    rows = []
    for (name, levels, tempered), settings in variants.items():
        SETTINGS["blackhole"] = frozen if tempered else replace(frozen, tempering=math.inf)
        row = [name + ("" if tempered else ", not tempered"), f"{levels}"]
        for measurement in cases.values():
            result = image(measurement, prior, options.samples, **settings)
            if not len(result.kept):
                row.append("0 kept")
                continue
            worst = max(np.median(result.phase), np.median(result.amplitude))
            row.append(
                f"{len(result.kept)} kept, {result.num_rings} rings, χ² {worst:.2f}, "
                f"PA ± {result.position_angle()[1]:.0f}°"
            )
        rows.append(row)
        print(row, flush=True)
    SETTINGS["blackhole"] = frozen
    report(
        "blackhole_ablation", "Covariance and levels", ["covariance", "levels", *cases], rows,
        prior=prior_facts(prior), samples=options.samples,
    )  # fmt: skip


if __name__ == "__main__":
    main()

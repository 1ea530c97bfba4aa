"""Known sources with the coverage of 5 April (lo): what comes back, and what of ehtim's RML."""

from pathlib import Path

import numpy as np
import torch
from blackhole_common import HEADER, PROBLEM, cells, image, outcome, parser, read, seen
from common import prior_facts, report, timed

from lmaps_science import load_prior
from lmaps_science.problems.blackhole.controls import control_images, correlation
from lmaps_science.problems.blackhole.population import read_models
from lmaps_science.problems.blackhole.ring import measure_ring
from lmaps_science.problems.blackhole.rml import rml


def main() -> None:
    """Print one row per source, noise seed and method."""
    p = parser(__doc__)
    p.add_argument("--models", type=Path, help="ngehtutil's models, for the two left out")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    p.add_argument("--rml", action="store_true", help="with ehtim's RML beside")
    options = p.parse_args()
    prior, measurement = load_prior(options.prior), read(options.data, "5 April lo")
    left_out = read_models(options.models, held_out=True) if options.models else {}
    rows = []
    for name, truth in control_images(models=left_out).items():
        ring = measure_ring(truth[0])
        true = f"{ring.diameter_uas:.1f} at {ring.position_angle_deg:.0f}°" if ring.is_ring else "–"
        for seed in options.seeds:
            known = seen(measurement, truth, seed)
            results = {"LMAPS": image(known, prior, options.samples)}
            if options.rml:
                x, seconds = timed(lambda known=known: rml(known.operator))
                results["RML"] = outcome(known, x, PROBLEM.judge(known, x, None), seconds)
                if not len(results["RML"].kept):
                    results["RML"] = outcome(known, x, [""], seconds)
            for method, result in results.items():
                like = correlation(result.kept, truth) if len(result.kept) else torch.tensor([0.0])
                rows.append(
                    [name, f"{seed}", true, method, *cells(result), f"{np.median(like):.3f}"]
                )
                print(rows[-1], flush=True)
    header = ["source", "noise seed", "true ring", "method", *HEADER, "correlation, median"]
    report("blackhole_controls", "Controls", header, rows, prior=prior_facts(prior))


if __name__ == "__main__":
    main()

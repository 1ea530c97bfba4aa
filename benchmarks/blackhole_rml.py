"""Settings of ehtim's imager: regularisers and prior on sources that no other study draws.

The sources differ in kind, size and position angle from the controls. They are seen with the
coverage and the noise of M87* on 11 April 2017 (high band), with random station gains. The
winner, by the mean correlation with the truth, is the default of `rml`.
"""

import argparse
import math
import time
from itertools import product
from pathlib import Path

import numpy as np
from common import report
from torch import Tensor

from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.controls import correlation, simulate
from lmaps_science.problems.blackhole.observation import average_scans
from lmaps_science.problems.blackhole.rml import rml
from lmaps_science.problems.blackhole.uvfits import read_uvfits

FILE = "SR1_M87_2017_101_hi_hops_netcal_StokesI.uvfits"
PRIORS_UAS = (40.0, 60.0)
ENTROPIES = (1.0, 10.0, 100.0)
VARIATIONS = (1.0, 10.0)
SEED = 7


def tuning_sources() -> dict[str, Tensor]:
    """Images (1, 1, y, x) by name."""
    field = sources.Field(oversampling=4)
    crescents = (37.0, 9.0, math.radians(60), 0.6), (47.0, 12.0, math.radians(250), 0.7)
    brightness = {
        "crescent 37 µas": sources.crescent(field, *crescents[0], east=2.0, north=-3.0),
        "crescent 47 µas": sources.crescent(field, *crescents[1], east=-2.0, north=1.0),
        "disc 55 µas": sources.disc(field, 55.0, edge=5.0, east=2.0, north=2.0),
        "double 46 µas": sources.double(field, 46.0, math.radians(40), fwhm=17.0, flux_ratio=0.6),
    }
    return {name: field.image(b) for name, b in brightness.items()}


def main() -> None:
    """One table: setting x correlation per source, fit and time."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help=f"folder that holds {FILE}")
    options = p.parse_args()
    measured = average_scans(read_uvfits(options.data / FILE))
    truth = tuning_sources()
    operators = {
        name: BlackHoleImaging.from_observations([simulate(measured, image, seed=SEED)])
        for name, image in truth.items()
    }
    rows = []
    for fwhm, entropy, variation in product(PRIORS_UAS, ENTROPIES, VARIATIONS):
        correlations, misfits, start = [], [], time.process_time()
        for name, operator in operators.items():
            image = rml(
                operator,
                prior_fwhm_uas=fwhm,
                entropy=entropy,
                total_variation=variation,
                squared_variation=variation,
            )
            correlations.append(float(correlation(image, truth[name])))
            misfits.append([float(c) for c in operator.chi_squared(image, operator.y)])
        seconds = (time.process_time() - start) / len(operators)
        values = [np.mean(correlations), *correlations, *np.median(misfits, 0)]
        rows.append(
            [
                *(f"{setting:g}" for setting in (fwhm, entropy, variation)),
                *(f"{value:.3f}" for value in values),
                f"{seconds:.1f}",
            ]
        )
        print(*rows[-1], flush=True)
    report(
        "blackhole_rml",
        "ehtim's regularised maximum likelihood: settings on simulated sources",
        [
            *("prior, µas", "simple", "tv, tv2", "mean correlation"),
            *truth,
            *("median χ² phases", "median χ² log amplitudes", "CPU s per image"),
        ],
        rows,
        command="python benchmarks/blackhole_rml.py --data FOLDER",
        coverage=FILE,
        seed=SEED,
    )


if __name__ == "__main__":
    main()

"""Error against contrast: the Born approximation and the full wave on simulated objects."""

import argparse
import time
from statistics import mean

import matplotlib.pyplot as plt
from common import RESULTS, prior_facts, report
from fullwave_common import born_lmaps, born_total_variation, error, simulated

from lmaps_science import LMAPS, load_prior

NAMES = ("Born, total variation", "Born, LMAPS", "full wave, LMAPS")


def main() -> None:
    """One row for each contrast, one plot."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--prior", default="shapes-64")
    p.add_argument("--cases", type=int, default=5)
    p.add_argument("--contrasts", type=float, nargs="+", default=[0.1, 0.2, 0.5, 1.0, 1.5, 2.0])
    options = p.parse_args()
    prior = load_prior(options.prior)
    rows, curves = [], {name: [] for name in NAMES}
    for contrast in options.contrasts:
        errors, seconds, misfits = {name: [] for name in NAMES}, [], []
        for operator, y, truth in simulated(options.cases, contrast):
            errors[NAMES[0]].append(error(born_total_variation(operator.born(), y, truth), truth))
            errors[NAMES[1]].append(error(born_lmaps(prior, operator, y, truth), truth))
            start = time.process_time()
            x = LMAPS(prior, operator)(y).mean
            seconds.append(time.process_time() - start)
            errors[NAMES[2]].append(error(operator.unnormalize(x), truth))
            misfits.append(float(operator.loss(x, y)) / operator.num_data)
        print(contrast, errors, flush=True)
        for name in NAMES:
            curves[name].append(mean(errors[name]))
        figures = [f"{mean(errors[name]):.3f} ({max(errors[name]):.3f})" for name in NAMES]
        rows.append([f"{contrast:g}", *figures, f"{mean(misfits):.2f}", f"{mean(seconds):.1f}"])

    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for name, marker in zip(NAMES, "s^o", strict=True):
        axes.plot(options.contrasts, curves[name], marker=marker, label=name)
    axes.set(xlabel="largest permittivity contrast", ylabel="relative error", ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(RESULTS / "fullwave_contrast.png", dpi=130)
    report(
        "fullwave_contrast",
        "Relative error of the contrast, mean (worst), one sample",
        ["contrast", *NAMES, "χ² per datum", "CPU s"],
        rows,
        prior=prior_facts(prior),
        objects=f"{options.cases} held-out shapes, 1, 2 and 4 GHz, 15 cm wide, noise 2 %, "
        "simulated on 128×128 and reconstructed on 64×64",
        weights="of total variation, and of the noise that Born's LMAPS is told: the best for "
        "each object",
    )


if __name__ == "__main__":
    main()

"""The measured dielectric cylinder, 1 to 8 GHz, gains unknown: where it is, how large, of what."""

import argparse
import time
from pathlib import Path

import numpy as np
from common import prior_facts, report
from numpy.typing import NDArray

from lmaps_science import LMAPS, load_prior
from lmaps_science.problems.scattering.data import read_measurement


def main() -> None:
    """One row for each sample, and one for their mean."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("file", type=Path, help="fresnel-cylinder.h5, from lmaps data get")
    p.add_argument("--prior", default="shapes-64")
    p.add_argument("--samples", type=int, default=2)
    p.add_argument("--steps", type=int)
    options = p.parse_args()
    prior = load_prior(options.prior)
    found = read_measurement(options.file, full_wave=True)
    operator, y = found.operator, found.y

    start = time.process_time()
    result = LMAPS(prior, operator, options.steps)(
        y,
        options.samples,
        lambda level: print(level.step, float(level.loss.mean()) / operator.num_data, flush=True),
    )
    seconds = time.process_time() - start
    images = {f"sample {k}": x for k, x in enumerate(result.samples[0])}
    images["mean"] = result.mean[0]
    rows = []
    for name, x in images.items():
        contrast = operator.unnormalize(x)[0].numpy()
        centre, diameter, permittivity = disc(contrast, operator.geometry.pixel_size)
        value = operator.forward(x[None])
        gains = operator.gain(value, y)[0].abs()
        chi2 = float(operator.loss(x[None], y)) / operator.num_data
        rows.append(
            [
                name,
                f"{1e3 * centre[0]:.1f}, {1e3 * centre[1]:.1f}",
                f"{1e3 * diameter:.1f}",
                f"{permittivity:.2f}",
                f"{chi2:.2f}",
                " ".join(f"{g:.0f}" for g in gains.tolist()),
            ]
        )
    report(
        "fullwave_cylinder",
        "Measured cylinder: centre near (0, 26) mm, diameter 30 mm, permittivity 3 ± 0.3",
        ["image", "centre mm (x, y)", "diameter mm", "permittivity", "χ² per datum", "gains"],
        rows,
        command="python benchmarks/fullwave_cylinder.py fresnel-cylinder.h5",
        prior=prior_facts(prior),
        cpu_seconds=round(seconds),
    )


def disc(contrast: NDArray, pixel_size: float) -> tuple[NDArray, float, float]:
    """Centre (x, y), diameter and permittivity of the one object in an image, metre.

    Its contrast is the median above half of the largest; its area that contrast's share of the
    sum; its centre the centroid.
    """
    top = np.sort(contrast.ravel())[-20:].mean()
    inside = contrast > top / 2
    plateau = np.median(contrast[inside])
    near = np.where(contrast > top / 10, contrast, 0)
    area = near.sum() / plateau * pixel_size**2
    y, x = (pixel_size * (np.arange(n) - n / 2) for n in contrast.shape)
    weight = near / near.sum()
    centre = np.array([(weight * x).sum(), (weight * y[:, None]).sum()])
    return centre, 2 * float(np.sqrt(area / np.pi)), 1 + float(plateau)


if __name__ == "__main__":
    main()

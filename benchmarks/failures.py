"""What happens when something is not as the file says, and what the summary then tells.

Inverse scattering, 64×64 pixels: each row spoils one thing, writes the file and reconstructs it as
`lmaps reconstruct scattering` does. Objects are the package's nuclei, or letters.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import torch
from common import RESULTS, prior_facts, report
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lmaps_science import load_prior, reconstruct
from lmaps_science.demo import nuclei
from lmaps_science.plot import save_images
from lmaps_science.problems import FullWaveScattering, InverseScattering
from lmaps_science.problems.scattering.data import write_measurement
from lmaps_science.problems.scattering.geometry import Geometry
from lmaps_science.problems.scattering.objects import simulate
from lmaps_science.result import Result

SIGMA, CONTRAST = 1e-4, 0.1
CELLS, LETTERS = nuclei()[:, :, 32:96, 32:96], "RK8"


class Case(NamedTuple):
    """What is wrong, how objects (count, 1, y, x) are measured, and what their file says."""

    name: str
    measure: Callable[[Tensor], Tensor]
    told: InverseScattering
    objects: Tensor = CELLS


def cases() -> list[Case]:
    """A sound measurement, then one fault at a time."""
    whole = Geometry.on_circle(64, num_receivers=60)
    few = Geometry.on_circle(64, num_transmitters=5, num_receivers=15)
    turned = replace(whole, receiver_positions=turn(whole.receiver_positions, degrees=2))
    longer = replace(whole, wavenumber=whole.wavenumber / 1.03)

    def born(
        geometry: Geometry, sigma: float = SIGMA, convention: str = "physical"
    ) -> InverseScattering:
        return InverseScattering.from_geometry(geometry, sigma, convention)

    sound, sparse = born(whole), born(few)
    weak = InverseScattering.from_geometry(whole, SIGMA * CONTRAST, contrast_scale=CONTRAST)
    full_wave = FullWaveScattering([whole], SIGMA * CONTRAST, CONTRAST)
    return [
        Case("nothing", by(sound), sound),
        Case("noise told 3× too small", by(sound), born(whole, SIGMA / 3)),
        Case("noise told 3× too large", by(sound), born(whole, SIGMA * 3)),
        Case("letters", by(sound), sound, letters()),
        Case("few data (5 × 15)", by(sparse), sparse),
        Case("few data, letters", by(sparse), sparse, letters()),
        Case("other convention told", by(sound), born(whole, convention="inversebench")),
        Case("receivers told 2° off", by(sound), born(turned)),
        Case("wavelength told 3 % off", by(sound), born(longer)),
        Case(
            "multiple scattering",
            lambda x: full_wave.sigmas[0] * by(full_wave)(x)[:, 0],
            weak,
        ),
    ]


def by(operator: InverseScattering | FullWaveScattering) -> Callable[[Tensor], Tensor]:
    """Measurements by an operator, with its noise."""
    return lambda images: simulate(images, operator)


def turn(positions: np.ndarray, degrees: float) -> np.ndarray:
    """Positions (n, 2) turned about the origin."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return positions @ np.array([[cos, sin], [-sin, cos]])


def letters(size: int = 64) -> Tensor:
    """White letters on black, (count, 1, y, x) in [-1, 1]."""
    images = []
    for letter in LETTERS:
        picture = Image.new("L", (size, size))
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(0.75 * size)
        draw.text((size / 2, size / 2), letter, 255, font, anchor="mm")
        images.append(np.flipud(np.asarray(picture)).copy())
    return torch.from_numpy(np.stack(images))[:, None].float() / 127.5 - 1


def run(case: Case, prior: str) -> list[Result]:
    """Each object from its file."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measurement.h5"
        for image, y in zip(case.objects, case.measure(case.objects), strict=True):
            write_measurement(path, case.told, y, case.told.unnormalize(image))
            results.append(reconstruct("scattering", path, prior=prior))
    return results


def figures(results: list[Result]) -> list[str]:
    """A row of the table."""
    summaries = [result.summary for result in results]
    spread = [s["spread"] for s in summaries]
    error = [np.abs(r.posterior_samples.mean(0) - r.truth).mean() for r in results]
    relative = [e / s["mean_std"] for e, s in zip(error, spread, strict=True)]
    return [
        f"{mean(s['metrics']['psnr'] for s in summaries):.1f}",
        f"{100 * mean(s['metrics']['nrmse'] for s in summaries):.0f} %",
        f"{mean(s['data_fit'] for s in summaries):.3g}",
        f"{mean(relative):.1f}",
        f"{100 * mean(s['coverage_90'] for s in spread):.0f} %",
        f"{sum('does not explain' in ' '.join(s['notes']) for s in summaries)} of {len(results)}",
    ]


def main() -> None:
    """One row a case, one picture of the first object of each."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--prior", default="cells-128")
    options = p.parse_args()
    rows, images = [], {}
    for case in cases():
        results = run(case, options.prior)
        rows.append([case.name, *figures(results)])
        print(rows[-1], {n for r in results for n in r.summary["notes"]}, flush=True)
        first = results[0]
        highest = 2 * first.measurement.operator.unnorm_scale
        images[case.name] = np.flipud(first.mean / highest)
    save_images(RESULTS / "failures.png", images, columns=5, vmin=0, vmax=1)
    report(
        "failures",
        "What is wrong, and what it does: mean over three objects",
        [
            "what is wrong",
            "PSNR, dB",
            "relative error",
            "χ² per datum",
            "error over spread",
            "truth within 90 %",
            "unexplained, says the summary",
        ],
        rows,
        prior=prior_facts(load_prior(options.prior)),
        objects="64×64 pixels, 20 transmitters and 60 receivers where not said, noise 1e-4; "
        f"multiple scattering: fields of the full wave at a contrast of {CONTRAST:g}, inverted "
        "by Born's",
        image="mean of eight samples; error and 90 % intervals: of eight posterior samples",
    )


if __name__ == "__main__":
    main()

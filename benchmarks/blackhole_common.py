"""What the studies of black holes share: the EHT's files, controls, and one way to image them."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science import LMAPS
from lmaps_science.imaging.blackhole import BlackHole, BlackHoleMeasurement
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole.controls import simulate
from lmaps_science.problems.blackhole.ring import Ring, circular_mean_std, measure_ring
from lmaps_science.solver import Level

FILES = {
    f"{day} {band}": f"SR1_M87_2017_{code}_{band}_hops_netcal_StokesI.uvfits"
    for day, code in (("5 April", "095"), ("11 April", "101"))
    for band in ("lo", "hi")
}
PROBLEM = BlackHole()


@dataclass(frozen=True)
class Outcome:
    """Samples of one measurement, judged as the command line judges them.

    Attributes
    ----------
    kept : Tensor
        (kept, 1, y, x) in [-1, 1].
    reasons : list of str
        Why a sample was dropped; empty where it was kept.
    phase, amplitude : ndarray
        χ² of closure phases and of log closure amplitudes of the kept samples.
    rings : list of Ring
        Of the kept samples.
    seconds : float
        Of sampling.
    """

    kept: Tensor
    reasons: list[str]
    phase: np.ndarray
    amplitude: np.ndarray
    rings: list[Ring]
    seconds: float

    @property
    def num_rings(self) -> int:
        """How many kept samples are a ring."""
        return sum(ring.is_ring for ring in self.rings)

    def diameter(self, corrected: bool = False) -> np.ndarray:
        """Ring diameters of the kept samples, µas."""
        name = "diameter_corrected_uas" if corrected else "diameter_uas"
        return np.array([getattr(ring, name) for ring in self.rings])

    def position_angle(self) -> tuple[float, float]:
        """Circular mean and standard deviation, degree."""
        return circular_mean_std([ring.position_angle_deg for ring in self.rings])


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every study takes."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--data", type=Path, required=True, help="folder of the EHT's UVFITS files")
    p.add_argument("--prior", default="blackhole-64")
    p.add_argument("--samples", type=int, default=16)
    return p


def read(data: Path, name: str) -> BlackHoleMeasurement:
    """One of `FILES`."""
    measurement = PROBLEM.read([data / FILES[name]], "cpu")
    assert isinstance(measurement, BlackHoleMeasurement)  # noqa: S101 - `read` made it
    return measurement


def seen(measurement: BlackHoleMeasurement, image: Tensor, seed: int) -> BlackHoleMeasurement:
    """A known source (1, 1, y, x) with the coverage and the noise of a measurement."""
    averaged = [simulate(part, image, seed=seed) for part in measurement.averaged]
    operator = BlackHoleImaging.from_observations(averaged, **measurement.settings)
    return BlackHoleMeasurement(operator, averaged, measurement.settings, image)


def image(
    measurement: BlackHoleMeasurement,
    prior: Preconditioned,
    samples: int = 16,
    **options: Any,  # noqa: ANN401 - of LMAPS
) -> Outcome:
    """Sample and judge; `options` are those of `LMAPS`."""
    last: list[Level] = []
    sampler = LMAPS(prior, measurement.operator, **options)
    start = time.perf_counter()
    run = sampler(measurement.y, samples, lambda level: last.append(level))
    seconds = time.perf_counter() - start
    x = run.samples[0]
    return outcome(measurement, x, PROBLEM.judge(measurement, x, last[-1]), seconds)


def outcome(
    measurement: BlackHoleMeasurement, x: Tensor, reasons: list[str], seconds: float
) -> Outcome:
    """`Outcome` of samples (count, 1, y, x)."""
    kept = x[torch.tensor([not why for why in reasons])]
    phase, amplitude = measurement.operator.chi_squared(kept, measurement.y)
    rings = [measure_ring(one) for one in kept]
    return Outcome(kept, reasons, phase.numpy(), amplitude.numpy(), rings, seconds)


def cells(result: Outcome) -> list[str]:
    """Kept, rings, diameter, corrected, position angle, χ², seconds."""
    count = len(result.reasons)
    if not len(result.kept):
        return [f"0/{count}", "0", "–", "–", "–", "–", "–", f"{result.seconds:.1f}"]
    angle, scatter = result.position_angle()
    diameter, corrected = result.diameter(), result.diameter(corrected=True)
    return [
        f"{len(result.kept)}/{count}",
        f"{result.num_rings}",
        f"{diameter.mean():.1f} ± {diameter.std():.1f}",
        f"{corrected.mean():.1f} ± {corrected.std():.1f}",
        f"{angle:.0f} ± {scatter:.0f}",
        f"{np.median(result.phase):.2f} ({result.phase.max():.2f})",
        f"{np.median(result.amplitude):.2f} ({result.amplitude.max():.2f})",
        f"{result.seconds:.1f}",
    ]


HEADER = [
    "kept", "rings", "diameter µas", "corrected µas", "PA °", "χ² phase (max)",
    "χ² log amplitude (max)", "s",
]  # fmt: skip

"""Sources on the sky, as the Event Horizon Telescope would see them."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lmaps_science.benchmark.cases import NUM_TUNING, Source, data_set_file, numbered, seed_of
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement


@dataclass(frozen=True)
class Sources(Source):
    """Drawn sources as the Event Horizon Telescope of April 2017 would see them.

    The options are `problems.blackhole.controls.simulate`'s; the noise is thermal, with station
    gains and phases that closures do not see.
    """

    compact_flux: float = 0.6
    fractional_error: float = 0.01
    gain_std: float = 0.2

    def cases(self) -> list[str]:
        """The controls: rings, and sources without one."""
        return list(_controls())

    def tuning_cases(self) -> list[str]:
        """Random sources of the population that priors are trained on."""
        return numbered("random", NUM_TUNING)

    def brightness(self, case: str) -> Tensor:
        """The source, (1, 1, y, x) in [-1, 1]."""
        from lmaps_science.problems.blackhole.population import EVERYTHING, draw

        if case in _controls():
            return _controls()[case]
        kinds = {name: share for name, share in EVERYTHING.items() if name != "simulation"}
        return draw(1, kinds, seed=seed_of(case))

    def measure(self, case: str, device: str) -> Measurement:
        """Noise and gains by the case's name."""
        from lmaps_science.imaging.blackhole import BlackHoleMeasurement
        from lmaps_science.problems.blackhole.array import observe
        from lmaps_science.problems.blackhole.controls import simulate
        from lmaps_science.problems.blackhole.operator import BlackHoleImaging

        image = self.brightness(case)
        seen = simulate(
            observe(), image, self.compact_flux, seed_of(case), self.gain_std, self.fractional_error
        )
        settings = {
            "compact_flux": self.compact_flux,
            "fractional_error": self.fractional_error,
            "device": device,
        }
        operator = BlackHoleImaging.from_observations([seen], **settings)
        total = operator.unnormalize(image)
        truth = self.compact_flux * total / total.sum()
        return BlackHoleMeasurement(operator, [seen], settings, truth)


@dataclass(frozen=True)
class Simulations(Sources):
    """Simulated black holes that no prior was trained on, from the set ``black-hole-models``."""

    count: int = 12

    def cases(self) -> list[str]:
        """Turned, scaled and shifted at random."""
        return numbered("simulation", self.count)

    def brightness(self, case: str) -> Tensor:
        """The two models left out; to tune, the package's own sources."""
        from lmaps_science.problems.blackhole.population import draw

        if not case.startswith("simulation"):
            return super().brightness(case)
        return draw(1, {"simulation": 1.0}, _models(self.mirror), seed_of(case))

    def provenance(self) -> dict[str, str]:
        """Of the models."""
        name = "black-hole-models"
        return {name: file_sha256(data_set_file(name, self.mirror))}


@lru_cache(maxsize=1)
def _controls() -> dict[str, Tensor]:
    from lmaps_science.problems.blackhole.controls import control_images

    return control_images()


@lru_cache(maxsize=1)
def _models(mirror: str | None) -> Tensor:
    from lmaps_science.problems.blackhole.population import read_models

    path = data_set_file("black-hole-models", mirror)
    return torch.stack(list(read_models(path, held_out=True).values()))

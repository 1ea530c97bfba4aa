"""Slices of heads, measured with simulated coils."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from lmaps_science.benchmark.cases import (
    NUM_TUNING,
    Source,
    data_set_file,
    index_of,
    numbered,
    seed_of,
)
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement


@dataclass(frozen=True)
class Head(Source):
    """The package's slices of a head, with simulated coils and lines left out."""

    acceleration: float = 4.0
    pattern: str = "random"
    calibration_lines: int | None = None
    num_coils: int = 8
    sigma_noise: float = 0.02

    def cases(self) -> list[str]:
        """All three."""
        return numbered("head", 3)

    def magnitude(self, case: str) -> np.ndarray:
        """The slice, (y, x)."""
        from lmaps_science.problems.mri.simulation import sample_slices

        return sample_slices()[index_of(case)]

    def measure(self, case: str, device: str) -> Measurement:
        """Phase, noise and lines by the case's name; the truth is the image without noise."""
        from lmaps_science.imaging.mri import MRIMeasurement
        from lmaps_science.problems.mri.formats.scan import Scan
        from lmaps_science.problems.mri.masks import line_mask
        from lmaps_science.problems.mri.preparation import prepare
        from lmaps_science.problems.mri.simulation import simulate_kspace

        image, seed = self.magnitude(case), seed_of(case)
        kspace = simulate_kspace(image, self.num_coils, self.sigma_noise, seed)
        mask = line_mask(
            image.shape, self.acceleration, self.pattern, seed, self.calibration_lines, "x"
        )
        prepared = prepare(kspace, mask, device=device)
        truth = torch.from_numpy(image)[None, None].to(device) / prepared.operator.unnorm_scale
        prepared = replace(prepared, truth=torch.cat([truth, torch.zeros_like(truth)], 1))
        scan = Scan(Path(case), "simulated", 1, ("",), lambda _slice, _contrast: kspace)
        return MRIMeasurement(prepared, scan, 0, 0, retrospective=True)


@dataclass(frozen=True)
class People(Head):
    """A middle slice of people of the set ``brain-slices`` that no prior was trained on."""

    def cases(self) -> list[str]:
        """The people left out."""
        return numbered("person", len(_people(True, self.mirror)))

    def tuning_cases(self) -> list[str]:
        """People of the training set."""
        return numbered("training-person", NUM_TUNING)

    def magnitude(self, case: str) -> np.ndarray:
        """The slice, (y, x), bright tissue about 1."""
        held_out = not case.startswith("training")
        return _people(held_out, self.mirror)[index_of(case)]

    def provenance(self) -> dict[str, str]:
        """Of the slices."""
        return {"brain-slices": file_sha256(data_set_file("brain-slices", self.mirror))}


@lru_cache(maxsize=2)
def _people(held_out: bool, mirror: str | None) -> np.ndarray:
    from lmaps_science.problems.mri.training_images import HELD_OUT

    with np.load(data_set_file("brain-slices", mirror)) as arrays:
        slices, subject = arrays["slices"], arrays["subject"]
    chosen = np.unique(subject[(subject % 10 == HELD_OUT) == held_out])
    middle = [slices[subject == one][(subject == one).sum() // 2] for one in chosen]
    return np.array(middle, dtype=np.float32) / np.quantile(middle, 0.995)

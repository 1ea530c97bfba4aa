"""Held-out cases of the three problems, with truth, for the studies of the spread.

Those to learn a calibration from (`learn`) come from training cells, training people and drawn
sources; those to judge it by (`judge`) from cells and people left out, from other drawn sources and
black-hole models left out, and from a real brain. No case is in both.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import blackhole_common
import common
import mri_common
import numpy as np
import torch
from blackhole_rings import ring
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science import LMAPS, load_prior
from lmaps_science.problems.blackhole.controls import control_images
from lmaps_science.problems.blackhole.ensemble import moved_onto
from lmaps_science.problems.blackhole.population import EVERYTHING, draw, read_models
from lmaps_science.problems.blackhole.ring import measure_ring
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare

SAMPLES = 8
DIAMETERS = ("diameter_uas", "diameter_corrected_uas")


@dataclass(frozen=True)
class Case:
    """One measurement of a known object, and what came back of it.

    Attributes
    ----------
    truth : ndarray
        What is displayed of it, (y, x).
    image : ndarray
        Mean of eight local MAPs, (y, x).
    modes, draws : ndarray
        Local MAPs and posterior samples, (samples, y, x).
    rings : ndarray
        Ring diameter, raw and corrected: of the truth, then of each local MAP (2, samples + 1);
        empty without a ring.
    drawn_rings : ndarray
        The same of the posterior samples, without the truth, (2, samples).
    """

    truth: NDArray
    image: NDArray
    modes: NDArray
    draws: NDArray
    rings: NDArray
    drawn_rings: NDArray

    @property
    def object(self) -> NDArray[np.bool_]:
        """Pixels brighter than a tenth of the range."""
        lowest = min(self.truth.min(), 0.0)
        return self.truth - lowest > 0.1 * (self.truth.max() - lowest)


Make = Callable[[], Case]
Kind = tuple[str, int]
"""Pattern and acceleration of sampled lines."""


def cached(folder: Path, makers: Iterator[tuple[str, Make]]) -> dict[str, Case]:
    """Cases by name; those that lie in `folder` are read, the others made and put there."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, make in makers:
        path = folder / f"{name}.npz"
        if not path.exists():
            case = make()
            np.savez_compressed(path, **{f.name: getattr(case, f.name) for f in fields(Case)})
            print(name, flush=True)
        with np.load(path) as stored:
            found[name] = Case(**stored)
    return found


def sampled(prior: Any, operator: Any, y: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """Local MAPs and posterior samples, (samples, channels, y, x) each."""
    modes, draws = (
        LMAPS(prior, operator, estimate=estimate)(y, SAMPLES).samples[0]
        for estimate in ("mode", "sample")
    )
    return modes, draws


def scattering(
    data: Path, split: str, count: int, pixels: int, receivers: Sequence[int]
) -> Iterator[tuple[str, Make]]:
    """Cells, `split` 'train' or 'test', seen by each number of receivers."""
    prior, none = load_prior("cells-128"), np.empty(0)
    measured = lru_cache(1)(
        lambda receivers: common.study(common.objects(data, split, count, pixels), receivers)
    )
    for sensors in receivers:
        for number in range(count):

            def make(sensors: int = sensors, number: int = number) -> Case:
                study = measured(sensors)
                modes, draws = (
                    x[:, 0].numpy() for x in sampled(prior, study.operator, study.y[number])
                )
                truth = study.truth[number, 0].numpy()
                return Case(truth, modes.mean(0), modes, draws, none, none)

            yield f"scattering-{split}-{pixels}-{sensors}-{number}", make


def brains(data: Path, held_out: bool) -> Iterator[tuple[str, Make]]:
    """Simulated scans of people, of little and of much noise, on as many pixels as the real one."""
    split, seed = ("judge", 0) if held_out else ("learn", 100)
    kinds = ((("random", 4), 0.004), (("random", 8), 0.02), (("every", 8), 0.004))
    for number, (kind, noise) in enumerate(kinds):
        image = mri_common.people(data, len(kinds), held_out)[number]

        def make(
            image: Tensor = image,
            kind: Kind = kind,
            noise: float = noise,
            seed: int = seed + number,
        ) -> Case:
            return brain(simulated_scan(image, *kind, noise, 96, seed))

        yield f"brain-{split}-{kind[0]}-{kind[1]}-{noise}", make


def simulated_scan(
    image: Tensor, pattern: str, acceleration: int, noise: float, size: int, seed: int
) -> PreparedSlice:
    """A scan of `size` pixels a side; its truth has no noise."""
    kspace, clean = (
        cropped(mri_common.simulated(image.numpy(), seed, noise=level), size)
        for level in (noise, 0.0)
    )
    mask = mri_common.lines(size, acceleration, pattern, seed)[None]
    seen, known = prepare(kspace, mask), prepare(clean, mask)
    assert known.truth is not None  # noqa: S101 - the k-space was complete
    return replace(
        seen, truth=known.operator.unnorm_scale / seen.operator.unnorm_scale * known.truth
    )


def cropped(kspace: NDArray, size: int) -> NDArray:
    """The centre of k-space: the same image on fewer pixels."""
    start = [(n - size) // 2 for n in kspace.shape[1:]]
    return kspace[:, start[0] : start[0] + size, start[1] : start[1] + size]


def real_brain(path: Path) -> Iterator[tuple[str, Make]]:
    """A real scan under twenty masks, whose truth is the image of all lines."""
    kspace = read_scan(path).kspace(0)
    kinds = [("random", 4), ("random", 6), ("random", 8), ("every", 4), ("every", 8)]
    for axis, kind, seed in itertools.product("xy", kinds, (0, 1)):

        def make(axis: str = axis, kind: Kind = kind, seed: int = seed) -> Case:
            mask = mri_common.lines(kspace.shape[2 if axis == "x" else 1], kind[1], kind[0], seed)
            return brain(prepare(kspace, mask[None] if axis == "x" else mask[:, None]))

        yield f"real-{axis}-{kind[0]}-{kind[1]}-{seed}", make


def brain(prepared: PreparedSlice, update: bool = True) -> Case:
    """Reconstruct a slice as the command line does, with its maps found again or as they are."""
    prior, none = load_prior("brain-128"), np.empty(0)
    prepared = mri_common.updated(prior, prepared) if update else prepared
    modes, draws = sampled(prior, prepared.operator, prepared.y)
    image = modes.mean(0, keepdim=True)
    assert prepared.truth is not None  # noqa: S101 - all cases have one
    truth, mean, *both = (
        torch.linalg.vector_norm(x, dim=1).numpy() for x in (prepared.truth, image, modes, draws)
    )
    return Case(truth[0], mean[0], *both, none, none)


def sources(eht: Path, models: Path, held_out: bool) -> Iterator[tuple[str, Make]]:
    """Drawn rings, drawn sources of all kinds and, held out, models that no prior has seen."""
    seed, split = (202, "judge") if held_out else (101, "learn")
    generator = torch.Generator().manual_seed(seed)
    known = torch.stack(list(read_models(models).values()))
    images = {f"ring-{k}": ring(generator) for k in range(3)}
    images |= {
        f"source-{k}": x[None] for k, x in enumerate(draw(2, EVERYTHING, known, 90000 + seed))
    }
    if held_out:
        left_out = read_models(models, held_out=True)
        every = control_images(models=left_out)
        images |= {name.removesuffix(".txt"): every[name] for name in left_out}
    observations = [blackhole_common.read(eht, name) for name in ("5 April lo", "11 April hi")]
    for number, (name, truth) in enumerate(images.items()):

        def make(truth: Tensor = truth, number: int = number) -> Case:
            return source(
                blackhole_common.seen(observations[number % 2], truth, seed=number), truth
            )

        yield f"blackhole-{split}-{name}", make


def source(measurement: Any, truth: Tensor) -> Case:  # noqa: ANN401
    """Reconstruct a source as the command line does; truth and draws where the image is."""
    prior, kind = load_prior("blackhole-64"), blackhole_common.PROBLEM
    outcomes = [
        blackhole_common.image(measurement, prior, SAMPLES, estimate=estimate)
        for estimate in ("mode", "sample")
    ]
    operator = measurement.operator
    modes, draws, known = (
        kind.physical(operator, x) for x in (outcomes[0].kept, outcomes[1].kept, truth)
    )
    image = modes.mean(0)
    true = measure_ring(truth[0])
    rings = [np.array([[getattr(r, d) for r in o.rings] for d in DIAMETERS]) for o in outcomes]
    exact = np.array([[getattr(true, d)] for d in DIAMETERS])
    return Case(
        moved_onto(image, known)[0],
        image,
        modes,
        moved_onto(image, draws),
        np.concatenate([exact, rings[0]], 1) if true.is_ring else np.empty(0),
        rings[1],
    )

"""One way to reconstruct: a method with its prior, applied to a measurement."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.calibration import quote
from lmaps_science.problem import Measurement, Problem
from lmaps_science.result import Result
from lmaps_science.samplers import Batched, Sampler, posterior_sampler
from lmaps_science.settings import settings_of
from lmaps_science.solver import LMAPS, Level
from lmaps_science.summary import spread_summary

_DRAFT_STEPS = 12


class Progress(NamedTuple):
    """What the callback of `reconstruct` receives after each noise level.

    Attributes
    ----------
    stage : str
        ``"image"`` or ``"spread"``, after the name of a control.
    step, num_steps : int
        Index of the level and number of levels.
    sigma : float
        Noise level.
    data_fit : float
        Chi squared per datum of the local MAP, mean over the samples.
    """

    stage: str
    step: int
    num_steps: int
    sigma: float
    data_fit: float


@dataclass(frozen=True)
class Recipe:
    """One way to reconstruct, for a measurement and its controls alike.

    Attributes
    ----------
    kind : Problem
        What was measured.
    method : str
        Name of the method, for the summary.
    make_sampler : callable
        Makes the method's sampler of (prior, operator, steps, seed).
    prior : Batched or None
        None for a method without one.
    samples : int
        Seeds.
    steps : int or None
        Noise levels; the method's default if None.
    seed : int
        Of everything random.
    spread : bool
        Whether to draw posterior samples.
    compare : bool
        Whether to reconstruct with the field's usual methods too.
    """

    kind: Problem
    method: str
    make_sampler: Callable[..., Sampler]
    prior: Batched | None
    samples: int
    steps: int | None
    seed: int
    spread: bool
    compare: bool = False

    def __call__(
        self,
        measurement: Measurement,
        name: str = "",
        callback: Callable[[Progress], None] | None = None,
    ) -> Result:
        """Image, spread and what is told of them; `name` is that of a control."""
        kind = self.kind
        if self.compare:
            kind.baselines(measurement)  # raises now what would be raised when the image is there
        if self.prior is not None:
            measurement = kind.refine(measurement, self._drafts(self.prior, name, callback))
        operator, y = measurement.operator, measurement.y
        scale = kind.misfit_scale(operator)
        last: list[Level] = []
        sampler = self.make_sampler(self.prior, operator, self.steps, self.seed)
        run = sampler(y, self.samples, _reporter(f"{name} image".strip(), scale, callback, last))
        reasons = _judge(kind, measurement, run.samples[0], last[-1] if last else None)
        kept, notes = _kept(run.samples[0], reasons)
        images = kind.physical(operator, kept)
        picture = images.mean(0)
        posterior = draws = None
        told: dict[str, Any] = {}
        if self.spread and self.prior is not None:
            draw = posterior_sampler(self.prior, operator, self.steps, self.seed)
            final: list[Level] = []
            report = _reporter(f"{name} spread".strip(), scale, callback, final)
            posterior = draw(y, max(self.samples, 2), report)
            x = posterior.samples[0]
            x, _ = _kept(x, _judge(kind, measurement, x, final[-1]))
            draws = kind.registered(kind.physical(operator, x), picture)
            told = kind.describe_spread(measurement, x)

        mean = kind.normalized(operator, picture)
        truth = None if measurement.truth is None else measurement.truth[0, 0].cpu().numpy()
        baselines, compared = self._baselines(measurement, truth) if self.compare else ({}, None)
        settings = settings_of(operator.problem)
        summary = {
            "problem": kind.name,
            "method": self.method,
            "num_samples": len(reasons),
            "kept_samples": reasons.count(""),
            "dropped_samples": len(reasons) - reasons.count(""),
            "dropped": [{"sample": k, "reason": why} for k, why in enumerate(reasons) if why],
            "num_steps": len(run.history["sigma"]),
            "seed": self.seed,
            "covariance": settings.mode_covariance if self.method == "lmaps" else None,
            "grid_shape": list(picture.shape),
            "sampling_seconds": sum(run.history["seconds"]),
            "denoiser_seconds": sum(run.history["denoiser_seconds"]),
            "data_fit": scale * float(operator.loss(mean, y)),
            "spread": None,
            "metrics": None if truth is None else kind.metrics(operator, picture, truth),
            "baselines": compared,
            **kind.describe(measurement, kept),
            "notes": notes,
        }
        std = None
        if draws is not None and posterior is not None:
            shown = kind.displayed(picture)
            quoted = quote(operator.problem, self.prior, kind.displayed(draws), summary)
            std = quoted.std
            there = None if truth is None else kind.registered(truth[None], shown)[0]
            summary["spread"] = spread_summary(settings, posterior, quoted, shown, there, told)
            notes.append(quoted.told)
        return Result(
            problem=kind,
            measurement=measurement,
            mean=picture,
            samples=images,
            std=std,
            posterior_samples=draws,
            truth=truth,
            residuals=kind.residuals(operator, mean, y),
            history={
                "sigma": run.history["sigma"],
                "data_fit": [scale * loss for loss in run.history["loss"]],
            },
            summary=summary,
            baselines=baselines,
        )

    def _drafts(
        self, prior: Batched, name: str, callback: Callable[[Progress], None] | None
    ) -> Callable[[Measurement, int], Tensor]:
        """Images of few levels, to refine the measurement with."""

        def draft(measurement: Measurement, number: int) -> Tensor:
            operator = measurement.operator
            scale = self.kind.misfit_scale(operator)
            report = _reporter(f"{name} draft {number + 1}".strip(), scale, callback, [])
            sampler = LMAPS(prior, operator, _DRAFT_STEPS, seed=self.seed + 100 + number)
            return sampler(measurement.y, 1, report).mean

        return draft

    def _baselines(
        self, measurement: Measurement, truth: NDArray | None
    ) -> tuple[dict[str, NDArray], list[dict[str, Any]]]:
        """Images of the usual methods, and what the summary tells of each."""
        kind, operator = self.kind, measurement.operator
        images, told = {}, []
        for name, solve in kind.baselines(measurement).items():
            started = time.perf_counter()
            x = solve()
            seconds = time.perf_counter() - started
            images[name] = kind.physical(operator, x)[0]
            told.append(
                {
                    "name": name,
                    "data_fit": kind.misfit_scale(operator)
                    * float(operator.loss(x, measurement.y)),
                    "metrics": None
                    if truth is None
                    else kind.metrics(operator, images[name], truth),
                    "seconds": seconds,
                }
            )
        return images, told


def _reporter(
    stage: str, scale: float, callback: Callable[[Progress], None] | None, last: list[Level]
) -> Callable[[Level], None]:
    """Keep the latest level in `last` and tell the callback of it."""

    def report(level: Level) -> None:
        last[:] = [level]
        if callback is not None:
            fit = scale * float(level.loss.mean())
            callback(Progress(stage, level.step, level.num_steps, level.sigma, fit))

    return report


def _judge(
    kind: Problem, measurement: Measurement, samples: Tensor, last: Level | None
) -> list[str]:
    """Why each sample (count, channels, y, x) is dropped; empty where it is kept."""
    finite = samples.flatten(1).isfinite().all(1).tolist()
    reasons = kind.judge(measurement, samples, last)
    return [why if ok else "not finite" for why, ok in zip(reasons, finite, strict=True)]


def _kept(samples: Tensor, reasons: list[str]) -> tuple[Tensor, list[str]]:
    """The samples without a reason against them; all finite ones, and a note, if there are none."""
    kept = torch.tensor([not why for why in reasons], device=samples.device)
    if kept.any():
        return samples[kept], []
    return _finite(samples), [
        f"no sample is to be trusted, of {len(reasons)}; the first: {reasons[0]}. The image shows "
        "them all the same"
    ]


def _finite(samples: Tensor) -> Tensor:
    """The samples (count, channels, y, x) that did not diverge."""
    kept = samples[samples.flatten(1).isfinite().all(1)]
    if len(kept) == 0:
        raise ValueError(
            "all samples diverged to NaN or infinity: use the exact solver (method 'lmaps'), or "
            "check the noise level in the file"
        )
    return kept

"""One task of a benchmark: a case solved by a method with a seed."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lmaps_science.benchmark.cases import make_source
from lmaps_science.benchmark.measuring import Calls, CountedPrior, counted, measured
from lmaps_science.benchmark.methods import find_method
from lmaps_science.benchmark.mixture import KnownPrior
from lmaps_science.benchmark.registry import find_kind
from lmaps_science.benchmark.statistics import LOWER_IS_BETTER
from lmaps_science.benchmark.suite import Group, Method
from lmaps_science.checks import check_prior
from lmaps_science.prior.checkpoint import load_prior
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.problem import Measurement
from lmaps_science.recipe import Recipe
from lmaps_science.result import Result

_BATCH = 16


class Task(NamedTuple):
    """Which case, method and seed; names as in the suite."""

    group: str
    case: str
    method: str
    seed: int

    def __str__(self) -> str:
        """For people."""
        return f"{self.group}: {self.case}, {self.method}, seed {self.seed}"


@dataclass(frozen=True)
class Site:
    """What may differ between machines without changing a result.

    Attributes
    ----------
    device : str
        Where to compute.
    threads : int
        Of a task.
    mirror : str or None
        Folder or address of public data sets.
    """

    device: str = "cpu"
    threads: int = 1
    mirror: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a task gives.

    Attributes
    ----------
    record : dict
        Settings and figures of merit, the same on every run.
    arrays : dict of str to ndarray
        ``image`` and, where it was drawn, ``std``, (y, x), in physical units; ``samples``,
        (samples, y, x), where they are what is judged.
    truth : ndarray or None
        (y, x).
    cost : dict
        What varies from run to run: seconds, memory, host, date.
    """

    record: dict[str, Any]
    arrays: dict[str, NDArray]
    truth: NDArray | None
    cost: dict[str, Any]


def run_task(
    group: Group, method: Method, case: str, seed: int, options: Mapping[str, Any], site: Site
) -> Outcome:
    """Solve a case.

    Parameters
    ----------
    group, method, case, seed
        What to solve.
    options : mapping
        Constants of the method, tuned ones among them.
    site : Site
        Where it runs.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError, ImportError, OSError
        If the method is not for the case, or something that it needs is missing.
    """
    torch.set_num_threads(site.threads)
    problem, kind = find_kind(group.problem), find_method(method.method)
    if kind.problems and group.problem not in kind.problems:
        raise ValueError(
            f"method {method.method!r} is for {' and '.join(kind.problems)}, not {group.problem}"
        )
    measurement = _measured(_key(group), case, site.device, site.mirror)
    prior = _prior(group.prior, measurement, site.device) if kind.uses_prior else None
    if prior is not None:
        check_prior(prior, measurement.operator, problem)
    calls = Calls()
    recipe = Recipe(
        problem,
        method.label,
        counted(partial(kind.make, **options), calls),
        None if prior is None else CountedPrior(prior, getattr(prior, "batch_size", _BATCH), calls),
        method.samples if kind.random else 1,
        method.steps,
        seed,
        method.spread,
    )
    with measured() as cost:
        result = recipe(measurement)
    record = {
        "problem": group.problem,
        "group": group.name,
        "case": case,
        "method": method.label,
        "seed": seed,
        **scores(result),
        "denoiser_calls": calls.denoiser,
        "operator_calls": calls.operator,
        "kept_samples": result.summary["kept_samples"],
        "num_samples": result.summary["num_samples"],
        "settings": {
            "method": method.method,
            "steps": method.steps,
            "options": dict(options),
            "prior": group.prior if kind.uses_prior else None,
            "prior_sha256": getattr(prior, "sha256", None),
        },
        "notes": result.summary["notes"],
    }
    cost |= {
        "sampling_seconds": result.summary["sampling_seconds"],
        "denoiser_seconds": result.summary["denoiser_seconds"],
    }
    arrays = {"image": result.mean} | ({} if result.std is None else {"std": result.std})
    if "of_samples" in result.summary:
        arrays["samples"] = result.samples
    return Outcome(record, arrays, result.truth, cost)


def scores(result: Result) -> dict[str, float | None]:
    """Figures of merit by name: against the truth, against the data, of the spread.

    None stands for what is not a finite number.
    """
    summary = result.summary
    found: dict[str, float] = {
        name: float(value)
        for name, value in (summary["metrics"] or {}).items()
        if not name.startswith("true_")
    }
    found["data_fit"] = float(summary["data_fit"])
    for name in ("chi2_closure_phase", "chi2_log_closure_amplitude"):
        if summary.get(name):
            found[name] = float(np.mean(summary[name]))
    found |= summary.get("of_samples", {})
    spread = summary["spread"]
    if spread is not None:
        found["mean_std"] = float(spread["mean_std"])
        if spread["coverage_90"] is not None:
            found["coverage_90"] = float(spread["coverage_90"])
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def is_random(method: Method) -> bool:
    """Whether its result depends on the seed."""
    return find_method(method.method).random


def tune(group: Group, method: Method, seed: int, site: Site) -> dict[str, Any]:
    """Try all combinations of constants on the group's tuning cases.

    Returns
    -------
    dict
        ``options`` (the best), ``cases``, ``metric``, ``points`` (each combination with its
        score) and ``at_the_edge``: constants whose best value is the first or last one tried.
    """
    cases = group.tuning_names(group.source(site.mirror))
    points: list[dict[str, Any]] = []
    for values in itertools.product(*method.tune.values()):
        chosen = dict(zip(method.tune, values, strict=True))
        options = {**method.options, **chosen}
        found = [
            run_task(group, method, case, seed, options, site).record[group.metric]
            for case in cases
        ]
        points.append({"options": chosen, group.metric: float(np.mean(found))})
    pick = min if group.metric in LOWER_IS_BETTER else max
    best = pick(points, key=lambda point: point[group.metric])["options"]
    return {
        "options": best,
        "cases": cases,
        "metric": group.metric,
        "points": points,
        "at_the_edge": [
            name
            for name, values in method.tune.items()
            if len(values) > 2 and best[name] in (values[0], values[-1])
        ],
    }


def _key(group: Group) -> str:
    """All that the group's measurements depend on, as text."""
    content = asdict(group)
    return json.dumps({k: content[k] for k in ("problem", "data", "options")}, sort_keys=True)


@lru_cache(maxsize=2)
def _measured(key: str, case: str, device: str, mirror: str | None) -> Measurement:
    # The tasks of a case follow each other.
    content = json.loads(key)
    return make_source(**content, mirror=mirror).measure(case, device)


def _prior(name: str, measurement: Any, device: str) -> Any:  # noqa: ANN401
    return measurement.prior if name == KnownPrior.name else _loaded(name, device, _changed(name))


@lru_cache(maxsize=2)
def _loaded(name: str, device: str, _changed: int) -> Preconditioned:
    return load_prior(name, device=device)


def _changed(name: str) -> int:
    """When a prior's file was changed; 0 of an installed one."""
    path = Path(name)
    return path.stat().st_mtime_ns if path.is_file() else 0

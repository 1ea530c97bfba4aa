"""Images of a benchmark's cases beside each other: truth, each method, error, spread."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmaps_science.benchmark.figures import png
from lmaps_science.benchmark.registry import find_kind
from lmaps_science.benchmark.statistics import LOWER_IS_BETTER
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Group
from lmaps_science.benchmark.table import Row, per_case
from lmaps_science.benchmark.task import Task
from lmaps_science.plot import ERROR_MAP
from lmaps_science.problem import Problem
from lmaps_science.report import data_uri

_BRIGHTEST = 0.998
"""Quantile of errors that ends their scale: a few pixels would hide all others."""


class Picture(NamedTuple):
    """An image in the page.

    Attributes
    ----------
    kind : str
        ``image``, ``error`` or ``spread``.
    address : str
        Data URI.
    """

    kind: str
    address: str


class Scale(NamedTuple):
    """What the colours of a case's pictures mean.

    Attributes
    ----------
    name, color_map : str
        Of which pictures, and in which colours.
    low, high : float
        In the problem's quantity.
    """

    name: str
    color_map: str
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """The pictures of the truth, or of a method.

    Attributes
    ----------
    title : str
        Whose.
    row : mapping or None
        The method's result; None for the truth.
    pictures : list of Picture
        Top to bottom.
    """

    title: str
    row: Row | None
    pictures: list[Picture]


@dataclass(frozen=True)
class Case:
    """A case in the gallery.

    Attributes
    ----------
    name, standing : str
        And how well it went compared with the others.
    panels : list of Panel
        The truth first, where it is known.
    scales : list of Scale
        Of images, and of errors and spreads.
    """

    name: str
    standing: str
    panels: list[Panel]
    scales: list[Scale]


def gallery(store: Store, group: Group, rows: Sequence[Row], limit: int) -> list[Case]:
    """Some cases of a group, from the best to the worst.

    Parameters
    ----------
    store : Store
        That holds their images.
    group : Group
        Of which.
    rows : sequence of Row
        Its results.
    limit : int
        How many cases at most.
    """
    problem = find_kind(group.problem)
    cases = []
    for name, standing in chosen(group, rows, limit):
        of_case = [row for row in rows if row["case"] == name]
        case = _case(store, problem, name, standing, of_case)
        if case is not None:
            cases.append(case)
    return cases


def chosen(group: Group, rows: Sequence[Row], limit: int) -> list[tuple[str, str]]:
    """Names of the cases to show and their standing, by the metric of the first method."""
    first = rows[0]["method"]
    score = per_case([row for row in rows if row["method"] == first], group.metric)
    unknown = [case for case in dict.fromkeys(row["case"] for row in rows) if case not in score]
    sign = 1 if group.metric in LOWER_IS_BETTER else -1
    ranked = sorted(score, key=lambda case: sign * score[case])
    if not ranked:
        return [(case, "") for case in unknown[:limit]]
    places = np.unique(np.linspace(0, len(ranked) - 1, min(limit, len(ranked))).round().astype(int))
    return [(ranked[k], _standing(k, len(ranked))) for k in places]


def _standing(place: int, count: int) -> str:
    if count == 1:
        return ""
    if place in (0, count - 1):
        return f"the {'best' if place == 0 else 'worst'} of {count}"
    return f"number {place + 1} of {count}"


def _case(
    store: Store, problem: Problem, name: str, standing: str, rows: Sequence[Row]
) -> Case | None:
    """The first seed of each method; None where no image was kept."""
    results = {row["method"]: row for row in reversed(rows) if row["settings"]["method"] != "empty"}
    arrays = {
        method: store.arrays(Task(row["group"], name, method, row["seed"]))
        for method, row in reversed(results.items())
    }
    stored = store.truth(rows[0]["group"], name)
    truth = None if stored is None else problem.displayed(stored)
    shown = {
        method: _shown(problem, found["image"], found.get("std"), truth)
        for method, found in arrays.items()
        if "image" in found
    }
    if not shown:
        return None
    scales = _scales(problem, truth, shown.values())
    panels = [
        Panel(method, results[method], _pictures(images, scales, problem.origin))
        for method, images in shown.items()
    ]
    if truth is not None:
        panels.insert(0, Panel("Truth", None, _pictures({"image": truth}, scales, problem.origin)))
    return Case(name, standing, panels, scales)


def _shown(
    problem: Problem, image: NDArray, std: NDArray | None, truth: NDArray | None
) -> dict[str, NDArray]:
    """The pictures of a method by kind."""
    shown = {"image": problem.displayed(image)}
    if truth is not None:
        shown["error"] = np.abs(problem.registered(shown["image"][None], truth)[0] - truth)
    if std is not None:
        shown["spread"] = std
    return shown


def _scales(
    problem: Problem, truth: NDArray | None, shown: Collection[Mapping[str, NDArray]]
) -> list[Scale]:
    """The truth's range, and that of the errors of a method in the middle."""
    images = [truth] if truth is not None else [found["image"] for found in shown]
    lowest, highest = min(map(np.min, images)), max(map(np.max, images))
    scales = [Scale("image", problem.color_map, min(0.0, float(lowest)), float(highest))]
    kind = "error" if truth is not None else "spread"
    brightest = [np.quantile(found[kind], _BRIGHTEST) for found in shown if kind in found]
    if brightest:
        name = " and ".join(k for k in ("error", "spread") if any(k in found for found in shown))
        scales.append(Scale(name, ERROR_MAP, 0.0, float(np.median(brightest))))
    return scales


def _pictures(images: Mapping[str, NDArray], scales: Sequence[Scale], origin: str) -> list[Picture]:
    return [
        Picture(kind, data_uri(png(image, scale[2:], scale.color_map, origin), "png"))
        for kind, image in images.items()
        for scale in scales
        if kind in scale.name
    ]

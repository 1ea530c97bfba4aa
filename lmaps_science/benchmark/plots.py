"""Figures of merit against costs and settings, for the page of a benchmark."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lmaps_science.benchmark.figures import Curve, draw_curves, in_the_dark
from lmaps_science.benchmark.formats import NAMES
from lmaps_science.benchmark.scans import Run, scans
from lmaps_science.benchmark.statistics import Estimate
from lmaps_science.benchmark.suite import Group
from lmaps_science.benchmark.table import Line, Table
from lmaps_science.report import data_uri

_COSTS = {"seconds": "seconds", "denoiser_calls": "denoiser calls"}


class Plot(NamedTuple):
    """A plot in the page.

    Attributes
    ----------
    caption : str
        What it shows.
    light, dark : str
        Data URIs, one for each colour scheme.
    """

    caption: str
    light: str
    dark: str


def plots(group: Group, table: Table) -> list[Plot]:
    """The group's metric over what it costs, and over each setting that is varied."""
    empty = {method.label for method in group.methods if method.method == "empty"}
    lines = {
        line.method: line
        for line in table.lines
        if table.metric in line.metrics and line.method not in empty
    }
    if not lines:
        return []
    first = table.lines[0].method
    found = scans([method for method in group.methods if method.label in lines])
    joined = found.get("steps") or next(iter(found.values()), [])
    name = NAMES.get(table.metric, table.metric)
    over = {
        title: list(_over_cost(lines, joined, cost, table.metric, first))
        for cost, title in _COSTS.items()
    } | {
        setting.replace("_", " "): list(_over_setting(lines, runs, table.metric, first))
        for setting, runs in found.items()
    }
    return [
        _plot(curves, x_name, name)
        for x_name, curves in over.items()
        if len({x.mean for curve in curves for x, _ in curve.points}) > 1
    ]


def _over_cost(
    lines: Mapping[str, Line], runs: Sequence[Run], cost: str, metric: str, first: str
) -> Iterator[Curve]:
    """A curve for each run and each other method; a level for those without the cost."""
    single = dict.fromkeys(lines)
    for run in runs:
        for method in run.methods.values():
            del single[method]
    named = [(run.label, list(run.methods.values())) for run in runs]
    for label, members in [*named, *((method, [method]) for method in single)]:
        points = [(lines[m].costs[cost], lines[m].metrics[metric]) for m in members]
        costly = [(x, y) for x, y in points if x.mean > 0]
        level = None if costly else points[0][1].mean
        yield Curve(label, costly, level, first in members)


def _over_setting(
    lines: Mapping[str, Line], runs: Sequence[Run], metric: str, first: str
) -> Iterator[Curve]:
    """A curve for each run, and the level of the method that others are compared with."""
    for run in runs:
        points = [
            (Estimate(value, None, 1), lines[method].metrics[metric])
            for value, method in run.methods.items()
            if value > 0
        ]
        if points:
            yield Curve(run.label, points, first=first in run.methods.values())
    if first in lines and all(first not in run.methods.values() for run in runs):
        yield Curve(first, (), lines[first].metrics[metric].mean, first=True)


def _plot(curves: Sequence[Curve], x_name: str, y_name: str) -> Plot:
    svg = draw_curves(curves, x_name, y_name)
    return Plot(
        f"{y_name} over {x_name}, mean over cases ± standard error",
        data_uri(svg, "svg+xml"),
        data_uri(in_the_dark(svg), "svg+xml"),
    )

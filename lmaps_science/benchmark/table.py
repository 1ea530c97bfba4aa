"""Tables of results: one for each group of comparable cases, never across groups."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lmaps_science.benchmark.statistics import Difference, Estimate, difference, estimate
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Group

Row = Mapping[str, Any]
"""A result: problem, group, case, method, seed, metrics, calls, and what varies between runs."""

_KEYS = ("problem", "group", "case", "method", "seed")
COSTS = ("denoiser_calls", "operator_calls", "seconds", "peak_memory_mib")
"""Columns that tell what a method needs, not how good it is."""

_OTHER = (
    *_KEYS, *COSTS, "settings", "notes", "kept_samples", "num_samples", "date", "cpu_seconds",
    "sampling_seconds", "denoiser_seconds", "host", "host_versions",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A method in the table of a group.

    Attributes
    ----------
    method : str
        Its label.
    cases : int
        How many it has results of.
    metrics, costs : dict of str to Estimate
        Means over cases, each of which is the mean over seeds.
    ahead : Difference or None
        The group's metric minus that of the first method on the same cases; None for the first.
    """

    method: str
    cases: int
    metrics: dict[str, Estimate]
    costs: dict[str, Estimate]
    ahead: Difference | None


@dataclass(frozen=True)
class Table:
    """The results of a group.

    Attributes
    ----------
    title, caption : str
        Its name, and how its cases were measured.
    metric : str
        By which methods are compared.
    lines : list of Line
        A method each, in the order of the suite.
    missing : int
        Results of the suite that are not there.
    """

    title: str
    caption: str
    metric: str
    lines: list[Line]
    missing: int


def tables(store: Store, rows: Sequence[Row]) -> list[Table]:
    """A table for each group that has results.

    Rows of InverseBench join a group that measures as they were measured; those that join none
    have tables of their own, see `foreign_tables`.
    """
    of_group: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_group[row["group"]].append(row)
    return [
        table_of(group, found, _missing(store, group, found))
        for group in store.suite.groups
        if (found := of_group[group.name])
    ]


def _missing(store: Store, group: Group, rows: Sequence[Row]) -> int:
    labels = {method.label for method in group.methods}
    return len(store.expected(group)) - sum(row["method"] in labels for row in rows)


def joined(store: Store, foreign: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows of InverseBench, in the group of a store that has their settings and their prior."""
    groups = [(group, group.source().measured()) for group in store.suite.groups]
    rows = []
    for row in foreign:
        settings = row["settings"]["measured"]
        group = next(
            (
                group.name
                for group, measured in groups
                if measured is not None
                and group.problem == row["problem"]
                and Path(group.prior).stem == Path(str(row["settings"]["prior"])).stem
                and row["case"] in store.settings["cases"][group.name]
                and all(settings.get(key) == value for key, value in measured.items())
            ),
            row["group"],
        )
        rows.append({**row, "group": group})
    return rows


def foreign_tables(rows: Sequence[Row], known: Iterable[str] = ()) -> list[Table]:
    """A table for each group of InverseBench's rows but those that are `known`."""
    names = dict.fromkeys(row["group"] for row in rows)
    found = []
    for name in (n for n in names if n not in set(known)):
        of_it = [row for row in rows if row["group"] == name]
        first = of_it[0]
        group = Group(name, first["problem"], "InverseBench", str(first["settings"]["prior"]), ())
        found.append(table_of(group, of_it))
    return found


def table_of(group: Group, rows: Sequence[Row], missing: int = 0) -> Table:
    """The table of a group's rows; methods that the suite does not know come last."""
    metrics = metric_names(rows)
    labels = dict.fromkeys([m.label for m in group.methods] + [row["method"] for row in rows])
    by_method = {label: [row for row in rows if row["method"] == label] for label in labels}
    found = {label: of_it for label, of_it in by_method.items() if of_it}
    first = per_case(next(iter(found.values())), group.metric)
    lines = [
        Line(
            label,
            len({row["case"] for row in of_it}),
            _estimates(of_it, metrics),
            _estimates(of_it, COSTS),
            None if number == 0 else difference(per_case(of_it, group.metric), first),
        )
        for number, (label, of_it) in enumerate(found.items())
    ]
    return Table(group.name, caption(group), group.metric, lines, missing)


def metric_names(rows: Iterable[Row]) -> list[str]:
    """Figures of merit that any row has."""
    return list(dict.fromkeys(key for row in rows for key in row if key not in _OTHER))


def per_case(rows: Iterable[Row], name: str) -> dict[str, float]:
    """A figure's mean over seeds by case, without cases that lack it."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.get(name) is not None:
            values[row["case"]].append(row[name])
    return {case: float(np.mean(v)) for case, v in values.items()}


def caption(group: Group) -> str:
    """How a group's cases were measured, and by which prior they are reconstructed."""
    options = ", ".join(f"{key} {value}" for key, value in group.options.items())
    measured = f"{group.data} ({options})" if options else group.data
    return f"{group.problem}, data {measured}, prior {group.prior}"


def _estimates(rows: Sequence[Row], names: Iterable[str]) -> dict[str, Estimate]:
    values = {name: list(per_case(rows, name).values()) for name in names}
    return {name: estimate(v) for name, v in values.items() if v}

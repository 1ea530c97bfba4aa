"""What the page of a benchmark says of each group."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lmaps_science.benchmark.formats import NAMES, cells, columns, footnote, header, shown
from lmaps_science.benchmark.gallery import Case, Panel, gallery
from lmaps_science.benchmark.plots import Plot, plots
from lmaps_science.benchmark.registry import find_kind
from lmaps_science.benchmark.statistics import Estimate
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Group, Method
from lmaps_science.benchmark.table import COSTS, Line, Row, Table
from lmaps_science.calibration import THE_SPREAD

_SHOWN_ROWS = 1000
_SHOWN_NOTES = 8
_NOMINAL, _TOLERANCE = 0.9, 0.05
"""Share of truths that a 90 % interval holds, and how far off a calibrated spread may be."""

_OF_SPREAD = ("mean_std", "coverage_90")


class Cell(NamedTuple):
    """Text in a table or below a picture, and what to warn of beside it."""

    text: str
    warning: str = ""


class Grid(NamedTuple):
    """A table of the page.

    Attributes
    ----------
    name : str
        For those who cannot see it.
    titles : dict of str to bool
        Of the columns, and whether they hold numbers.
    rows : list of list of Cell
        Of which the first says what the row is about.
    """

    name: str
    titles: dict[str, bool]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Section:
    """All that the page says of a group.

    Attributes
    ----------
    table : Table
        Of which.
    methods, results, settings : Grid
        A row for each method, for each result, and for each method's constants.
    num_results : int
        Of which `results` holds the first.
    footnote : str
        Of `methods`.
    notes : list of str
        What to know before trusting it.
    plots : list of Plot
        The metric over costs and settings.
    gallery : list of Case
        Some cases in pictures.
    gallery_note : str
        Which, and what they show.
    quantity : str
        Of the pictures.
    """

    table: Table
    methods: Grid
    results: Grid
    settings: Grid
    num_results: int
    footnote: str
    notes: list[str]
    plots: list[Plot]
    gallery: list[Case]
    gallery_note: str
    quantity: str

    def caption(self, panel: Panel) -> list[str]:
        """What stands below a method's image and error."""
        return self._told(panel, lambda name: name not in _OF_SPREAD)

    def spread_caption(self, panel: Panel) -> list[str]:
        """What stands below its spread."""
        notes = panel.row["notes"] if panel.row else []
        told = [note for note in notes if note.startswith(THE_SPREAD)]
        return self._told(panel, lambda name: name in _OF_SPREAD) + told

    def _told(self, panel: Panel, wanted: Callable[[str], bool]) -> list[str]:
        row, names = panel.row or {}, columns(self.table)
        metrics = [name for name in names if name not in COSTS and wanted(name)]
        return [_told(name, row[name]) for name in metrics if row.get(name) is not None]

    def spread_warning(self, panel: Panel) -> str:
        """What to know of it."""
        return next(spread_warning(x) for x in self.table.lines if x.method == panel.title)


def section(
    store: Store, group: Group, table: Table, rows: Sequence[Row], shown_cases: int
) -> Section:
    """The section of a group.

    Parameters
    ----------
    store : Store
        That holds the images.
    group : Group
        Of which.
    table : Table
        Of its results.
    rows : sequence of Row
        Its results.
    shown_cases : int
        How many cases to show in pictures, at most.
    """
    pictures = gallery(store, group, rows, shown_cases)
    return Section(
        table,
        _methods(table),
        _results(table, rows[:_SHOWN_ROWS]),
        _settings(store, group),
        len(rows),
        footnote(table),
        [*_notes(store, group, table, rows)],
        plots(group, table),
        pictures,
        _gallery_note(table, rows, len(pictures)),
        find_kind(group.problem).quantity,
    )


def spread_warning(line: Line) -> str:
    """Why not to trust the width of a method's spread; empty if it has none, or a good one."""
    if "mean_std" not in line.metrics:
        return ""
    if "coverage_90" not in line.metrics:
        return "spread not checked against a truth"
    excess = line.metrics["coverage_90"].mean - _NOMINAL
    if abs(excess) <= _TOLERANCE:
        return ""
    return f"spread not calibrated here: too {'wide' if excess > 0 else 'narrow'}"


def _methods(table: Table) -> Grid:
    """The table as text tells it, the difference beside what it is of."""
    titles = header(table)
    metric, spread = (
        [k for k, title in enumerate(titles) if title in {NAMES.get(name, name) for name in names}]
        for names in ([table.metric], _OF_SPREAD)
    )
    *order, ahead = range(len(titles))
    order.insert(metric[0] + 1 if metric else len(order), ahead)
    rows = [
        [Cell(texts[k], spread_warning(line) if k in spread[-1:] else "") for k in order]
        for line, texts in zip(table.lines, cells(table), strict=True)
    ]
    return Grid(f"Methods, {table.title}", _numeric([titles[k] for k in order], 1), rows)


def _results(table: Table, rows: Sequence[Row]) -> Grid:
    names = columns(table)
    titles = ["method", "case", "seed", *(NAMES.get(name, name) for name in names), "kept samples"]
    content = [
        [
            Cell(row["method"]),
            Cell(row["case"]),
            Cell(f"{row['seed']}"),
            *(Cell(_value(name, row.get(name))) for name in names),
            Cell(f"{row['kept_samples']} of {row['num_samples']}"),
        ]
        for row in rows
    ]
    return Grid(f"Results, {table.title}", _numeric(titles, 2), content)


def _settings(store: Store, group: Group) -> Grid:
    rows = [
        [
            Cell(method.label),
            Cell(method.method),
            Cell("default" if method.steps is None else f"{method.steps}"),
            Cell(f"{method.samples}"),
            Cell(", ".join(f"{k} {v}" for k, v in method.options.items())),
            Cell(_tuned(method, store.tuned(group.name, method.label))),
        ]
        for method in group.methods
    ]
    titles = ["method", "kind", "noise levels", "samples", "constants", "tuned"]
    numeric = {title: title in ("noise levels", "samples") for title in titles}
    return Grid(f"Settings, {group.name}", numeric, rows)


def _numeric(titles: Sequence[str], words: int) -> dict[str, bool]:
    """All but the first columns hold numbers."""
    return {title: k >= words for k, title in enumerate(titles)}


def _tuned(method: Method, found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    chosen = ", ".join(f"{k} {v} of {list(method.tune[k])}" for k, v in found["options"].items())
    return f"{chosen}, on {', '.join(found['cases'])}"


def _value(name: str, value: float | None) -> str:
    return shown(name, None if value is None else Estimate(value, None, 1))


def _told(name: str, value: float) -> str:
    """A figure of merit in words: PSNR 30.12 dB."""
    title, _, unit = NAMES.get(name, name).partition(", ")
    return f"{title} {_value(name, value)} {unit}".rstrip()


def _gallery_note(table: Table, rows: Sequence[Row], count: int) -> str:
    total, first = len({row["case"] for row in rows}), table.lines[0]
    which = f"{count} of {total} cases"
    if total > count and table.metric in first.metrics:
        metric = NAMES.get(table.metric, table.metric).partition(",")[0]
        which += f", evenly spaced by {metric} of {first.method} from the best to the worst"
    left_out = f"; {total - count} are not shown" if total > count else ""
    return (
        f"{which}{left_out}. Each method's first seed; below its image the absolute error and, "
        "where it was drawn, the spread. All methods of a case share the scale of images, which "
        "is the truth's, and that of errors, which ends with the brightest of the method in the "
        "middle."
    )


def _notes(store: Store, group: Group, table: Table, rows: Sequence[Row]) -> Iterator[str]:
    for line in table.lines:
        if warning := spread_warning(line):
            yield f"{line.method}: {warning}{_covered(line)}."
    without = [m.label for m in group.methods if m.label not in {x.method for x in table.lines}]
    if without:
        yield f"No results of {', '.join(without)}."
    hosts = {row["host"] for row in rows}
    if len(hosts) > 1:
        yield f"Seconds and memory are of {len(hosts)} machines, and not to be compared."
    for method in group.methods:
        found = store.tuned(group.name, method.label) or {"at_the_edge": []}
        for name in found["at_the_edge"]:
            yield (
                f"{method.label}: {name} {found['options'][name]} was the best of the values tried "
                "and lies at their edge; beyond it may be a better one."
            )
    told: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        for note in row["notes"]:
            told[note][row["method"]] = None
    for note, methods in list(told.items())[:_SHOWN_NOTES]:
        yield f"{', '.join(methods)}: {note}."
    if len(told) > _SHOWN_NOTES:
        yield f"{len(told) - _SHOWN_NOTES} more notes are with the results."


def _covered(line: Line) -> str:
    coverage = line.metrics.get("coverage_90")
    if coverage is None:
        return ""
    return f", its 90 % intervals hold the truth in {100 * coverage.mean:.0f} % of the pixels"

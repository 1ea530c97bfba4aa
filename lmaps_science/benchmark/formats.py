"""Tables and rows as text, Markdown, LaTeX, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from lmaps_science.benchmark.statistics import Difference, Estimate
from lmaps_science.benchmark.table import COSTS, Row, Table

Format = Callable[[Sequence[Table], Sequence[Row]], str]

NAMES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    **{f"blur_psnr_{f}uas": f"blurred to {f} µas, dB" for f in (10, 15, 20)},
    "nrmse": "relative error",
    "nmse": "relative squared error",
    "data_fit": "χ² per datum",
    "chi2_closure_phase": "χ² phases",
    "chi2_log_closure_amplitude": "χ² log amplitudes",
    "coverage_90": "truth in 90 % interval",
    "mean_std": "mean spread",
    "sliced_wasserstein": "distance to posterior",
    "weight_error": "error of weights",
    "at_global_map": "at global MAP",
    "below_map": "log density below MAP",
    "denoiser_calls": "denoiser calls",
    "operator_calls": "operator calls",
    "seconds": "s",
    "peak_memory_mib": "peak MiB",
}
"""What columns are called."""


def header(table: Table) -> list[str]:
    """Names of the columns of `cells`."""
    return ["method", "cases", *(NAMES.get(name, name) for name in columns(table)), "ahead"]


def cells(table: Table) -> list[list[str]]:
    """The table as text, a list for each method."""
    return [
        [
            line.method,
            str(line.cases),
            *(shown(name, (line.metrics | line.costs).get(name)) for name in columns(table)),
            _ahead(line.ahead),
        ]
        for line in table.lines
    ]


def columns(table: Table) -> list[str]:
    """The figures of merit, then the costs, that any of the table's methods has."""
    merits = [name for line in table.lines for name in line.metrics]
    costs = [name for line in table.lines for name in line.costs]
    return list(dict.fromkeys(merits + costs))


def shown(name: str, value: Estimate | None) -> str:
    """A figure of merit or a cost as text."""
    if value is None:
        return "–"
    digits = _digits(name, value.mean)
    mean = f"{value.mean:.{digits}f}"
    if value.error is None or name in COSTS:
        return mean
    return f"{mean} ± {value.error:.{digits}f}"


def _digits(name: str, mean: float) -> int:
    """After the point: what is told of decibels, counts and seconds; else three that count."""
    if name in COSTS:
        return 2 if name == "seconds" else 0
    if "psnr" in name:
        return 2
    size = 0 if mean == 0 else math.floor(math.log10(abs(mean)))
    return min(max(2 - size, 0), 3 if size > -2 else 8)


def _ahead(value: Difference | None) -> str:
    if value is None:
        return ""
    if value.low is None or value.high is None:
        return f"{value.mean:+.2f}"
    return f"{value.mean:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"


def _as(style: str, heading: str) -> Format:
    def render(found: Sequence[Table], _rows: Sequence[Row]) -> str:
        from tabulate import tabulate

        def one(table: Table) -> str:
            grid = tabulate(cells(table), header(table), style, disable_numparse=True)
            told = f"{table.caption}. {footnote(table)}"
            return "\n".join([heading.format(title=table.title), "", grid, "", told])

        return "\n\n".join(one(table) for table in found) + "\n"

    return render


def footnote(table: Table) -> str:
    """How to read the table."""
    metric = NAMES.get(table.metric, table.metric)
    intervals = any(line.ahead and line.ahead.low is not None for line in table.lines)
    told = (
        f"Mean over cases ± standard error; ahead: {metric} minus that of "
        f"{table.lines[0].method} on the same cases"
        + (", bootstrap interval of 95 %." if intervals else ".")
    )
    return told + (f" {table.missing} results are missing." if table.missing else "")


def _json(found: Sequence[Table], rows: Sequence[Row]) -> str:
    content = {"rows": rows, "tables": [_table_to_dict(table) for table in found]}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _table_to_dict(table: Table) -> dict[str, Any]:
    lines = [
        {
            "method": line.method,
            "cases": line.cases,
            **{name: _rounded(value) for name, value in {**line.metrics, **line.costs}.items()},
            "ahead": None if line.ahead is None else line.ahead._asdict(),
        }
        for line in table.lines
    ]
    return {
        "title": table.title,
        "caption": table.caption,
        "metric": table.metric,
        "missing": table.missing,
        "lines": lines,
    }


def _rounded(value: Estimate) -> dict[str, float | None]:
    return {"mean": value.mean, "standard_error": value.error}


def _csv(_found: Sequence[Table], rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()}
        )
    return text.getvalue()


FORMATS: dict[str, Format] = {
    "text": _as("simple", "{title}"),
    "markdown": _as("github", "## {title}"),
    "latex": _as("latex_booktabs", "% {title}"),
    "csv": _csv,
    "json": _json,
}
"""By name: text of tables and rows. CSV and JSON hold every row."""

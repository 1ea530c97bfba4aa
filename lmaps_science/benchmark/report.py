"""The report of a benchmark: one self-contained HTML page."""

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import resources

from lmaps_science.benchmark.figures import gradient
from lmaps_science.benchmark.sections import section
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Suite
from lmaps_science.benchmark.suite_file import list_suites, read_suite
from lmaps_science.benchmark.table import Row, tables
from lmaps_science.report import page_style

SHOWN_CASES = 3
"""Of each group, in pictures."""


def render(store: Store, shown_cases: int = SHOWN_CASES) -> str:
    """HTML page of a benchmark: tables that sort, pictures, plots, provenance.

    Parameters
    ----------
    store : Store
        With results.
    shown_cases : int
        How many cases of each group to show in pictures, from the best to the worst.

    Returns
    -------
    str
        The page, which refers to no other file and depends on the results alone.

    Raises
    ------
    ValueError
        If there are no results.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    rows = list(store.rows())
    if not rows:
        raise ValueError(f"{store.folder}: holds no results yet: lmaps benchmark run …")
    groups = {group.name: group for group in store.suite.groups}
    sections = [
        section(store, groups[t.title], t, [r for r in rows if r["group"] == t.title], shown_cases)
        for t in tables(store, rows)
    ]
    templates = Environment(
        loader=PackageLoader("lmaps_science.benchmark"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = resources.files("lmaps_science.benchmark").joinpath("templates/sort.js").read_text()
    scales = [scale for part in sections for case in part.gallery for scale in case.scales]
    return templates.get_template("report.html").render(
        zip=zip,
        suite=store.suite,
        style=page_style(),
        script=script,
        script_hash=f"sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}",
        gradients={name: gradient(name) for name in {scale.color_map for scale in scales}},
        lead=_lead(rows),
        sections=sections,
        provenance=_provenance(store, rows),
        yaml=_yaml(store.suite),
    )


def _lead(rows: Sequence[Row]) -> str:
    cases, methods = (len({(r["group"], r[key]) for r in rows}) for key in ("case", "method"))
    seconds = sum(row["seconds"] for row in rows)
    return f"{len(rows)} results: {cases} cases, {methods} methods, {seconds:.0f} s in all."


def _provenance(store: Store, rows: Sequence[Row]) -> Mapping[str, str]:
    settings, dates = store.settings, sorted(row["date"] for row in rows)
    machines = {row["host"]: row["host_versions"] for row in rows}
    return {
        "Run again": _command(store.suite),
        "Check": "lmaps benchmark verify DIR",
        "Made": f"{dates[0]} to {dates[-1]}",
        "Versions": _list(settings["versions"]),
        **{f"Machine {name}": _list(versions) for name, versions in sorted(machines.items())},
        **{f"SHA-256 of prior {name}": value for name, value in settings["priors"].items()},
        **{f"SHA-256 of data {name}": value for name, value in settings["data"].items()},
    }


def _command(suite: Suite) -> str:
    if suite.name in list_suites() and read_suite(suite.name) == suite:
        return f"lmaps benchmark run {suite.name} --out DIR"
    return "lmaps benchmark run SUITE.yaml --out DIR, with the suite below"


def _list(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _yaml(suite: Suite) -> str:
    import yaml

    return yaml.safe_dump(suite.to_dict(), allow_unicode=True, sort_keys=False, width=100)

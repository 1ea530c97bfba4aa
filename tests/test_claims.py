"""What README and docs say: each number has a command, and the small ones still hold."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lmaps_science.benchmark.formats import FORMATS
from lmaps_science.benchmark.suite_file import read_suite
from lmaps_science.benchmark.table import table_of
from lmaps_science.benchmark.task import Site, run_task

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
RESULTS = ROOT / "benchmarks" / "results"
SMOKE: list[dict[str, Any]] = json.loads((RESULTS / "smoke.json").read_text())["rows"]
SUITE = read_suite("smoke")
FAST = {"LMAPS", "Tikhonov", "TV", "SENSE"}

INVERSEBENCHS = {"main.py", "eval.py", "loss.py", "dataset.py"}
"""Files that are named but not ours."""

WITHOUT_RESULT = {"common.py", "make_gallery.py"}
"""Scripts that measure nothing."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_scripts_exist_and_have_results(page: Path):
    for name in set(re.findall(r"`(?:python )?(?:benchmarks/)?(\w+\.py)", page.read_text())):
        script = ROOT / "benchmarks" / name
        if not script.exists():
            known = name in INVERSEBENCHS or any(ROOT.glob(f"*/**/{name}"))
            assert known, f"{page.name} names {name}, which does not exist"
        elif name not in WITHOUT_RESULT and not name.startswith("train_"):
            assert list(RESULTS.glob(f"{script.stem}*")), f"no result of {name}"


def test_the_benchmarks_page_shows_the_smoke_suites_result():
    page = (ROOT / "docs" / "benchmark.md").read_text()
    for group in SUITE.groups:
        rows = [row for row in SMOKE if row["group"] == group.name]
        assert rows
        assert FORMATS["markdown"]([table_of(group, rows)], rows).strip() in page


def _fast() -> list[dict[str, Any]]:
    first = {group.name: next(r["case"] for r in SMOKE if r["group"] == group.name)
             for group in SUITE.groups}  # fmt: skip
    return [
        row
        for row in SMOKE
        if row["method"] in FAST and row["seed"] == 0 and row["case"] == first[row["group"]]
    ]


@pytest.mark.parametrize("row", _fast(), ids=lambda r: f"{r['group']}, {r['method']}")
def test_the_smoke_suites_figures_still_hold(row: dict[str, Any]):
    """To what another processor's rounding may change."""
    group = next(group for group in SUITE.groups if group.name == row["group"])
    method = next(method for method in group.methods if method.label == row["method"])
    options = row["settings"]["options"]
    found = run_task(group, method, row["case"], row["seed"], options, Site()).record
    assert found["psnr"] == pytest.approx(row["psnr"], abs=0.3)
    assert found["data_fit"] == pytest.approx(row["data_fit"], rel=0.1)
    assert found["denoiser_calls"] == row["denoiser_calls"]

"""The paper's studies, made small: suites that run, figures and tables of all their methods."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from lmaps_science.benchmark.suite_file import read_suite, suite_from_dict
from tests.benchmark.tiny import run_tiny

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "paper.py"
STUDIES = ("steps", "methods", "sensitivity", "mixture")


def small(study: str, prior: Path) -> dict[str, Any]:
    """A suite's first group with few levels, few steps and one case."""
    content = read_suite(f"paper-{study}").to_dict()
    group = content["groups"][0]
    group["cases"] = 1
    if study != "mixture":
        group["prior"] = str(prior)
        group["options"] |= {"num_pixels": 32, "num_transmitters": 4, "num_receivers": 12}
    for method in group["methods"].values():
        method["options"] = {**method["options"]} | {k: v[0] for k, v in method["tune"].items()}
        method |= {"tune": {}, "samples": min(method["samples"], 30)}
        if method["method"] not in ("tikhonov", "exact-posterior"):
            method["steps"] = 2 + (method["steps"] or 0) // 100
        if "num_inner_steps" in method["options"]:
            method["options"]["num_inner_steps"] = 1 + method["options"]["num_inner_steps"] // 50
    return {**content, "groups": [group]}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_drawn_and_told(
    study: str, prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    suite = suite_from_dict(small(study, prior), study, study)
    summary, _ = run_tiny(suite, tmp_path / "run")
    assert not summary.failed
    monkeypatch.syspath_prepend(SCRIPT.parent)
    folders = ["--figures", str(tmp_path), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, str(tmp_path / "run"), *folders])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert (tmp_path / f"paper_{study}.png").stat().st_size > 10_000
    told = (tmp_path / f"paper_{study}.md").read_text(encoding="utf-8")
    assert all(f"| {m.label} |" in told for m in suite.groups[0].methods)


def test_all_studies_are_one_suite():
    groups = {group.name for study in STUDIES for group in read_suite(f"paper-{study}").groups}
    assert {group.name for group in read_suite("paper").groups} == groups
    assert len(groups) == 8


def test_the_learning_rate_is_found_on_a_case_that_is_not_scored():
    chosen = {case for group in read_suite("paper-rates").groups for case in group.cases}
    scored = {case for group in read_suite("paper-steps").groups for case in group.cases}
    assert not chosen & scored

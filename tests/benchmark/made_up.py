"""A benchmark whose results were never computed: two groups, with names that mean harm."""

from pathlib import Path
from typing import Any

import numpy as np

from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.task import Outcome, Task

SCRIPT = "<script>alert(1)</script>"
LONG = "long" * 75
METHODS: dict[str, dict[str, Any]] = {
    SCRIPT: {"method": "lmaps", "samples": 4, "spread": True},
    LONG: {"method": "diffpir", "options": {"strength": 2.0}},
    'ℓ1 "quoted" & 方法 $x_1$': {"method": "tv", "tune": {"strength": [0.1, 0.01, 0.001]}},
    "empty": {"method": "empty"},
}
GRADIENT = {
    f"K={inner}, {steps} levels": {
        "method": "lmaps",
        "steps": steps,
        "options": {"solver": "gradient", "num_inner_steps": inner, "learning_rate": 1 / inner},
    }
    for inner in (1, 10)
    for steps in (5, 20, 80)
}
CASES = {
    "harmful": ["case-1", SCRIPT, f"{LONG} case", "方 & <b>", "case-5"],
    "steps": ["a", "b", "c"],
}
SIDE = 16


def made_up(folder: Path) -> Store:
    """Its folder, whole but for one result."""
    names = {"problem": "scattering", "data": "shapes", "prior": "cells-128"}
    groups = [
        {**names, "name": "harmful", "methods": METHODS},
        {**names, "name": "steps", "methods": {"exact": {"method": "lmaps"}, **GRADIENT}},
    ]
    content = {"name": "made up", "description": "<b>Nothing</b> was computed.", "groups": groups}
    provenance = {
        "cases": CASES,
        "versions": {"lmaps-science": "0.1.0"},
        "priors": {"cells-128": "1f" * 32},
        "data": {"<i>cells</i>": "2e" * 32},
    }
    store = Store.create(folder, suite_from_dict(content, "made up", "made up"), provenance)
    tasks = [(group, task) for group in store.suite.groups for task in store.expected(group)]
    for group, task in tasks[:-1]:
        kinds = {method.label: method.method for method in group.methods}
        store.write(task, _outcome(task, kinds[task.method], list(kinds)))
    found = {"options": {"strength": 0.001}, "cases": ["other"], "at_the_edge": ["strength"]}
    store.write_tuned("harmful", list(METHODS)[2], found)
    return store


def _outcome(task: Task, kind: str, methods: list[str]) -> Outcome:
    case, method = CASES[task.group].index(task.case), methods.index(task.method)
    generator = np.random.default_rng(100 * case + method)
    truth = np.hypot(*np.mgrid[-1:1:16j, -1:1:16j]).astype(np.float32)
    image = truth + 0.01 * (1 + method) * generator.standard_normal(truth.shape, np.float32)
    # 9 is after 10 in words and before it in numbers.
    record: dict[str, Any] = {
        "problem": "scattering", "group": task.group, "case": task.case, "method": task.method,
        "seed": task.seed, "psnr": None if kind == "empty" else 9.0 + method + 0.1 * case,
        "data_fit": 1.0 + 2e4 * (kind == "empty"),
        "denoiser_calls": {"tv": 0, "empty": 0}.get(kind, 10 * (1 + method)), "operator_calls": 1,
        "kept_samples": 1, "num_samples": 1, "settings": {"method": kind},
        "notes": [f"{SCRIPT} is noted"] if method == 0 else [],
    }  # fmt: skip
    arrays = {"image": image}
    if task.method == SCRIPT:
        record |= {"mean_std": 1e-5, "coverage_90": 0.7}
        record["notes"].append("the spread is NOT calibrated: nobody tried")
        arrays["std"] = np.full_like(image, 0.01)
    cost = {
        "seconds": 0.1 * (1 + method) * (1 + 0.1 * case), "peak_memory_mib": 600.0,
        "host": f"machine {case % 2}", "host_versions": {"torch": "2.0"},
        "date": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Outcome(record, arrays, truth, cost)

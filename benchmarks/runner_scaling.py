"""Cases per minute of a suite in this process, bare and with the runner, and with 1 and 2 workers.

The bare loop calls the same solver on the same measurements and keeps nothing.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml
from common import report

from lmaps_science import LMAPS, load_prior
from lmaps_science.benchmark.runner import run
from lmaps_science.benchmark.suite import Suite
from lmaps_science.benchmark.suite_file import read_suite
from lmaps_science.benchmark.task import Site


def content(cases: int) -> dict:
    """A suite of one method; a task takes about a second."""
    return {
        "description": "Speed.",
        "groups": [
            {
                "name": "scattering",
                "problem": "scattering",
                "data": "shapes",
                "prior": "shapes-64",
                "cases": cases,
                "options": {"num_pixels": 64, "num_receivers": 60, "count": cases},
                "methods": {"LMAPS": {"method": "lmaps"}},
            }
        ],
    }


def bare(suite: Suite) -> float:
    """Seconds of the loop that anybody would write."""
    group = suite.groups[0]
    source = group.source()
    prior = load_prior(group.prior)
    start = time.perf_counter()
    for case in group.case_names(source):
        measurement = source.measure(case, "cpu")
        LMAPS(prior, measurement.operator)(measurement.y)
    return time.perf_counter() - start


def main() -> None:
    """Repeat all of them in turn and print medians and ratios."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--cases", type=int, default=40)
    p.add_argument("--repeats", type=int, default=3)
    options = p.parse_args()
    torch.set_num_threads(1)
    took: dict[str, list[float]] = {name: [] for name in ("bare", "runner", "1", "2")}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "speed.yaml"
        path.write_text(yaml.safe_dump(content(options.cases)))
        suite = read_suite(path)
        bare(suite)
        for turn in range(options.repeats):
            took["bare"].append(bare(suite))
            start = time.perf_counter()
            run(suite, Path(name) / f"runner-{turn}", Site())
            took["runner"].append(time.perf_counter() - start)
            for workers in ("1", "2"):
                took[workers].append(sampling(path, Path(name) / f"{workers}-{turn}", workers))
            print({k: round(v[-1], 1) for k, v in took.items()}, flush=True)
    middle = {k: statistics.median(v) for k, v in took.items()}
    overhead = statistics.median(
        r / b - 1 for r, b in zip(took["runner"], took["bare"], strict=True)
    )
    scaling = statistics.median(a / b for a, b in zip(took["1"], took["2"], strict=True))
    report(
        "runner_scaling",
        "The runner beside the bare loop, and two workers beside one",
        ["", "cases per minute", "ratio"],
        [
            ["bare loop", f"{60 * options.cases / middle['bare']:.0f}", ""],
            ["runner, in this process", f"{60 * options.cases / middle['runner']:.0f}",
             f"{100 * overhead:+.1f} % time"],
            ["one worker", f"{60 * options.cases / middle['1']:.0f}", ""],
            ["two workers", f"{60 * options.cases / middle['2']:.0f}", f"× {scaling:.2f}"],
        ],
        cases=options.cases,
        repeats=options.repeats,
    )  # fmt: skip


def sampling(path: Path, out: Path, workers: str) -> float:
    """Seconds from the first result to the last, of as many as there are in between."""
    head = [sys.executable, "-m", "lmaps_science", "benchmark", "run", str(path), "--out", str(out)]
    subprocess.run([*head, "--workers", workers], check=True, capture_output=True)  # noqa: S603
    written = sorted(p.stat().st_mtime for p in (out / "results").rglob("*.h5"))
    # Each worker's first task loads the prior.
    skipped = 2 * int(workers)
    return (written[-1] - written[skipped - 1]) * len(written) / (len(written) - skipped)


if __name__ == "__main__":
    main()

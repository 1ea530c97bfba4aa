"""Our operators under every algorithm of InverseBench, beside its own: result and seconds.

    python benchmarks/inversebench_algorithms.py --checkout InverseBench

Tiny data, one seed, the algorithms' own code; see ``tests/inversebench/tiny.py`` for the sizes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import report

TESTS = Path(__file__).parents[1] / "tests"
PROBLEMS = ("scattering", "mri", "blackhole")


def compare(checkout: Path, problem: str) -> list[list[str]]:
    """One row for each algorithm."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(TESTS / "golden" / "blackhole", Path(folder) / "blackhole")
        script = TESTS / "inversebench" / "compare_algorithms.py"
        command = [sys.executable, str(script), str(checkout), folder, problem]
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, check=True
        )
    found = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    return [
        [
            problem,
            row["algorithm"],
            row["host"],
            row["ours"],
            f"{row['difference']:.0e}" if "difference" in row else "",
            " : ".join(f"{mean:.3f} ± {of:.3f}" for mean, of in row.get("errors", [])),
            f"{row['host_seconds']:.2f}" if row["host"] == "runs" else "",
            f"{row['seconds']:.2f}" if row["ours"] == "runs" else "",
        ]
        for row in found
    ]


def main() -> None:
    """One table of all problems."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--checkout", type=Path, required=True, help="InverseBench")
    checkout = p.parse_args().checkout.absolute()
    rows = [row for problem in PROBLEMS for row in compare(checkout, problem)]
    report(
        "inversebench_algorithms",
        "InverseBench's algorithms on its operators and on ours",
        [
            "problem",
            "algorithm",
            "on InverseBench's",
            "on ours",
            "relative difference",
            "errors over 30 seeds, InverseBench's : ours",
            "s, InverseBench's",
            "s, ours",
        ],
        rows,
    )


if __name__ == "__main__":
    main()

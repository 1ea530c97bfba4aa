"""Algorithms side by side in InverseBench: its main.py and metrics, one prior, held-out cells.

    python benchmarks/inversebench_scattering.py --checkout InverseBench --data DIR --out runs

runs ``main.py`` of an unmodified checkout once for each line of the table, with the package's
prior `cells-128` exported to it. The constants in the algorithms' YAMLs are those of natural
images (``--shipped`` shows what they do here); the best of `POINTS` on a training cell replaces
them. What is in the folder of runs already is not run again, so runs can be shared out.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import objects, report

from lmaps_science.inversebench.network import export
from lmaps_science.inversebench.prepare import write_images

Point = dict[str, float]
Outcome = dict[str, Any]

TUNING = "train-1"
POINTS: dict[str, list[Point]] = {
    "lmaps_paper": [{}],
    "diffpir": [{"sigma_n": s} for s in (1e-2, 3e-3, 2e-3, 1e-3)],
    "reddiff": [{"observation_weight": w} for w in (1e5, 3e5, 1e6, 3e6)],
    "dps": [{"guidance_scale": g} for g in (30.0, 100.0, 300.0)],
    "daps": [
        {"lgvd_config.lr": 2e-5, "lgvd_config.tau": 1e-4},
        {"lgvd_config.lr": 1e-4, "lgvd_config.tau": 3e-4},
    ],
    "pnpdm": [
        {"lgvd_config.lr": 2e-5, "lgvd_config.tau": 1e-4},
        {"lgvd_config.lr": 1e-4, "lgvd_config.tau": 3e-4},
    ],
}
"""Constants tried; τ and σ_n are noise levels, λ_max of JᵀJ, 2.9e-4, bounds the steps."""

_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")
_OBJECT = re.compile(r"Running inference on test sample")
_DONE = re.compile(r"Peak GPU memory")
_METRICS = re.compile(r" Metric results: (\{.*\})\.\.\.")
_NUMBER = re.compile(r"(?:np\.float(?:32|64)|tensor)\(([^,)]*)[^)]*\)")


def write_workplace(data: Path, out: Path, count: int) -> str:
    """Cells as LMDB and the prior with its YAML, as InverseBench reads them; the cells' folder."""
    wanted = {"test": count, "train": int(TUNING.rpartition("-")[2])}
    for split, number in wanted.items():
        folder = out / f"{split}-{number}"
        if not folder.exists():
            write_images((objects(data, split, number, 128)[:, 0].numpy() + 1) / 2, folder)
    if not (out / "pretrain" / "cells-128.pt").exists():
        (out / "pretrain").mkdir(exist_ok=True)
        export("cells-128", out / "pretrain" / "cells-128.pt")
    return f"test-{count}"


def run(
    checkout: Path,
    out: Path,
    problem: str,
    algorithm: str,
    point: Point,
    cells: str,
    samples: int = 1,
) -> Outcome:
    """Metrics of each object as InverseBench prints them, and the seconds of its inference."""
    name = "-".join([problem, algorithm, cells, *(f"{k}{v:g}" for k, v in point.items())])
    kept = out / f"{name}.json"
    if kept.exists():
        outcome: Outcome = json.loads(kept.read_text())
        return outcome
    number = int(cells.rpartition("-")[2])
    command = [
        sys.executable,
        "main.py",
        f"--config-dir={out}",
        f"problem={problem}",
        f"algorithm={algorithm}",
        "pretrain=cells-128",
        f"problem.prior={out / 'pretrain' / 'cells-128.pt'}",
        f"problem.data.root={out / cells}",
        f"problem.data.id_list=0-{number - 1}",
        f"problem.exp_dir={out / 'exps'}",
        f"exp_name={name}",
        f"num_samples={samples}",
        f"hydra.run.dir={out / 'hydra'}",
        *(["+problem.model.svd=False"] if problem == "inv-scatter" else []),
        *(f"algorithm.method.{key}={value}" for key, value in point.items()),
    ]
    outcome = {"seconds": [], "metrics": []}
    process = subprocess.Popen(  # noqa: S603
        command, cwd=checkout, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None  # noqa: S101
    start, lines = 0.0, []
    for line in process.stderr:
        lines.append(line)
        if _OBJECT.search(line):
            start = time.perf_counter()
        elif _DONE.search(line):
            outcome["seconds"].append(time.perf_counter() - start)
        elif found := _METRICS.search(line):
            outcome["metrics"].append(ast.literal_eval(_NUMBER.sub(r"\1", found[1])))
    if process.wait():
        errors = [line.strip() for line in lines if _ERROR.match(line)]
        outcome = {"error": (errors or ["it failed"])[-1]}
    kept.write_text(json.dumps(outcome))
    return outcome


def quality(outcome: Outcome) -> float:
    """Mean PSNR; the least where it failed or is not a number."""
    if "error" in outcome:
        return -np.inf
    value = float(np.mean([metrics["psnr"] for metrics in outcome["metrics"]]))
    return value if np.isfinite(value) else -np.inf


def tuned(checkout: Path, out: Path, algorithm: str) -> Point:
    """The constants of the best PSNR of the training cell."""

    def score(point: Point) -> float:
        return quality(run(checkout, out, "lmaps-inv-scatter", algorithm, point, TUNING))

    points = POINTS[algorithm]
    return points[0] if len(points) == 1 else max(points, key=score)


def main() -> None:
    """The table."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--checkout", type=Path, required=True, help="InverseBench")
    p.add_argument("--data", type=Path, required=True, help="folder of the cells")
    p.add_argument("--out", type=Path, required=True, help="folder of runs, kept")
    p.add_argument("--objects", type=int, default=2)
    p.add_argument("--algorithms", nargs="+", default=list(POINTS), choices=list(POINTS))
    p.add_argument("--ours", nargs="*", default=[], help="those to run on lmaps-inv-scatter")
    p.add_argument("--shipped", action="store_true", help="with the constants of its YAML")
    options = p.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    cells = write_workplace(options.data, out, options.objects)
    reference = run(options.checkout, out, "inv-scatter", "lmaps", {}, cells)
    average = {"average": True}
    mean = run(options.checkout, out, "inv-scatter", "lmaps", average, cells, samples=8)
    rows = [
        row("lmaps, mean of 8", "inv-scatter", {}, mean, reference),
        row("lmaps, one sample", "inv-scatter", {}, reference, reference),
    ]
    for algorithm in options.algorithms:
        problem = "lmaps-inv-scatter" if algorithm in options.ours else "inv-scatter"
        point = {} if options.shipped else tuned(options.checkout, out, algorithm)
        outcome = run(options.checkout, out, problem, algorithm, point, cells)
        rows.append(row(algorithm, problem, point, outcome, reference))
        print(*rows[-1], sep=" | ", flush=True)
    commit = subprocess.run(  # noqa: S603
        ["git", "-C", str(options.checkout), "rev-parse", "--short", "HEAD"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    report(
        "inversebench_scattering" + ("_shipped" if options.shipped else ""),
        f"In InverseBench: 128×128, 20 × 360, {options.objects} held-out cells",
        [
            "algorithm",
            "problem",
            "constants",
            "PSNR",
            "SSIM",
            "one sample ahead, dB",
            "s an object",
        ],
        rows,
        checkout=commit.stdout.strip(),
    )


def row(
    algorithm: str, problem: str, point: Point, outcome: Outcome, reference: Outcome
) -> list[str]:
    """Means over the objects; the seconds of the last, when what the first sets up is there."""
    if "error" in outcome:
        raise RuntimeError(f"{algorithm} {point}: {outcome['error']}")
    psnr, ssim = (np.mean([m[key] for m in outcome["metrics"]]) for key in ("psnr", "ssim"))
    constants = ", ".join(f"{key.rpartition('.')[2]}={value:g}" for key, value in point.items())
    ahead = quality(reference) - psnr
    return [
        algorithm,
        problem,
        constants or "its YAML's",
        f"{psnr:.2f}",
        f"{ssim:.3f}",
        f"{ahead:+.2f}",
        f"{outcome['seconds'][-1]:.1f}",
    ]


if __name__ == "__main__":
    main()

"""Ten thousand cases of a trivial method: time, memory, and how fast the scheduler answers."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import yaml
from common import report


def content(cases: int) -> dict:
    """A suite of one method that does nothing, on small objects."""
    return {
        "description": "Many.",
        "images": False,
        "groups": [
            {
                "name": "many",
                "problem": "scattering",
                "data": "shapes",
                "prior": "shapes-64",
                "cases": cases,
                "options": {
                    "num_pixels": 16, "num_receivers": 8, "num_transmitters": 2, "count": cases,
                },
                "methods": {"empty": {"method": "empty"}},
            }
        ],
    }  # fmt: skip


def main() -> None:
    """One row for each number of cases."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--cases", type=int, nargs="+", default=[1000, 10_000])
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--out", type=Path, default=Path("many"))
    options = p.parse_args()
    rows = [one(count, options.workers, options.out) for count in options.cases]
    report(
        "runner_many",
        "Many cases of a trivial method",
        ["cases", "s", "results per second", "scheduler's process, MiB", "the same at half time",
         "slowest second, results", "table, s", "table, MiB", "resume with nothing to do, s"],
        rows, workers=options.workers,
    )  # fmt: skip


def one(count: int, workers: int, out: Path) -> list[str]:
    """Run, table and an idle resume."""
    folder = out / str(count)
    out.mkdir(parents=True, exist_ok=True)
    suite = out / f"{count}.yaml"
    suite.write_text(yaml.safe_dump(content(count)))
    head = [sys.executable, "-m", "lmaps_science", "benchmark"]
    command = [*head, "run", str(suite), "--out", str(folder), "--workers", str(workers)]
    start = time.perf_counter()
    memory: list[float] = []
    with subprocess.Popen(command) as process:  # noqa: S603
        while process.poll() is None:
            memory.append(resident(process.pid))
            time.sleep(0.5)
    seconds = time.perf_counter() - start
    written = sorted(p.stat().st_mtime for p in (folder / "results").rglob("*.h5"))
    per_second = [0] * (int(written[-1] - written[0]) + 1)
    for moment in written:
        per_second[int(moment - written[0])] += 1
    table, table_memory = timed([*head, "table", str(folder)])
    idle, _ = timed([*command, "--resume"])
    return [
        f"{len(written)}", f"{seconds:.0f}", f"{len(written) / (written[-1] - written[0]):.0f}",
        f"{max(memory):.0f}", f"{max(memory[: len(memory) // 2]):.0f}",
        f"{min(per_second[:-1], default=0)}", f"{table:.1f}", f"{table_memory:.0f}", f"{idle:.1f}",
    ]  # fmt: skip


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds and largest resident memory, MiB, of a command."""
    start, largest = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        while process.poll() is None:
            largest = max(largest, resident(process.pid))
            time.sleep(0.1)
    return time.perf_counter() - start, largest


def resident(process: int) -> float:
    """Resident memory, MiB; 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(found[0]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()

"""A suite killed with -9 at random moments and resumed: lost, repeated or changed results."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from common import report

from lmaps_science.benchmark.store import Store


def main() -> None:
    """One table."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--suite", default="smoke")
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--longest", type=float, default=25.0, help="seconds to the next kill, at most")
    p.add_argument("--out", type=Path, default=Path("kills"), help="folder to work in")
    options = p.parse_args()
    quiet, killed = options.out / "undisturbed", options.out / "killed"
    shutil.rmtree(killed, ignore_errors=True)
    if not quiet.is_dir():
        subprocess.run(command(options.suite, quiet), check=True)  # noqa: S603
    moments, resumed, lost, finished = random.Random(0), [], 0, 0  # noqa: S311
    for _ in range(options.kills):
        before = results(killed)
        with subprocess.Popen(  # noqa: S603
            command(options.suite, killed) + resumed, start_new_session=True
        ) as process:
            time.sleep(moments.uniform(2.0, options.longest))
            finished += process.poll() is not None
            os.killpg(process.pid, signal.SIGKILL)
        after = results(killed)
        lost += sum(after.get(name) != content for name, content in before.items())
        print(f"{len(before)} results before, {len(after)} after", flush=True)
        resumed = ["--resume"]
    subprocess.run([*command(options.suite, killed), "--resume"], check=True)  # noqa: S603
    expected, found = results(quiet), results(killed)
    store = Store(killed)
    rows = [(row["group"], row["case"], row["method"], row["seed"]) for row in store.rows()]
    report(
        "runner_kills",
        "Runs that were killed and resumed",
        ["kills", "runs that had ended before", "results", "twice", "lost or changed at a kill",
         "differing from an undisturbed run", "left over"],
        [[
            str(options.kills), str(finished), str(len(rows)), str(len(rows) - len(set(rows))),
            str(lost), str(sum(found.get(n) != c for n, c in expected.items())),
            str(len(set(found) - set(expected)) + len(list(killed.glob(".writing-*")))),
        ]],
        suite=options.suite,
        workers=2,
    )  # fmt: skip


def command(suite: str, out: Path) -> list[str]:
    """With two workers."""
    head = [sys.executable, "-m", "lmaps_science", "benchmark", "run", suite]
    return [*head, "--out", str(out), "--workers", "2"]


def results(folder: Path) -> dict[str, bytes]:
    """Files that must not depend on the run, by name."""
    parts = ("benchmark.json", "results", "truth", "tuned")
    files = (p for part in parts for p in [folder / part, *(folder / part).rglob("*")])
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files if p.is_file()}


if __name__ == "__main__":
    main()

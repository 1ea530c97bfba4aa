"""Runs that are killed, shards on schedulers of their own, workers that die."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.benchmark.tiny import contents, tiny_content

KILLS = int(os.environ.get("LMAPS_KILLS", "3"))


def command(suite: Path, out: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "lmaps_science", "benchmark", "run", str(suite), "--out", str(out),
        *options,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def suite(prior: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_content(prior, 6)))
    return path


@pytest.fixture(scope="module")
def undisturbed(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run(command(suite, out), check=True, capture_output=True)  # noqa: S603
    return out


def test_killed_and_resumed(suite: Path, undisturbed: Path, tmp_path: Path):
    """With -9, at random moments; the last run is left alone."""
    out, moments = tmp_path / "run", random.Random(0)  # noqa: S311 - of a test
    resume: list[str] = []
    for _ in range(KILLS):
        before = contents(out)
        with subprocess.Popen(  # noqa: S603
            command(suite, out, "--workers", "2", *resume),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(moments.uniform(1.0, 10.0))
            os.killpg(process.pid, signal.SIGKILL)
        assert before.items() <= contents(out).items()
        resume = ["--resume"]
    done = subprocess.run(  # noqa: S603
        command(suite, out, "--workers", "2", "--resume"),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(undisturbed)
    assert not list(out.glob(".writing-*"))


def test_two_schedulers_shards_make_the_union(suite: Path, undisturbed: Path, tmp_path: Path):
    out = tmp_path / "run"
    processes = [
        subprocess.Popen(command(suite, out, "--workers", "2", "--shard", f"{share}/2"))  # noqa: S603
        for share in (1, 2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert contents(out) == contents(undisturbed)
    sums = (out / "SHA256SUMS").read_text()
    assert len(sums.splitlines()) == len((undisturbed / "SHA256SUMS").read_text().splitlines())


def test_a_killed_worker_loses_nothing(suite: Path, undisturbed: Path, tmp_path: Path):
    import psutil

    out = tmp_path / "run"
    with subprocess.Popen(  # noqa: S603
        command(suite, out, "--workers", "2"), stderr=subprocess.PIPE, text=True
    ) as process:
        while not list(out.glob("results/**/*.h5")):
            time.sleep(0.1)
            assert process.poll() is None
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        assert workers
        workers[0].kill()
        _, told = process.communicate()
    assert process.returncode == 0, told
    assert contents(out) == contents(undisturbed)

"""The command as people type it."""

import json
from pathlib import Path

import pytest
import yaml

from lmaps_science.benchmark import cluster
from lmaps_science.benchmark.store import Store
from tests.benchmark.tiny import METHODS, tiny_content
from tests.cli import lmaps, one_line_error


@pytest.fixture
def suite(prior: Path, tmp_path: Path) -> Path:
    methods = {label: METHODS[label] for label in ("LMAPS", "Tikhonov")}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny_content(prior, 2, methods=methods)))
    return path


def test_run_table_verify_submit(suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    done = lmaps("benchmark", "run", suite, "--out", out)
    assert done.exit_code == 0, done.output
    assert "6 of 6 results" in done.output
    assert "6 of 6" in lmaps("benchmark", "run", suite, "--out", out, "--resume").output
    assert "Tikhonov" in lmaps("benchmark", "table", out).output
    rows = json.loads(lmaps("benchmark", "table", out, "--format", "json").output)["rows"]
    assert len(rows) == 6
    archive = tmp_path / "x.zip"
    assert lmaps("benchmark", "submit", out, "--out", archive).exit_code == 0
    assert "agrees" in lmaps("benchmark", "verify", archive, "--count", 1).output


def test_verify_names_a_tampered_file(suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    lmaps("benchmark", "run", suite, "--out", out, "--limit", 1)
    path = out / "costs/small-objects/tikhonov/shapes-001-0.json"
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1'))
    told = lmaps("benchmark", "verify", out, "--count", 0)
    assert told.exit_code == 1
    assert "costs/small-objects/tikhonov/shapes-001-0.json was changed" in told.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smok"], "did you mean 'smoke'"),
        (["nowhere.yaml"], "No such file or directory: nowhere.yaml"),
        (["SUITE", "--shard", "3/2"], "shard: expected I/N with I from 1 to N"),
        (["SUITE", "--shard", "half"], "such as 2/4, got 'half'"),
        (["SUITE", "--device", "gpu"], "device 'gpu'"),
        (["scattering"], "data set 'cells' is prepared"),
    ],
)
def test_bad_input_is_one_line(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.setattr("lmaps_science.datasets.data_folder", lambda: tmp_path / "data")
    from lmaps_science.benchmark import cases

    cases.data_set_file.cache_clear()
    arguments = [str(suite) if a == "SUITE" else a for a in arguments]
    result = lmaps("benchmark", "run", *arguments, "--out", tmp_path / "out")
    assert message in one_line_error(result)
    assert not (tmp_path / "out").exists()


def test_an_unreachable_scheduler_is_one_line(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster, "_TIMEOUT", 0.5)
    out = tmp_path / "out"
    lmaps("benchmark", "run", suite, "--out", out, "--limit", 1)
    result = lmaps(
        "benchmark", "run", suite, "--out", out, "--resume", "--scheduler", "tcp://127.0.0.1:1"
    )
    assert "scheduler tcp://127.0.0.1:1: not reached" in one_line_error(result)
    assert len(list(Store(out).rows())) == 3


def test_folders_that_are_none(suite: Path, tmp_path: Path):
    assert "benchmark.json is missing" in one_line_error(lmaps("benchmark", "table", tmp_path))
    message = one_line_error(lmaps("benchmark", "table", tmp_path, "--format", "xml"))
    assert "expected one of text" in message
    out = tmp_path / "out"
    lmaps("benchmark", "run", suite, "--out", out, "--limit", 1)
    settings = json.loads((out / "benchmark.json").read_text())
    settings["versions"]["lmaps-science"] = "0.0.1"
    (out / "benchmark.json").write_text(json.dumps(settings))
    result = lmaps("benchmark", "run", suite, "--out", out, "--resume")
    assert 'versions.lmaps-science is "0.0.1" there' in one_line_error(result)


def test_a_run_on_a_scheduler(suite: Path, tmp_path: Path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as running:
        address = running.scheduler_address
        result = lmaps("benchmark", "run", suite, "--out", tmp_path / "out", "--scheduler", address)
    assert result.exit_code == 0, result.output
    assert "6 of 6 results" in result.output

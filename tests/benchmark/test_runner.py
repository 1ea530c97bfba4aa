"""Runs: whole, in shares, again, and what stops them."""

import errno
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from lmaps_science.benchmark import task
from lmaps_science.benchmark.store import Store
from tests.benchmark.tiny import METHODS, contents, run_tiny, tiny_suite


def test_every_task_once(finished: Store):
    rows = list(finished.rows())
    keys = [(row["case"], row["method"], row["seed"]) for row in rows]
    assert len(set(keys)) == len(keys) == 3 * (2 + 2 + 1 + 1)
    row = next(row for row in rows if row["method"] == "LMAPS, spread")
    assert row["psnr"] > 5
    assert 0 <= row["coverage_90"] <= 1
    assert row["denoiser_calls"] == 2 * 2 * 4
    assert row["seconds"] > 0
    assert row["peak_memory_mib"] > 50
    assert row["host"]
    assert row["date"]


def test_constants_are_tuned_on_other_cases(finished: Store):
    found = finished.tuned("small objects", "TV")
    assert found is not None
    assert not set(found["cases"]) & set(finished.settings["cases"]["small objects"])
    best = max(found["points"], key=lambda point: point["psnr"])
    assert found["options"] == best["options"]
    used = {
        json.dumps(row["settings"]["options"]) for row in finished.rows() if row["method"] == "TV"
    }
    assert used == {json.dumps({"num_steps": 5, **best["options"]})}


def test_the_same_on_every_run(finished: Store, prior: Path, tmp_path: Path):
    run_tiny(tiny_suite(prior), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(finished.folder)


def test_shards_and_limits_make_the_union(finished: Store, prior: Path, tmp_path: Path):
    suite = tiny_suite(prior)
    first, _ = run_tiny(suite, tmp_path, shard=(1, 2))
    second, _ = run_tiny(suite, tmp_path, shard=(2, 2))
    assert len(first.tasks) + len(second.tasks) == len(list(finished.rows()))
    assert contents(tmp_path) == contents(finished.folder)
    assert set(first.store.sums() or {}) == set(finished.sums() or {})

    limited, _ = run_tiny(suite, tmp_path / "limited", limit=1)
    assert {task.case for task in limited.tasks} == {"shapes-001"}


def test_resume_does_what_is_missing_only(prior: Path, tmp_path: Path):
    suite = tiny_suite(prior, 1)
    summary, _ = run_tiny(suite, tmp_path)
    with pytest.raises(ValueError, match="6 of 6 results are there already: add --resume"):
        run_tiny(suite, tmp_path)
    lost = summary.store.result_file(summary.tasks[0])
    lost.unlink()
    _, told = run_tiny(suite, tmp_path, resume=True)
    assert [progress.latest.unit for progress in told] == [summary.tasks[0]]
    assert lost.is_file()
    _, told = run_tiny(suite, tmp_path, resume=True)
    assert not told


def test_another_suite_or_prior_does_not_mix(prior: Path, tmp_path: Path):
    run_tiny(tiny_suite(prior, 1, methods={"a": METHODS["Tikhonov"]}), tmp_path)
    for changed in (
        tiny_suite(prior, 2, methods={"a": METHODS["Tikhonov"]}),
        tiny_suite(prior, 1, methods={"a": METHODS["LMAPS"]}),
    ):
        with pytest.raises(ValueError, match=r"begun with other settings: .* there and .* here"):
            run_tiny(changed, tmp_path, resume=True)


def test_a_folder_of_something_else_is_left_alone(prior: Path, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="got one with other files"):
        run_tiny(tiny_suite(prior), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_of_another_format_is_told(prior: Path, tmp_path: Path):
    run_tiny(tiny_suite(prior, 1, methods={"a": METHODS["Tikhonov"]}), tmp_path)
    path = tmp_path / "benchmark.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(ValueError, match="a benchmark of format 7, made by lmaps-science 0"):
        Store(tmp_path)


def test_a_method_that_fails_stops_nothing_else(prior: Path, tmp_path: Path):
    methods = {"bad": {"method": "sense"}, "good": {"method": "tikhonov"}}
    summary, told = run_tiny(tiny_suite(prior, 2, methods=methods), tmp_path)
    assert {done.unit.method for done in summary.failed} == {"bad"}
    assert "method 'sense' is for mri, not scattering" in summary.failed[0].error
    assert [row["method"] for row in summary.store.rows()] == ["good", "good"]
    assert told[-1].failed == 2


def test_a_method_that_is_not_installed_is_left_out(
    prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "")
    methods = {"BART": {"method": "bart"}, "good": {"method": "tikhonov"}}
    summary, _ = run_tiny(tiny_suite(prior, 1, methods=methods), tmp_path)
    assert list(summary.absent) == ["bart"]
    assert "needs BART" in summary.absent["bart"]
    assert not summary.failed


def test_a_full_disk_stops_and_keeps(prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    suite = tiny_suite(prior, 2)
    written = 0
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        nonlocal written
        written += len(content)
        if written > 40_000:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"No space left.*[1-9] of 12 results .* stay") as caught:
            run_tiny(suite, tmp_path)
    assert "\n" not in str(caught.value)
    kept = contents(tmp_path)
    run_tiny(suite, tmp_path, resume=True)
    assert kept.items() <= contents(tmp_path).items()


def test_seconds_left(prior: Path, tmp_path: Path):
    _, told = run_tiny(tiny_suite(prior, 2), tmp_path)
    assert told[0].seconds_left is None  # constants were tuned, no task is done
    left = [p.seconds_left for p in told if p.seconds_left is not None]
    assert left[0] > left[-1] == 0
    assert told[-1].done == told[-1].total == 12


def test_what_a_killed_process_began_is_removed(prior: Path, tmp_path: Path):
    suite = tiny_suite(prior, 1, methods={"a": METHODS["Tikhonov"]})
    store = run_tiny(suite, tmp_path)[0].store
    dead = store.folder / f".writing-{socket.gethostname()}-999999999"
    dead.mkdir()
    (dead / "half.h5").write_text("x")
    run_tiny(suite, tmp_path, resume=True)
    assert not dead.exists()


def test_options_of_a_method_reach_it(prior: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[dict[str, Any]] = []
    kind = task.find_method("lmaps")

    def make(*args: Any, **options: Any) -> Any:
        seen.append(options)
        return kind.make(*args, **options)

    from lmaps_science.benchmark import methods

    changed = methods.MethodKind(make, kind.options, uses_prior=True, random=True)
    monkeypatch.setitem(methods.METHODS, "lmaps", changed)
    wanted = {"solver": "gradient", "num_inner_steps": 2, "learning_rate": 0.1}
    suite = tiny_suite(prior, methods={"a": {"method": "lmaps", "steps": 2, "options": wanted}})
    (group,) = suite.groups
    outcome = task.run_task(group, group.methods[0], "shapes-001", 0, wanted, task.Site())
    assert seen == [wanted]
    assert outcome.record["denoiser_calls"] == 2
    assert outcome.record["operator_calls"] >= 2 * 2 * 2  # a gradient is H and J^T

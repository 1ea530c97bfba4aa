"""Hashes, archives, and results made again."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import h5py
import pytest

from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.submission import opened, submit
from lmaps_science.benchmark.task import Site
from lmaps_science.benchmark.verification import Finding, verify


def disagreeing(folder: Path, count: int = 0) -> list[Finding]:
    return [f for f in verify(Store(folder), count, 0, Site()) if not f.agrees]


@pytest.fixture
def copy(finished: Store, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


def test_an_untouched_folder_agrees(finished: Store):
    found = verify(finished, 3, 0, Site())
    assert all(finding.agrees for finding in found)
    assert sum("identical" in finding.detail for finding in found) == 3


def test_a_tampered_file_is_named(copy: Path):
    path = copy / "results/small-objects/tikhonov/shapes-002-0.h5"
    with h5py.File(path, "a") as file:
        file["image"][:] *= 1.1
    assert disagreeing(copy)[0].what == path.relative_to(copy).as_posix()


def test_a_tampered_figure_is_found_without_the_hashes(copy: Path):
    path = copy / "results/small-objects/tikhonov/shapes-002-0.h5"
    with h5py.File(path, "a") as file:
        text = str(file.attrs["record"])
        file.attrs["record"] = text.replace('"psnr": 1', '"psnr": 4').replace(
            '"psnr": 2', '"psnr": 4'
        )
    (copy / "SHA256SUMS").unlink()
    (finding,) = disagreeing(copy, 100)
    assert finding.what == "small objects: shapes-002, Tikhonov, seed 0"


def test_missing_foreign_and_broken_files_are_named(copy: Path):
    place = copy / "results/small-objects/tikhonov"
    (place / "shapes-001-0.h5").unlink()
    (place / "shapes-002-0.h5").write_bytes(b"no HDF5")
    shutil.copy(place / "shapes-003-0.h5", place / "shapes-009-0.h5")
    found = {finding.what.rsplit("/", 1)[-1] for finding in disagreeing(copy)}
    assert {"shapes-001-0.h5", "shapes-002-0.h5", "shapes-009-0.h5"} <= found


def test_other_constants_than_the_suite_says_are_named(copy: Path):
    path = copy / "tuned/small-objects/tv.json"
    path.write_text(
        path.read_text().replace('"options": {\n  "strength"', '"options": {\n  "other"')
    )
    assert any("suite and tuning say" in finding.detail for finding in disagreeing(copy))


def test_missing_weights_are_named(copy: Path):
    path = copy / "benchmark.json"
    settings = json.loads(path.read_text())
    settings["suite"]["groups"][0]["prior"] = "cells-64"
    path.write_text(json.dumps(settings))
    details = " ".join(finding.detail for finding in disagreeing(copy, 1))
    assert "cannot be compared: prior 'cells-64'" in details
    assert "cannot be made again: prior 'cells-64'" in details


def test_an_archive_agrees_as_its_folder_does(finished: Store, tmp_path: Path):
    target = tmp_path / "submission.zip"
    names = submit(finished, target)
    wanted = {"README.md", "schema.json", "tables.md", "results.csv", "environment.json"}
    assert wanted < set(names)
    with opened(target) as store:
        assert all(finding.agrees for finding in verify(store, 1, 0, Site()))
        done = subprocess.run(
            ["sha256sum", "--check", "--quiet", "SHA256SUMS"],  # noqa: S607
            cwd=store.folder, check=False,
        )  # fmt: skip
        assert done.returncode == 0


def test_an_archive_that_was_changed_is_told(finished: Store, tmp_path: Path):
    target, changed = tmp_path / "submission.zip", tmp_path / "changed.zip"
    submit(finished, target)
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content + b" " if name == "tables.md" else content)
    with opened(changed) as store:
        assert disagreeing(store.folder)[0].what == "tables.md"


def test_the_same_archive_twice(finished: Store, tmp_path: Path):
    first, second = tmp_path / "a" / "x.zip", tmp_path / "b" / "x.zip"
    for target in (first, second):
        submit(finished, target)
    assert first.read_bytes() == second.read_bytes()


def test_what_is_no_archive(finished: Store, tmp_path: Path):
    with pytest.raises(ValueError, match=r"ends in \.zip"):
        submit(finished, tmp_path / "x.tar")
    path = tmp_path / "x.zip"
    path.write_text("x")
    with (
        pytest.raises(ValueError, match="expected a folder of results or an archive"),
        opened(path),
    ):
        pass

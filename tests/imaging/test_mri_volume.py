"""Scans of several slices: one by one, resumable, and a broken one does not stop the others."""

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest

from lmaps_science.imaging.mri_volume import reconstruct_volume
from tests.small import small_kspace, small_prior

OPTIONS = {"samples": 1, "steps": 3, "spread": False, "acceleration": 3}


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_prior(tmp_path_factory.mktemp("prior") / "gaussian.safetensors", (2, 40, 48))


@pytest.fixture(scope="module")
def whole(prior: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of four slices, the third broken, reconstructed."""
    folder = tmp_path_factory.mktemp("volume")
    file = small_kspace(folder / "scan.npy", 4, broken=2)
    reconstruct_volume(file, folder / "out", prior=prior, **OPTIONS)
    return folder / "out"


def test_a_broken_slice_is_named_and_the_others_are_made(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert [part["slice_index"] for part in summary["slices"]] == [0, 1, 3]
    (broken,) = summary["broken"]
    assert broken["slice_index"] == 2
    assert "slice 2: k-space: expected finite numbers, got 1 NaN" in broken["reason"]
    page = (whole / "report.html").read_text()
    assert "3 of 4 slices" in page
    assert "got 1 NaN" in page
    assert 'href="slices/003/report.html"' in page


def test_the_volume_is_its_slices(whole: Path) -> None:
    with h5py.File(whole / "reconstruction.h5") as file:
        mean = file["mean"][()]
    assert mean.shape == (1, 4, 40, 48)
    assert np.isnan(mean[0, 2]).all()
    for index in (0, 1, 3):
        with h5py.File(whole / f"slices/{index:03d}/reconstruction.h5") as file:
            np.testing.assert_array_equal(file["mean"][()], mean[0, index])
    nifti = np.asarray(nibabel.load(whole / "reconstruction.nii.gz").dataobj)
    np.testing.assert_allclose(nifti.T[[0, 1, 3]], np.abs(mean[0, [0, 1, 3]]), rtol=1e-6)
    # Brighter k-space, brighter image.
    brightness = np.abs(mean[0]).mean((1, 2))
    assert brightness[3] == pytest.approx(4 * brightness[0], rel=0.1)


class Killed(BaseException):
    """The end of a process in the middle of its work."""


def test_a_killed_run_goes_on_and_loses_nothing(prior: Path, whole: Path, tmp_path: Path) -> None:
    file, out = whole.parent / "scan.npy", tmp_path / "out"

    def kill(part: tuple, *_: object) -> None:
        if part[0] == 1:
            raise Killed

    with pytest.raises(Killed):
        reconstruct_volume(file, out, prior=prior, callback=kill, **OPTIONS)
    assert [path.name for path in sorted(out.rglob("summary.json"))] == ["summary.json"]
    first = (out / "slices/000/reconstruction.h5").stat().st_mtime_ns
    visited = set()
    reconstruct_volume(
        file, out, prior=prior, callback=lambda part, *_: visited.add(part[0]), **OPTIONS
    )
    assert visited == {1, 3}
    assert (out / "slices/000/reconstruction.h5").stat().st_mtime_ns == first
    with h5py.File(out / "reconstruction.h5") as ours, h5py.File(whole / "reconstruction.h5") as b:
        np.testing.assert_array_equal(ours["mean"][()], b["mean"][()])


def test_slices_of_other_settings_are_not_taken_for_these(prior: Path, whole: Path) -> None:
    file = whole.parent / "scan.npy"
    with pytest.raises(ValueError, match=r"made with another acceleration: give another folder"):
        reconstruct_volume(file, whole, prior=prior, **{**OPTIONS, "acceleration": 2})


def test_chosen_slices_and_none_that_works(prior: Path, whole: Path, tmp_path: Path) -> None:
    file = whole.parent / "scan.npy"
    summary = reconstruct_volume(file, tmp_path / "two", slices=[3, 0], prior=prior, **OPTIONS)
    assert [part["slice_index"] for part in summary["slices"]] == [0, 3]
    with h5py.File(tmp_path / "two/reconstruction.h5") as volume:
        assert "std" not in volume
        kept = ~np.isnan(volume["mean"][0]).any((1, 2))
    assert kept.tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match=r"none of 1 slices could be.*NaN"):
        reconstruct_volume(file, tmp_path / "bad", slices=[2], prior=prior, **OPTIONS)
    with pytest.raises(ValueError, match="no slice 4, it has 4"):
        reconstruct_volume(file, tmp_path / "none", slices=[4], prior=prior, **OPTIONS)


def sampled(out: Path) -> list[int]:
    return [s["sampled_lines"] for s in json.loads((out / "summary.json").read_text())["slices"]]


def test_slices_made_anew_are_never_mixed_with_former_ones(prior: Path, tmp_path: Path) -> None:
    file, out = small_kspace(tmp_path / "scan.npy", 3), tmp_path / "out"
    reconstruct_volume(file, out, prior=prior, **{**OPTIONS, "acceleration": 2})

    def kill(part: tuple, *_: object) -> None:
        if part[0] == 1:
            raise Killed

    with pytest.raises(Killed):
        reconstruct_volume(file, out, prior=prior, resume=False, callback=kill, **OPTIONS)
    reconstruct_volume(file, out, prior=prior, **OPTIONS)
    assert sampled(out) == [16, 16, 16]


def test_another_content_of_the_same_file_is_another_scan(prior: Path, tmp_path: Path) -> None:
    file, out = small_kspace(tmp_path / "scan.npy", 2), tmp_path / "out"
    reconstruct_volume(file, out, prior=prior, **OPTIONS)
    reconstruct_volume(
        file.parent / ".." / file.parent.name / file.name, out, prior=prior, **OPTIONS
    )
    small_kspace(file, 3)
    with pytest.raises(ValueError, match="made with another input"):
        reconstruct_volume(file, out, prior=prior, **OPTIONS)


def test_a_run_that_made_nothing_does_not_stand_in_the_way(prior: Path, tmp_path: Path) -> None:
    file, out = small_kspace(tmp_path / "scan.npy", 2), tmp_path / "out"
    with pytest.raises(ValueError, match=r"none of 2 slices.*acceleration: expected"):
        reconstruct_volume(file, out, prior=prior, **{**OPTIONS, "acceleration": 1000})
    reconstruct_volume(file, out, prior=prior, **OPTIONS)
    assert sampled(out) == [16, 16]

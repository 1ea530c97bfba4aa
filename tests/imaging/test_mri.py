"""From raw k-space to an image, as the command line does it."""

import json
from pathlib import Path

import h5py
import matplotlib
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from lmaps_science.calibration import quoted_std
from lmaps_science.imaging.mri import NUM_DRAFTS
from lmaps_science.problem import find_problem
from lmaps_science.problems.mri.formats import read_maps, read_scan
from lmaps_science.problems.mri.formats.cfl import read_cfl, to_bart, write_cfl
from lmaps_science.recipe import Progress
from lmaps_science.reconstruction import reconstruct
from tests.small import small_kspace, small_prior

FILES = [
    "figure.png",
    "image.png",
    "reconstruction.cfl",
    "reconstruction.h5",
    "reconstruction.hdr",
    "reconstruction.nii.gz",
    "report.html",
    "summary.json",
]
QUICK = {"samples": 2, "steps": 5}


@pytest.fixture
def kspace(tmp_path: Path) -> Path:
    return small_kspace(tmp_path / "scan.npy")


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    return small_prior(tmp_path / "gaussian.safetensors", (2, 40, 48))


def test_complete_kspace_gives_its_own_image(kspace: Path, prior: Path) -> None:
    result = reconstruct("mri", kspace, prior=prior, **QUICK)
    images = np.fft.ifftn(np.fft.ifftshift(np.load(kspace), (-2, -1)), axes=(-2, -1), norm="ortho")
    truth = np.linalg.norm(np.fft.fftshift(images, (-2, -1)), axis=0)
    assert np.iscomplexobj(result.mean)
    assert result.truth is None
    inside = truth > 0.3 * truth.max()
    error = np.abs(np.abs(result.mean) - truth)[inside]
    assert np.sqrt((error**2).mean()) < 0.02 * truth.max()
    assert result.summary["acceleration"] == 1
    assert 0.5 < result.summary["data_fit"] < 1.5


def test_lines_that_are_taken_away_leave_a_truth(kspace: Path, prior: Path) -> None:
    result = reconstruct("mri", kspace, prior=prior, acceleration=3, mask_seed=1, **QUICK)
    summary = result.summary
    assert (summary["sampled_lines"], summary["phase_axis"]) == (16, "x")
    assert summary["acceleration"] == 3
    assert summary["calibration_lines"] >= 8
    assert result.truth is not None
    assert summary["metrics"]["psnr"] > 15
    assert len(summary["fit_by_line"]) == 48
    assert sum(fit is not None for fit in summary["fit_by_line"]) == 16
    other = reconstruct(
        "mri", kspace, prior=prior, acceleration=2, phase_axis="y", pattern="equispaced", **QUICK
    )
    assert other.summary["phase_axis"] == "y"
    assert other.summary["sampled_lines"] > 20


def test_all_formats_hold_the_image(kspace: Path, prior: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    result = reconstruct("mri", kspace, out, prior=prior, acceleration=3, **QUICK)
    assert sorted(path.name for path in out.iterdir()) == FILES
    np.testing.assert_array_equal(read_cfl(out / "reconstruction").squeeze().T, result.mean)
    nifti = np.asarray(nibabel.load(out / "reconstruction.nii.gz").dataobj)
    np.testing.assert_allclose(nifti[..., 0].T, np.abs(result.mean), rtol=1e-6)
    with h5py.File(out / "reconstruction.h5") as file:
        np.testing.assert_array_equal(file["mean"][()], result.mean)
        np.testing.assert_array_equal(file["std"][()], result.std)
        assert file["sensitivity_maps"].shape == (6, 40, 48)
        assert file["mask"][()].sum() == 16 * 40
    with Image.open(out / "image.png") as picture:
        assert picture.size == (48, 40)
    assert json.loads((out / "summary.json").read_text()) == result.summary
    report = (out / "report.html").read_text()
    assert "16 lines along x" in report
    assert "PSNR, SSIM" in report


def test_the_spread_is_of_the_magnitude(kspace: Path, prior: Path) -> None:
    result = reconstruct("mri", kspace, prior=prior, acceleration=3, samples=3, steps=5)
    assert result.std is not None
    assert result.posterior_samples is not None
    expected = quoted_std(np.abs(result.posterior_samples))
    np.testing.assert_allclose(result.std, expected, rtol=1e-6)
    assert 0 < result.summary["spread"]["coverage_90"] <= 1
    assert "NOT calibrated" in result.summary["notes"][-1]
    alone = reconstruct("mri", kspace, prior=prior, acceleration=3, samples=1, steps=2)
    assert "calibrated" not in "".join(alone.summary["notes"])


def test_maps_are_found_again_from_drafts_unless_they_were_given(
    kspace: Path, prior: Path, tmp_path: Path
) -> None:
    stages: list[str] = []

    def watch(progress: Progress) -> None:
        if progress.stage not in stages:
            stages.append(progress.stage)

    found = reconstruct("mri", kspace, prior=prior, acceleration=3, callback=watch, **QUICK)
    drafts = [f"draft {number + 1}" for number in range(NUM_DRAFTS)]
    assert stages == [*drafts, "image", "spread"]
    maps = found.measurement.operator.sensitivity_maps
    write_cfl(tmp_path / "maps", to_bart(maps.numpy()))
    assert read_maps(tmp_path / "maps").shape == (6, 40, 48)
    stages.clear()
    given = reconstruct(
        "mri",
        kspace,
        prior=prior,
        acceleration=3,
        maps=tmp_path / "maps.cfl",
        callback=watch,
        **QUICK,
    )
    assert stages == ["image", "spread"]
    assert (given.summary["maps"], found.summary["maps"]) == ("given", "ESPIRiT")
    np.testing.assert_allclose(
        given.measurement.operator.sensitivity_maps.abs(), maps.abs(), atol=1e-5
    )


def test_the_usual_methods_stand_beside_it(kspace: Path, prior: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    with matplotlib.rc_context({"font.family": "serif"}):  # as ehtim sets it
        result = reconstruct("mri", kspace, out, prior=prior, acceleration=3, compare=True, **QUICK)
    assert list(result.baselines) == ["SENSE", "ℓ1-wavelet"]
    told = {row["name"]: row for row in result.summary["baselines"]}
    for name, image in result.baselines.items():
        assert image.shape == result.mean.shape
        assert told[name]["metrics"]["psnr"] > 15
        assert name in (out / "report.html").read_text()
    alone = reconstruct("mri", kspace, prior=prior, acceleration=3, **QUICK)
    np.testing.assert_array_equal(alone.mean, result.mean)
    assert alone.summary["baselines"] is None


def test_other_problems_have_no_methods_to_compare(file: Path, tmp_path: Path) -> None:
    prior = small_prior(tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match="compare: problem 'scattering' has no methods"):
        reconstruct("scattering", file, prior=prior, samples=1, steps=1, compare=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slice_index": 3}, "no slice 3, it has 1, counted from 0"),
        ({"contrast": 1}, "no contrast 1, it has 1"),
        ({"acceleration": 0.5}, "acceleration: expected a number above 1"),
        ({"acceleration": 100}, "acceleration: expected a number above 1 and up to"),
        ({"acceleration": 3, "phase_axis": "z"}, "phase_axis: expected x or y, got 'z'"),
        ({"acceleration": 3, "pattern": "spiral"}, "pattern: expected one of random"),
        ({"sigma_noise": 0.0}, "sigma_noise: expected a finite number above 0, got 0.0"),
        ({"num_coils": 9}, "virtual coils: expected 1 to the 6"),
        ({"sharpness": 2}, "sharpness: not an option of problem 'mri'"),
        ({"controls": True}, "controls: problem 'mri' has none"),
    ],
)
def test_bad_options(options: dict, message: str, kspace: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match=message):
        reconstruct("mri", kspace, prior=prior, samples=1, steps=1, **options)


def test_a_mask_of_another_size_is_refused(kspace: Path, prior: Path, tmp_path: Path) -> None:
    for kept in (np.ones(40), np.arange(40) % 2):
        np.savez(tmp_path / "masked.npz", kspace=np.load(kspace), mask=kept)
        with pytest.raises(ValueError, match=r"mask: expected shape.*\(40, 48\).*got \(40,\)"):
            reconstruct("mri", tmp_path / "masked.npz", prior=prior, samples=1, steps=1)


def test_two_files_are_one_too_many(kspace: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match="mri: expected one file, got 2"):
        reconstruct("mri", [kspace, kspace], prior=prior)


def test_a_missing_file_is_named(prior: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.npy: no such file"):
        reconstruct("mri", tmp_path / "nothing.npy", prior=prior)


def test_a_bart_array_is_known_by_its_content(kspace: Path, prior: Path, tmp_path: Path) -> None:
    write_cfl(tmp_path / "ksp", to_bart(np.load(kspace)))
    results = [
        reconstruct("mri", tmp_path / name, prior=prior, **QUICK) for name in ("ksp", "ksp.cfl")
    ]
    hashes = {result.summary["input_sha256"] for result in results}
    assert len(hashes) == 1
    assert len(hashes.pop().split(", ")) == 2
    assert read_scan(tmp_path / "ksp").phase_axis == "y"
    write_cfl(tmp_path / "ksp.v2", to_bart(2 * np.load(kspace)))
    dotted = reconstruct("mri", tmp_path / "ksp.v2", prior=prior, **QUICK)
    assert dotted.summary["input_sha256"] not in hashes


def test_what_cannot_be_compared_is_told_before_the_work(
    kspace: Path, prior: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Progress] = []
    options = {"prior": prior, "compare": True, "callback": seen.append, **QUICK}
    with pytest.raises(ValueError, match=r"compare: no samples to tune on.*got none"):
        reconstruct("mri", kspace, **options)

    def missing() -> None:
        raise ImportError("this baseline needs sigpy")

    monkeypatch.setattr("lmaps_science.problems.mri.baselines.require_sigpy", missing)
    with pytest.raises(ImportError, match="needs sigpy"):
        reconstruct("mri", kspace, acceleration=3, **options)
    assert not seen


def test_incomplete_kspace_has_no_truth_and_says_so(
    kspace: Path, prior: Path, tmp_path: Path
) -> None:
    half = np.load(kspace)
    half[..., :8] = 0
    np.save(tmp_path / "half.npy", half)
    result = reconstruct("mri", tmp_path / "half.npy", prior=prior, acceleration=2, **QUICK)
    assert result.summary["metrics"] is None
    assert any("no truth to compare with" in note for note in result.summary["notes"])


def test_without_nibabel_the_rest_is_written_and_told(
    kspace: Path, prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmaps_science.imaging.mri.find_spec", lambda _: None)
    monkeypatch.setattr("lmaps_science.problems.mri.formats.images.find_spec", lambda _: None)
    out = tmp_path / "out"
    result = reconstruct("mri", kspace, out, prior=prior, **QUICK)
    assert sorted(path.name for path in out.iterdir()) == [f for f in FILES if "nii" not in f]
    assert any("no NIfTI was written" in note for note in result.summary["notes"])


def test_normalized_undoes_physical(kspace: Path, prior: Path) -> None:
    result = reconstruct("mri", kspace, prior=prior, samples=1, steps=1)
    kind, operator = find_problem("mri"), result.measurement.operator
    x = torch.randn(1, 2, 40, 48, dtype=torch.float64)
    again = kind.normalized(operator, kind.physical(operator, x)[0])
    torch.testing.assert_close(again, x, rtol=1e-5, atol=1e-5)

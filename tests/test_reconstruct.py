"""From a file to an image with its spread, against a posterior that is known."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lmaps_science.output import atomic_folder
from lmaps_science.problems.scattering.data import read_measurement
from lmaps_science.recipe import Progress
from lmaps_science.reconstruction import reconstruct
from lmaps_science.samplers import METHODS
from lmaps_science.settings import SETTINGS
from tests.small import exact_posterior, small_measurement, small_prior

FILES = ["figure.png", "reconstruction.h5", "report.html", "summary.json"]


def test_image_and_spread_are_those_of_the_posterior(
    file: Path, prior: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A homogeneous Gaussian errs alike everywhere: its spread needs no widening for objects.
    monkeypatch.setitem(SETTINGS, "scattering", replace(SETTINGS["scattering"], sample_width=1.0))
    result = reconstruct("scattering", file, prior=prior, samples=100, steps=25)
    mean, deviation = exact_posterior()
    error = (result.posterior_samples.mean(0) - mean) / (deviation / np.sqrt(100))
    assert 0.9 < error.std() < 1.1
    ratio = result.std / deviation
    assert 0.97 < np.sqrt((ratio**2).mean()) < 1.03
    assert np.corrcoef(result.mean.ravel(), mean.ravel())[0, 1] > 0.9
    assert 0.88 < result.summary["spread"]["coverage_90"] < 0.92
    assert result.summary["spread"]["mean_std"] == pytest.approx(result.std.mean())


def test_files_hold_the_result(file: Path, prior: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "result"
    result = reconstruct("scattering", file, out, prior=prior, samples=3, steps=4)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert [path.name for path in out.parent.iterdir()] == ["result"]
    with h5py.File(out / "reconstruction.h5") as h5:
        np.testing.assert_array_equal(h5["samples"], result.samples)
        np.testing.assert_array_equal(h5["std"], result.std)
        np.testing.assert_allclose(h5["mean"], np.mean(h5["samples"], axis=0), rtol=1e-5)
        assert h5["posterior_samples"].shape == (3, 32, 32)
        assert len(h5["history/sigma"]) == 4
        assert json.loads(h5.attrs["summary"]) == result.summary
    again = read_measurement(out / "reconstruction.h5")
    original = read_measurement(file)
    torch.testing.assert_close(again.y, original.y, rtol=0, atol=0)
    assert again.operator.geometry.digest() == original.operator.geometry.digest()
    summary = json.loads((out / "summary.json").read_text())
    assert summary == result.summary
    assert summary["prior"] == "gaussian"
    assert len(summary["prior_sha256"]) == len(summary["input_sha256"]) == 64
    assert (summary["num_samples"], summary["kept_samples"], summary["dropped_samples"]) == (
        3,
        3,
        0,
    )
    assert 0 < summary["denoiser_seconds"] < summary["sampling_seconds"] < summary["seconds"]


def test_data_fit_is_chi_squared_per_datum(file: Path, prior: Path) -> None:
    result = reconstruct("scattering", file, prior=prior, samples=2, steps=10)
    operator, y = result.measurement.operator, result.measurement.y
    x = operator.normalize(torch.from_numpy(result.mean).double()[None, None])
    residual = (operator.forward(x) - y).abs().square().sum()
    expected = float(residual) / (operator.num_data * operator.sigma_noise**2)
    assert result.summary["data_fit"] == pytest.approx(expected, rel=1e-3)
    # Each complex residual is two real ones of unit variance.
    assert (result.residuals**2).mean() == pytest.approx(expected, rel=1e-3)


def test_seed_fixes_the_result_whatever_the_batch(file: Path, prior: Path) -> None:
    options = {"prior": prior, "samples": 5, "steps": 4}
    one, two = (reconstruct("scattering", file, batch_size=size, **options) for size in (1, 5))
    np.testing.assert_allclose(one.samples, two.samples, atol=1e-5)
    np.testing.assert_allclose(one.posterior_samples, two.posterior_samples, atol=1e-5)
    other = reconstruct("scattering", file, seed=1, **options)
    assert np.abs(one.samples - other.samples).max() > 1e-3


def test_one_sample_has_a_spread_only_on_request(file: Path, prior: Path) -> None:
    single = reconstruct("scattering", file, prior=prior, samples=1, steps=3)
    assert single.std is None
    assert single.summary["spread"] is None
    asked = reconstruct("scattering", file, prior=prior, samples=1, steps=3, spread=True)
    assert asked.summary["spread"]["num_samples"] == 2
    without = reconstruct("scattering", file, prior=prior, samples=2, steps=3, spread=False)
    assert without.std is None


def test_prior_without_error_curve_gives_no_spread_and_says_so(file: Path, tmp_path: Path) -> None:
    prior = small_prior(tmp_path / "bare.safetensors", curve=False)
    result = reconstruct("scattering", file, prior=prior, samples=2, steps=3)
    assert result.std is None
    assert "no error curve" in result.summary["notes"][0]
    with pytest.raises(ValueError, match="error_curve"):
        reconstruct("scattering", file, prior=prior, samples=2, steps=3, spread=True)


def test_progress_covers_both_runs(file: Path, prior: Path) -> None:
    seen: list[Progress] = []
    result = reconstruct("scattering", file, prior=prior, samples=2, steps=3, callback=seen.append)
    assert [(p.stage, p.step) for p in seen] == [
        (s, k) for s in ("image", "spread") for k in range(3)
    ]
    assert [p.data_fit for p in seen[:3]] == pytest.approx(result.history["data_fit"])


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"rml"}))
def test_every_method_fits_the_data(method: str, file: Path, prior: Path) -> None:
    result = reconstruct("scattering", file, prior=prior, samples=2, steps=30, method=method)
    assert result.summary["method"] == method
    assert result.summary["data_fit"] < 1.5
    assert result.summary["num_samples"] == (1 if method == "tikhonov" else 2)
    assert (result.summary["prior"] is None) == (method == "tikhonov")


@pytest.mark.parametrize("pixels", [40, 30], ids=["a multiple of the divisor", "none"])
def test_another_grid_than_the_priors_is_used_and_said(
    pixels: int, prior: Path, tmp_path: Path
) -> None:
    file = small_measurement(tmp_path / "wide.h5", num_pixels=pixels)
    result = reconstruct("scattering", file, prior=prior, samples=1, steps=3)
    assert result.mean.shape == (pixels, pixels)
    expected = f"prior gaussian trained at 32×32, used at {pixels}×{pixels}"
    assert result.summary["notes"] == [expected]


def test_a_prior_of_another_kind_of_image_is_refused(file: Path, tmp_path: Path) -> None:
    prior = small_prior(tmp_path / "other.safetensors", (2, 32, 32))
    with pytest.raises(ValueError, match=r"'other' makes images of 2 channel.* 1×32×32.*train"):
        reconstruct("scattering", file, prior=prior)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problem": "sonar"}, "problem 'sonar': expected one of scattering, blackhole, mri"),
        ({"method": "magic"}, "method 'magic': expected one of lmaps, paper"),
        ({"samples": 0}, "samples: expected at least 1"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"method": "daps", "spread": True}, "only the method 'lmaps'"),
        ({"prior": "unheard-of"}, "prior 'unheard-of'"),
    ],
)
def test_bad_options(options: dict, message: str, file: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match=message):
        reconstruct(**{"problem": "scattering", "file": file, "prior": prior, **options})


def test_full_disk_leaves_nothing_behind(
    file: Path, prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "result"
    reconstruct("scattering", file, out, prior=prior, samples=1, steps=2)
    before = {path: path.read_bytes() for path in out.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lmaps_science.plot.save_figure", full)
    for folder in (out, tmp_path / "other"):
        with pytest.raises(OSError, match="No space left"):
            reconstruct("scattering", file, folder, prior=prior, samples=1, steps=3)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert list(tmp_path.iterdir()) == [out]


def test_output_that_cannot_be_written_is_refused_before_the_work(
    file: Path, prior: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        reconstruct("scattering", tmp_path / "not-even-read.h5", blocked / "result", prior=prior)


def test_atomic_folder_keeps_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / "mine.txt").write_text("kept")
    with atomic_folder(folder) as temporary:
        (temporary / "new.txt").write_text("new")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "mine.txt": "kept",
        "new.txt": "new",
    }

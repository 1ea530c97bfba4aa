"""What reconstruction may ask of a scattering file, and what not."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from lmaps_science.problem import find_problem
from lmaps_science.problems.scattering.fullwave import FullWaveScattering
from lmaps_science.problems.scattering.geometry import Geometry, circle
from lmaps_science.problems.scattering.hdf5 import ScatteringData, read_fields
from lmaps_science.reconstruction import reconstruct


def test_two_files_are_one_too_many(file: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match="scattering: expected one file, got 2"):
        reconstruct("scattering", [file, file], prior=prior)
    with pytest.raises(ValueError, match="scattering: expected one file, got 0"):
        reconstruct("scattering", [], prior=prior)


def test_there_are_no_controls(file: Path, prior: Path) -> None:
    with pytest.raises(ValueError, match="controls: problem 'scattering' has none"):
        reconstruct("scattering", file, prior=prior, samples=1, steps=1, controls=True)


def test_a_list_of_one_file_is_that_file(file: Path, prior: Path) -> None:
    options = {"prior": prior, "samples": 1, "steps": 2}
    alone, listed = (reconstruct("scattering", f, **options) for f in (file, [str(file)]))
    assert (alone.mean == listed.mean).all()
    assert alone.summary["input"] == listed.summary["input"] == str(file)


def test_it_judges_no_sample_and_writes_no_other_format(
    file: Path, prior: Path, tmp_path: Path
) -> None:
    result = reconstruct("scattering", file, tmp_path / "out", prior=prior, samples=2, steps=2)
    assert result.summary["dropped"] == []
    assert result.summary["controls"] is None
    assert not list((tmp_path / "out").glob("*.fits"))
    told = find_problem("scattering").describe(result.measurement, None)
    assert told == {k: result.summary[k] for k in ("transmitters", "receivers", "relative_noise")}
    assert (told["transmitters"], told["receivers"]) == (6, 24)


@pytest.fixture
def strong(tmp_path: Path) -> Path:
    """A strong scatterer at two frequencies, noise of 2 %, gains that the file does not give."""
    side = 32
    geometries = [
        Geometry(circle(6, 0.4), circle(20, 0.5), 2 * np.pi / wavelength, 0.003, (side, side))
        for wavelength in (0.08, 0.05)
    ]
    operator = FullWaveScattering(geometries, 1.0, 1.0)
    y, x = np.mgrid[:side, :side] - side / 2
    truth = torch.from_numpy(1.0 * (np.hypot(x - 2, y + 3) < 5))[None, None].float()
    field = operator.forward(operator.normalize(truth))[0].numpy()
    sigmas = tuple(0.02 * float(np.sqrt(np.mean(np.abs(f) ** 2))) for f in field)
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(field.shape) + 1j * rng.standard_normal(field.shape)) / np.sqrt(2)
    noisy = (field + np.array(sigmas)[:, None, None] * noise) * (1 - 2j)
    sigmas = tuple(abs(1 - 2j) * sigma for sigma in sigmas)
    path = tmp_path / "strong.h5"
    ScatteringData(
        tuple(geometries), noisy, sigmas, 1.5, calibrated=False, truth=truth[0, 0].numpy()
    ).write(path)
    return path


def test_the_full_wave_from_a_file_to_a_report(strong: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = reconstruct("scattering", strong, out, full_wave=True, samples=1)
    summary = result.summary
    assert summary["prior"] == "shapes-64"
    assert summary["notes"] == ["prior shapes-64 trained at 64×64, used at 32×32"]
    assert summary["full_wave"]
    assert summary["data_fit"] < 2
    assert summary["relative_misfit"] < 0.04
    assert summary["surrogate_agreement"] > 0.99
    assert summary["metrics"]["nrmse"] < 0.3
    assert all(abs(complex(*gain) - (1 - 2j)) < 0.5 for gain in summary["gain"])
    assert "cosine" in (out / "report.html").read_text()
    assert read_fields(out / "reconstruction.h5").field.shape == (2, 6, 20)


def test_what_the_full_wave_does_not_explain_is_said(strong: Path, prior: Path) -> None:
    with h5py.File(strong, "a") as file:
        file.attrs["sigma_noise"] = np.array(file.attrs["sigma_noise"]) / 30
    result = reconstruct(
        "scattering", strong, full_wave=True, prior=prior, samples=1, steps=2, spread=False
    )
    assert result.summary["data_fit"] > 3
    assert any("does not explain the data" in note for note in result.summary["notes"])


def test_what_born_does_not_explain_is_said(file: Path) -> None:
    result = reconstruct("scattering", file, method="tikhonov", samples=1)
    assert result.summary["notes"] == []
    worse = replace(result, summary={**result.summary, "data_fit": 4.0})
    (note,) = find_problem("scattering").caveats(worse, None)
    assert "does not explain the data" in note
    assert "convention" in note

"""The quoted spread: what it holds, where it is calibrated, and that this is said."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lmaps_science import calibration
from lmaps_science.calibration import Calibration, calibrations, coverage, quoted_std
from lmaps_science.output import write_result
from lmaps_science.prior.registry import list_priors
from lmaps_science.reconstruction import reconstruct
from lmaps_science.report import render_report
from lmaps_science.result import Result
from lmaps_science.settings import SETTINGS


@pytest.fixture
def measured(
    request: pytest.FixtureRequest, file: Path, prior: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    """A reconstruction with a prior whose spread was measured, within the given domain."""
    sha256 = reconstruct("scattering", file, prior=prior, samples=1, steps=2).summary[
        "prior_sha256"
    ]
    record = Calibration(
        "scattering", "gaussian", sha256, 2.0, "few", "90 % held 91 %", domain=request.param
    )
    monkeypatch.setattr(calibration, "calibrations", lambda: [record])
    return reconstruct("scattering", file, prior=prior, samples=4, steps=3)


def test_interval_of_few_draws_holds_what_it_says() -> None:
    noise = np.random.default_rng(0).standard_normal((7, 200, 200))
    scene = 3 * gaussian_filter(noise[0], 8)
    deviation = 1 + 0.5 * np.sin(np.arange(200) / 20)
    draws, truth = scene + deviation * noise[1:6], scene + deviation * noise[6]
    assert coverage(draws.mean(0), quoted_std(draws), truth) == pytest.approx(0.9, abs=0.01)
    assert coverage(draws.mean(0), quoted_std(draws, 0.5), truth) < 0.7
    many = scene + deviation * np.random.default_rng(1).standard_normal((400, 200, 200))
    std = quoted_std(many)
    for level in (0.5, 0.9, 0.95):
        assert coverage(scene, std, truth, level) == pytest.approx(level, abs=0.01)


def test_one_draw_has_no_spread() -> None:
    assert not quoted_std(np.ones((1, 4, 5), np.float32)).any()


@pytest.mark.parametrize("measured", [{"receivers": (10, 30)}], indirect=True)
def test_calibration_scales_the_quoted_spread_and_nothing_else(
    measured: Result, tmp_path: Path
) -> None:
    assert measured.posterior_samples is not None
    np.testing.assert_allclose(measured.std, quoted_std(measured.posterior_samples, 2.0))
    spread = measured.summary["spread"]
    assert (spread["calibrated"], spread["scale"]) == (True, 2.0)
    assert "90 % held 91 %" in spread["calibration"]
    assert "90 % held 91 %" in render_report(measured, b"")
    assert spread["calibration"] in measured.summary["notes"]
    write_result(measured, tmp_path)
    with h5py.File(tmp_path / "reconstruction.h5") as file:
        assert spread["calibration"] in file["std"].attrs["description"]
        np.testing.assert_array_equal(file["posterior_samples"], measured.posterior_samples)
    assert json.loads((tmp_path / "summary.json").read_text())["spread"]["calibrated"] is True


@pytest.mark.parametrize("measured", [{"receivers": (60, 360)}], indirect=True)
def test_other_sampling_than_was_measured_is_not_calibrated_and_says_so(measured: Result) -> None:
    spread = measured.summary["spread"]
    assert (spread["calibrated"], spread["scale"]) == (False, 1.0)
    assert "NOT calibrated" in spread["calibration"]
    assert "receivers 24, measured at 60 to 360" in spread["calibration"]
    assert "NOT calibrated" in render_report(measured, b"")
    assert spread["calibration"] in measured.summary["notes"]


def test_other_prior_than_was_measured_is_not_calibrated(file: Path, prior: Path) -> None:
    result = reconstruct("scattering", file, prior=prior, samples=2, steps=3)
    assert result.summary["spread"]["calibrated"] is False
    assert "not measured with this prior" in result.summary["spread"]["calibration"]


def test_calibration_widens_what_is_told_of_the_samples() -> None:
    record = Calibration("blackhole", "p", "0", 1.0, "", "", {"diameter": 1.5, "absent": 2.0})
    told = {"diameter": {"mean": 40.0, "std": 2.0}, "rings": 3}
    assert record.apply(told) == {"diameter": {"mean": 40.0, "std": 3.0}, "rings": 3}
    assert told["diameter"] == {"mean": 40.0, "std": 2.0}


def test_what_a_measurement_has_none_of_is_outside_of_what_was_measured() -> None:
    record = Calibration("mri", "p", "0", 1.0, "", "", domain={"sampled_lines": (12, 45)})
    assert record.objections({"sampled_lines": 20}) == []
    assert "sampled lines nan" in record.objections({"sampled_lines": None})[0]


def test_installed_calibrations_belong_to_installed_priors_and_default_settings() -> None:
    hashes = {record.name: record.sha256 for record in list_priors()}
    known = calibrations()
    assert {record.problem for record in known} == {"scattering", "mri", "blackhole"}
    for record in known:
        assert record.prior_sha256 == hashes[record.prior]
        levels = SETTINGS[record.problem].num_steps
        assert tuple(record.domain["num_steps"]) == (levels, levels)
        assert 0.3 < record.scale < 3

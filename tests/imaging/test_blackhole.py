"""Black holes from a small UVFITS file, with a Gaussian prior, to files."""

import json
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from astropy.io import fits
from torch import Tensor

from lmaps_science.imaging.blackhole import BlackHole
from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import save_prior
from lmaps_science.prior.curves import ErrorCurve, PeakCurve
from lmaps_science.prior.image_covariance import ImageCovariance
from lmaps_science.problem import Measurement, find_problem
from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.sources import Field
from lmaps_science.reconstruction import reconstruct
from tests.problems.blackhole.synthetic import ARRAY, write_uvfits
from tests.small import NETWORK, SIGMA_DATA

FIELD = Field()
QUICK = {"samples": 3, "steps": 3, "spread": False}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Visibilities of a round Gaussian, five sites."""
    stations = {**ARRAY, "E": (1.5e6, 3e6, -1.5e6)}
    return write_uvfits(tmp_path_factory.mktemp("source") / "source.uvfits", stations)


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prior of independent Gaussian pixels about a dark mean, with all statistics."""
    path = tmp_path_factory.mktemp("prior") / "dark.safetensors"
    shape = (1, 64, 64)
    card = PriorCard(
        name="dark",
        network={**NETWORK, "image_channels": 1},
        preconditioning={"type": "EDM", "sigma_data": SIGMA_DATA, "mean": -0.877},
        image_shape=shape,
        sigma_max=20.0,
    )
    prior, variance = card.build(), SIGMA_DATA**2
    sigmas = torch.logspace(-3, 2, 60)
    prior.error_curve = ErrorCurve(sigmas, variance * sigmas**2 / (variance + sigmas**2))
    prior.peak_curve = PeakCurve(sigmas, (1 - sigmas).clamp(min=-0.5))
    basis = torch.eye(8, 64**2)
    prior.image_covariance = ImageCovariance(basis, torch.full((8,), variance), variance, shape)
    save_prior(prior, path, card)
    return path


@pytest.fixture(scope="module")
def measurement(source: Path) -> Measurement:
    return BlackHole().read([source], "cpu")


def gaussian(fwhm: float = 40.0, **place: float) -> Tensor:
    return FIELD.image(sources.gaussian(FIELD, fwhm, **place))


def test_it_is_a_problem_by_its_name() -> None:
    assert isinstance(find_problem("blackhole"), BlackHole)


def test_truth_is_kept_and_another_source_named_with_its_misfit(measurement: Measurement) -> None:
    # The file's source is a Gaussian of 40 µas, observed with a noise of 0.1 %.
    x = torch.cat([gaussian(), FIELD.image(sources.double(FIELD, 60.0, 0.3))])
    truth, wrong = BlackHole().judge(measurement, x, None)
    assert truth == ""
    phase, amplitude = (float(v[1]) for v in measurement.operator.chi_squared(x, measurement.y))
    which, value = ("closure phases", phase) if phase > 1.8 else ("log closure ampl", amplitude)
    assert wrong.startswith(f"χ² of {which}")
    assert f"{value:.2f} > 1.8" in wrong


def test_denoised_image_against_the_data_is_a_reason(measurement: Measurement) -> None:
    level = SimpleNamespace(m=FIELD.image(sources.double(FIELD, 60.0, 0.3)))
    (reason,) = BlackHole().judge(measurement, gaussian(), level)
    assert "of the denoised image" in reason


def test_physical_images_hold_the_compact_flux_in_one_place(measurement: Measurement) -> None:
    x = torch.cat([gaussian(20.0, east=10.0), 0.5 * gaussian(20.0, east=-25.0, north=15.0) - 0.5])
    images = BlackHole().physical(measurement.operator, x)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.sum((1, 2)), 0.6, rtol=1e-5)
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


def test_without_a_flux_images_add_up_to_one(source: Path) -> None:
    measured = BlackHole().read([source], "cpu", compact_flux=None)
    images = BlackHole().physical(measured.operator, gaussian())
    assert images.sum() == pytest.approx(1, rel=1e-5)


def test_normalized_undoes_physical_up_to_the_peak(measurement: Measurement) -> None:
    kind, operator, x = BlackHole(), measurement.operator, gaussian()
    again = kind.normalized(operator, kind.physical(operator, x)[0])
    torch.testing.assert_close(again, x.double(), rtol=0, atol=1e-5)


def test_description_of_two_known_modes(measurement: Measurement) -> None:
    ring = FIELD.image(sources.crescent(FIELD, 44.0, 10.0, 1.0, 0.4))
    x = torch.cat([gaussian(), ring, ring.roll((2, 3), (-2, -1))])
    told = BlackHole().describe(measurement, x)
    assert [mode["members"] for mode in told["modes"]] == [[1, 2], [0]]
    assert [mode["rings"] for mode in told["modes"]] == [2, 0]
    assert told["rings"] == 2
    assert told["modes"][0]["ring_diameter_uas"]["mean"] == pytest.approx(44, abs=1.5)
    angle = told["modes"][0]["ring_position_angle_deg"]["mean"]
    assert angle == pytest.approx(np.degrees(1.0), abs=3)
    assert (told["source"], told["stations"]) == ("TEST", ["A", "B", "C", "D", "DX", "E"])
    counts = told["closure_phases"] + told["log_closure_amplitudes"]
    assert counts == measurement.y.shape[1] == BlackHole().residuals(
        measurement.operator, x[:1], measurement.y
    ).size  # fmt: skip


def test_files_hold_the_image(source: Path, dark: Path, tmp_path: Path) -> None:
    out = tmp_path / "m87"
    result = reconstruct("blackhole", source, out, prior=dark, compact_flux=0.8, **QUICK)
    names = ["figure.png", "reconstruction.fits", "reconstruction.h5", "report.html"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "summary.json"]
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(result.summary))
    with fits.open(out / "reconstruction.fits") as file:
        image = file[0].data.squeeze()
    # FITS counts rows from the south.
    np.testing.assert_allclose(image[::-1], result.mean, rtol=1e-5)
    assert image.sum() == pytest.approx(0.8, rel=1e-4)
    with h5py.File(out / "reconstruction.h5") as file:
        np.testing.assert_array_equal(file["samples"], result.samples)
        assert file["closure_quantities"].shape == result.measurement.y.shape[1:]
        assert file.attrs["source"] == "TEST"
    assert result.summary["compact_flux_jy"] == 0.8


def test_seed_fixes_the_result_whatever_the_batch(source: Path, dark: Path) -> None:
    one, two, other = (
        reconstruct("blackhole", source, prior=dark, batch_size=size, seed=seed, **QUICK)
        for size, seed in ((1, 0), (3, 0), (3, 1))
    )
    np.testing.assert_allclose(one.samples, two.samples, atol=1e-5)
    assert np.abs(one.samples - other.samples).max() > 1e-4


def test_dropped_samples_are_named_and_not_in_the_mean(
    source: Path, dark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**QUICK, "prior": dark}
    monkeypatch.setattr(BlackHole, "judge", lambda _, __, x, ___: [""] * len(x))
    all_of_them = reconstruct("blackhole", source, **options)
    monkeypatch.setattr(BlackHole, "judge", lambda *_: ["", "too odd", ""])
    result = reconstruct("blackhole", source, **options)
    summary = result.summary
    assert (summary["num_samples"], summary["kept_samples"], summary["dropped_samples"]) == (
        3,
        2,
        1,
    )
    assert summary["dropped"] == [{"sample": 1, "reason": "too odd"}]
    assert summary["notes"] == ["the bias of ring diameters has not been measured with this prior"]
    assert result.samples.shape == (2, 64, 64)
    assert len(summary["chi2_closure_phase"]) == 2
    np.testing.assert_allclose(result.mean, result.samples.mean(0), rtol=1e-5)
    # The same two images as among all three, wherever they were rolled to.
    for image, same in zip(result.samples, all_of_them.samples[[0, 2]], strict=True):
        np.testing.assert_allclose(np.sort(image.ravel()), np.sort(same.ravel()), rtol=1e-4)


def test_all_dropped_is_said_and_shown_all_the_same(
    source: Path, dark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BlackHole, "judge", lambda *_: ["odd", "odder", "oddest"])
    result = reconstruct("blackhole", source, tmp_path / "out", prior=dark, **QUICK)
    summary = result.summary
    assert (summary["kept_samples"], summary["dropped_samples"]) == (0, 3)
    assert [d["reason"] for d in summary["dropped"]] == ["odd", "odder", "oddest"]
    assert "no sample is to be trusted, of 3; the first: odd." in summary["notes"][0]
    assert result.samples.shape == (3, 64, 64)
    assert result.mean.sum() == pytest.approx(0.6, rel=1e-4)
    assert (tmp_path / "out" / "figure.png").stat().st_size > 0


def test_unknown_option_names_the_known(source: Path, dark: Path) -> None:
    expected = (
        "field_of_view: not an option of problem 'blackhole', which has compact_flux, "
        "field_of_view_uas, fractional_error"
    )
    with pytest.raises(ValueError, match=expected):
        reconstruct("blackhole", source, prior=dark, field_of_view=160)


def test_controls_see_the_file_with_its_coverage(measurement: Measurement) -> None:
    controls = BlackHole().controls(measurement)
    assert {"crescent", "disc", "double", "gaussian"} < set(controls)
    for control in controls.values():
        assert float(control.truth.sum()) == pytest.approx(0.6, rel=1e-5)
        assert control.y.shape == measurement.y.shape
        np.testing.assert_array_equal(
            control.operator.observation.uv, measurement.operator.observation.uv
        )
    noise = [float((a.y - b.y).norm()) for a in controls.values() for b in controls.values()]
    assert noise.count(0.0) == len(controls)


def test_two_files_share_one_image(source: Path, dark: Path, tmp_path: Path) -> None:
    other = write_uvfits(tmp_path / "b.uvfits", frequency=227e9, seed=1)
    result = reconstruct("blackhole", [source, other], prior=dark, **QUICK)
    assert result.summary["input"] == f"{source}, {other}"
    alone = BlackHole().read([source], "cpu").y.shape[1]
    assert result.measurement.y.shape[1] > alone


@pytest.mark.parametrize("prior", ["blackhole-64", "sources-64"])
def test_m87_is_a_ring_with_both_priors(prior: str, mirror: Path) -> None:
    file = mirror / "eht" / "SR1_M87_2017_101_hi_hops_netcal_StokesI.uvfits"
    result = reconstruct("blackhole", file, prior=prior, samples=4, spread=False)
    summary = result.summary
    assert summary["kept_samples"] >= 3
    assert summary["rings"] >= 3
    assert 36 < summary["ring_diameter_uas"]["mean"] < 43
    assert 39 < summary["ring_diameter_corrected_uas"]["mean"] < 45.5
    assert 145 < summary["ring_position_angle_deg"]["mean"] < 190
    assert max(summary["chi2_closure_phase"] + summary["chi2_log_closure_amplitude"]) < 1.8
    assert result.mean.sum() == pytest.approx(0.6, rel=1e-4)


def test_spread_is_judged_and_told(source: Path, dark: Path) -> None:
    options = {**QUICK, "spread": True}
    result = reconstruct("blackhole", source, prior=dark, **options)
    spread = result.summary["spread"]
    assert spread["num_samples"] == len(result.posterior_samples)
    assert set(spread["ring_diameter_uas"]) == {"mean", "std"}
    np.testing.assert_allclose(result.posterior_samples.sum((1, 2)), 0.6, rtol=1e-4)


def test_three_stations_have_no_log_closure_amplitudes(dark: Path, tmp_path: Path) -> None:
    stations = dict(list(ARRAY.items())[:3])
    file = write_uvfits(tmp_path / "three.uvfits", stations)
    reconstruct("blackhole", file, tmp_path / "out", prior=dark, compact_flux=None, **QUICK)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["log_closure_amplitudes"] == 0
    assert summary["chi2_log_closure_amplitude"] == []
    assert len(summary["chi2_closure_phase"]) > 0

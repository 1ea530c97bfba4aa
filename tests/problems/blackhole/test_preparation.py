import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole.closures import minimal_closures
from lmaps_science.problems.blackhole.observation import average_scans
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from tests.problems.blackhole.synthetic import ARRAY, TRIANGLE, write_uvfits


def counts(operator):
    phases = operator.likelihood.num_phases
    return phases, operator.data_shape[0] - phases


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_uvfits(tmp_path_factory.mktemp("uvfits") / "good.uvfits")


def refused(message, path, **settings):
    with pytest.raises(ValueError, match=message) as caught:
        BlackHoleImaging.from_uvfits(path, **settings)
    assert "\n" not in str(caught.value)
    paths = path if isinstance(path, list) else [path]
    assert all(str(path) in str(caught.value) for path in paths)


@pytest.mark.parametrize(
    ("names", "phases", "amplitudes"),
    [("ABC", 1, 0), ("ABCD", 3, 2), (("A", "B", "C", "D", "DX"), 5, 5)],
)
def test_number_of_closures(tmp_path, names, phases, amplitudes):
    """Phases of n sites (n - 1)(n - 2) / 2, amplitudes n (n - 3) / 2; D and DX are one site."""
    path = write_uvfits(tmp_path / "a.uvfits", {name: ARRAY[name] for name in names})
    operator = BlackHoleImaging.from_uvfits(path)
    assert counts(operator) == (3 * phases, 3 * amplitudes)
    assert operator.y.isfinite().all()


def test_gains_leave_closures_alone(good):
    observation = average_scans(read_uvfits(good))
    closures = minimal_closures(observation)
    rng = np.random.default_rng(0)
    keys = [
        [(int(scan), str(name)) for name in pair]
        for scan, pair in zip(observation.scan, observation.stations, strict=True)
    ]
    gain = {
        key: rng.uniform(0.2, 3) * np.exp(2j * np.pi * rng.random())
        for key in sorted({key for pair in keys for key in pair})
    }
    corruption = np.array([gain[a] * gain[b].conjugate() for a, b in keys])
    turn = np.exp(1j * closures.phase @ np.angle(corruption))
    assert np.allclose(turn, 1)
    assert np.allclose(closures.log_amplitude @ np.log(np.abs(corruption)), 0)


@pytest.mark.parametrize(
    ("day", "band", "phases", "amplitudes"),
    [("095", "lo", 76, 74), ("095", "hi", 73, 71), ("101", "lo", 89, 96), ("101", "hi", 95, 102)],
)
def test_closures_span_all_of_ehtims(mirror, day, band, phases, amplitudes):
    if find_spec("ehtim") is None:
        pytest.skip("ehtim (extra eht) is missing")
    path = mirror / f"eht/SR1_M87_2017_{day}_{band}_hops_netcal_StokesI.uvfits"
    operator = BlackHoleImaging.from_uvfits(path)
    assert counts(operator) == (phases, amplitudes)
    assert ehtims_ranks(operator.observation) == (phases, amplitudes)


def ehtims_ranks(observation):
    """Ranks of ehtim's maximal sets of closure phases, intra-site left out, and amplitudes."""
    from lmaps_science.problems.blackhole.silence import silenced

    with silenced():
        from ehtim.const_def import DTARR, DTPOL_STOKES
        from ehtim.obsdata import Obsdata
    rows = np.zeros(len(observation), dtype=DTPOL_STOKES)
    rows["time"], rows["t1"], rows["t2"] = observation.scan, *observation.stations.T
    rows["u"], rows["v"] = observation.uv.T
    rows["vis"], rows["sigma"] = observation.visibility, observation.sigma
    stations = np.zeros(len(np.unique(observation.stations)), dtype=DTARR)
    stations["site"] = np.unique(observation.stations)
    with silenced():
        full = Obsdata(187.7, 12.4, 230e9, 1e9, rows, stations)
        phases = full.flag_uvdist(0.1e9).c_phases(count="max")
        amplitudes = full.c_amplitudes(count="max", ctype="logcamp")
    row = {}
    for i, (scan, a, b) in enumerate(full.data[["time", "t1", "t2"]].tolist()):
        row[scan, a, b], row[scan, b, a] = (i, 1), (i, -1)
    maps = np.zeros((2, max(len(phases), len(amplitudes)), len(rows)))
    for k, (scan, a, b, c) in enumerate(phases[["time", "t1", "t2", "t3"]].tolist()):
        for side in ((a, b), (b, c), (c, a)):
            i, sign = row[(scan, *side)]
            maps[0, k, i] += sign
    for k, (scan, a, b, c, d) in enumerate(amplitudes[["time", "t1", "t2", "t3", "t4"]].tolist()):
        for sign, side in ((1, (a, b)), (1, (c, d)), (-1, (a, d)), (-1, (b, c))):
            maps[1, k, row[(scan, *side)][0]] += sign
    return tuple(np.linalg.matrix_rank(m) for m in maps)


@pytest.mark.parametrize("flux", [0, -0.6, float("nan"), float("inf")])
def test_no_flux(good, flux):
    refused("compact_flux: expected a flux > 0 in Jansky", good, compact_flux=flux)


@pytest.mark.parametrize("flux", [600, 0.0006])
def test_flux_in_another_unit(good, flux):
    refused(f"got {flux:g} Jy, but baselines within a site measure 1.5 Jy", good, compact_flux=flux)


def test_flux_scales_intra_site_baselines(good, tmp_path):
    one, two = (BlackHoleImaging.from_uvfits(good, compact_flux=f) for f in (0.6, 0.9))
    intra = one.observation.intra_site
    ratio = two.observation.visibility / one.observation.visibility
    assert np.allclose(ratio[intra], 1.5)
    assert np.allclose(ratio[~intra], 1)
    without = BlackHoleImaging.from_uvfits(good, compact_flux=None)
    assert not without.observation.intra_site.any()
    alone = write_uvfits(tmp_path / "a.uvfits", TRIANGLE)
    assert not BlackHoleImaging.from_uvfits(alone).observation.intra_site.any()


@pytest.mark.parametrize("name", ["fractional_error", "min_signal_to_noise", "flux_error"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_settings_that_are_no_numbers(good, name, value):
    refused(f"{name}: expected a number >= 0, got {value}", good, **{name: value})


def test_grids_that_do_not_suit(good):
    refused("expected image_size >= 2.*got 0 and 160", good, image_size=0)
    refused("pixels of 80 µas are too wide for the longest baseline", good, image_size=2)


def test_nothing_left(good, tmp_path):
    refused("0 visibilities between 0 stations", good, min_signal_to_noise=1e9)
    two = write_uvfits(tmp_path / "two.uvfits", {name: ARRAY[name] for name in "AB"})
    refused(r"no closure quantities.*between 2 stations \(A, B\)", two)
    site = write_uvfits(tmp_path / "site.uvfits", {name: ARRAY[name] for name in ("A", "D", "DX")})
    refused("no closure quantities.*none of them on one site", site)
    large = write_uvfits(tmp_path / "large.uvfits", fwhm_uas=1000)
    refused("no closure quantities.*is the source resolved out?", large)


def test_a_source_larger_than_the_field(tmp_path):
    stations = {**ARRAY, "S": (1e5, 2e5, 0)}
    small, large = (
        write_uvfits(tmp_path / f"{fwhm}.uvfits", stations, fwhm_uas=fwhm) for fwhm in (80, 1000)
    )
    BlackHoleImaging.from_uvfits(small)
    refused(r"larger than the field of view: A-S measures 0\.\d+ Jy", large)


def test_files_that_do_not_belong_together(good, tmp_path):
    other = write_uvfits(tmp_path / "other.uvfits", source="3C279")
    refused("expected one source, got TEST, 3C279 in this order", [good, other])
    other = write_uvfits(tmp_path / "86.uvfits", frequency=86e9)
    refused("within 10 %, got 230.0, 86.0 GHz", [good, other])
    shutil.copy(good, tmp_path / "copy.uvfits")
    refused("given twice", [good, good])
    refused("given twice", [good, tmp_path / "copy.uvfits"])
    with pytest.raises(ValueError, match="expected one UVFITS file or more"):
        BlackHoleImaging.from_uvfits([])


def test_bands_and_days_make_one_image(good, tmp_path):
    band = write_uvfits(tmp_path / "band.uvfits", frequency=228e9, seed=1)
    day = write_uvfits(tmp_path / "day.uvfits", day=57860, seed=2)
    one = BlackHoleImaging.from_uvfits(good)
    three = BlackHoleImaging.from_uvfits([good, band, day])
    assert counts(three) == tuple(3 * n for n in counts(one))
    assert len(np.unique(three.observation.scan)) == 9
    assert np.ptp(three.observation.time) > 24 * 6

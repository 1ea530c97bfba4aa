import gzip

import numpy as np
import pytest

from lmaps_science.problems.blackhole.uvfits import read_uvfits
from tests.problems.blackhole.synthetic import TRIANGLE, write_uvfits


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_uvfits(tmp_path_factory.mktemp("uvfits") / "good.uvfits")


def refused(path, message):
    """The file is refused in one line that names it."""
    with pytest.raises(ValueError, match=message) as caught:
        read_uvfits(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_good_file(good):
    observation = read_uvfits(str(good))
    assert len(observation) == 3 * 4 * 10
    assert observation.source == "TEST"
    assert observation.mjd == 57854
    assert observation.frequency == 230e9
    assert np.unique(observation.scan).tolist() == [0, 1, 2]
    assert set(observation.stations.ravel()) == {"A", "B", "C", "D", "DX"}
    assert np.allclose(observation.sigma, 1e-3 / 2**0.5)
    intra = observation.intra_site
    assert set(observation.stations[intra].ravel()) == {"D", "DX"}
    assert np.allclose(np.abs(observation.visibility[intra]), 1.5, atol=0.01)


@pytest.mark.parametrize("stokes", [(-1,), (1,), (-5, -6), (-1, -2, -3, -4), (1, 2, 3, 4)])
def test_stokes_i(tmp_path, stokes):
    hands = [i for i, code in enumerate(stokes) if code in (1, -1, -2, -5, -6)]

    def edit(cells, code):
        for i in range(len(stokes)):
            cells[..., i, :2] = (2 * (i + 1), 0) if i in hands else (99, 99)

    observation = read_uvfits(write_uvfits(tmp_path / "a.uvfits", stokes=stokes, edit=edit))
    assert np.allclose(observation.visibility, np.mean([2 * (i + 1) for i in hands]))
    assert np.allclose(observation.sigma, 1e-3 / len(hands) ** 0.5)


def test_sub_bands_and_channels_by_their_weights(tmp_path):
    def edit(cells, code):
        cells[:] = (5, 1, 1e6)
        cells[:, 0, 0] = (1, 1, 3e6)
        cells[:, 1, 1, 0, 2] = -1
        cells[:, 2, 3, :, 1] = np.nan

    path = write_uvfits(tmp_path / "a.uvfits", sub_bands=3, channels=4, edit=edit)
    observation = read_uvfits(path)
    assert observation.frequency == pytest.approx(230e9 + 1e9 + 1.5e6, rel=1e-9)
    right, left = (5 * 9 + 3) / 12, (5 * 10 + 3) / 13
    assert np.allclose(observation.visibility, (right + left) / 2 + 1j)
    assert np.allclose(observation.sigma, np.sqrt(1 / 12e6 + 1 / 13e6) / 2)


def test_one_hand_flagged(tmp_path):
    def edit(cells, code):
        cells[..., 1, 2] = 0

    observation = read_uvfits(write_uvfits(tmp_path / "a.uvfits", edit=edit))
    assert np.allclose(observation.sigma, 1e-3)


def test_flagged_rows_are_left_out(tmp_path):
    def edit(cells, code):
        cells[::3, ..., 0] = np.nan
        cells[1::3, ..., 2] = -1
        cells[40:80, ..., 2] = 0

    observation = read_uvfits(write_uvfits(tmp_path / "a.uvfits", edit=edit))
    assert len(observation) == 27
    assert np.isfinite(observation.visibility).all()
    assert np.unique(observation.scan).tolist() == [0, 1]


def test_a_late_station_belongs_to_its_scan(tmp_path):
    def edit(cells, code):
        cells[:20][code[:20] % 256 == 5, ..., 2] = 0

    observation = read_uvfits(write_uvfits(tmp_path / "a.uvfits", edit=edit))
    late = (observation.stations == "DX").any(1) & (observation.scan == 0)
    assert observation.time[late].min() * 3600 == pytest.approx(20, abs=0.1)


def test_padded_and_compressed_files(good, tmp_path):
    expected = read_uvfits(good).visibility
    (tmp_path / "tape.uvfits").write_bytes(good.read_bytes() + bytes(28800))
    (tmp_path / "a.uvfits.gz").write_bytes(gzip.compress(good.read_bytes()))
    for name in ("tape.uvfits", "a.uvfits.gz"):
        assert np.array_equal(read_uvfits(tmp_path / name).visibility, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"not a FITS file", "begins with SIMPLE, got b'not a '"),
        (b"\x89PNG\r\n\x1a\n" + bytes(3000), "begins with SIMPLE"),
        (b"\x1f\x8b\x08" + bytes(99), "not readable as UVFITS"),
    ],
)
def test_other_formats(tmp_path, content, message):
    (tmp_path / "a.uvfits").write_bytes(content)
    refused(tmp_path / "a.uvfits", message)


def test_images(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU(np.zeros((8, 8))).writeto(tmp_path / "image.fits")
    refused(tmp_path / "image.fits", "expected visibilities, random groups.*got an image")


def test_folders_and_missing_files(tmp_path):
    refused(tmp_path, "expected a UVFITS file, got a folder")
    with pytest.raises(FileNotFoundError, match=r"nothing\.uvfits: no such file"):
        read_uvfits(tmp_path / "nothing.uvfits")


def test_files_cut_short_anywhere(good, tmp_path):
    content, cut = good.read_bytes(), tmp_path / "cut.uvfits"
    lengths = np.random.default_rng(0).integers(1, len(content), 25).tolist()
    for length in [*lengths, 2880, len(content) - 1]:
        cut.write_bytes(content[:length])
        refused(cut, r"not readable as UVFITS: \S")


def test_damaged_files_are_read_or_refused(good, tmp_path):
    content, damaged = good.read_bytes(), tmp_path / "damaged.uvfits"
    rng = np.random.default_rng(1)
    read = 0
    for _ in range(40):
        altered = bytearray(content)
        for at in rng.integers(0, 6000, 6):
            altered[at] = rng.integers(256)
        damaged.write_bytes(altered)
        try:
            read += np.isfinite(read_uvfits(damaged).visibility).all()
        except ValueError as error:
            assert str(error).startswith(f"{damaged}: not readable as UVFITS: ")
    assert read < 40


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stations": {"A": (0, 0, 0)}}, r"no unflagged visibility.*\(stations: A\)"),
        ({"stations": {"A": (0, 0, 0), "B ": (1e6, 0, 0), "B": (2e6, 0, 0)}}, "different names"),
        ({"stokes": (-3, -4)}, "expected Stokes I, RR and LL or XX and YY"),
        (
            {"header": {"CTYPE3": "FREQ", "CTYPE4": "STOKES"}},
            "expected the axes COMPLEX and STOKES",
        ),
        ({"header": {"CTYPE4": "VELO"}}, "expected an axis FREQ"),
        ({"frequency": -1.0}, "expected a frequency > 0"),
        ({"parameters": {"SOURCE": np.arange(120) % 2}}, "expected one SOURCE, got 2"),
        ({"parameters": {"FREQSEL": np.arange(120) % 2}}, "expected one FREQSEL, got 2"),
        ({"parameters": {"UU": np.full(120, 1e9)}}, "u and v in seconds"),
    ],
)
def test_what_cannot_be_imaged(tmp_path, settings, message):
    refused(write_uvfits(tmp_path / "a.uvfits", **settings), message)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_everything_flagged(tmp_path, value):
    def edit(cells, code):
        cells[..., 2] = value

    refused(write_uvfits(tmp_path / "a.uvfits", edit=edit), "no unflagged visibility")


def test_a_station_that_no_table_lists(tmp_path):
    def edit(cells, code):
        code[0] = 256 * 9 + 1

    refused(write_uvfits(tmp_path / "a.uvfits", edit=edit), r"stations \[9\]")


@pytest.mark.parametrize(
    ("removed", "message"), [(1, "one table of stations, AIPS AN, got 0"), (2, "AIPS FQ, got none")]
)
def test_missing_tables(tmp_path, removed, message):
    from astropy.io import fits

    path = write_uvfits(tmp_path / "whole.uvfits", TRIANGLE, sub_bands=2)
    with fits.open(path) as file:
        del file[removed]
        file.writeto(tmp_path / "a.uvfits")
    refused(tmp_path / "a.uvfits", message)


def test_a_real_file_cut_short(mirror, tmp_path):
    whole = next((mirror / "eht").glob("*.uvfits")).read_bytes()
    (tmp_path / "cut.uvfits").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.uvfits", "cut short")

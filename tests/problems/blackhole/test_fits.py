import io
import warnings
from contextlib import redirect_stdout
from importlib.util import find_spec

import numpy as np
import pytest

from lmaps_science.problems.blackhole.fits import write_fits
from lmaps_science.problems.blackhole.observation import Observation

astropy = pytest.importorskip("astropy", reason="astropy (extra eht) is missing")

SOUTH_EAST = (40, 10)


@pytest.fixture
def observation():
    return Observation(
        uv=np.ones((2, 2)),
        visibility=np.ones(2, complex),
        sigma=np.ones(2),
        time=np.array([30.0, 27.0]),
        scan=np.array([0, 0]),
        stations=np.array([["AA", "LM"], ["AA", "PV"]]),
        source="M87",
        right_ascension=187.7059,
        declination=12.3911,
        frequency=2.27e11,
        mjd=57848,
    )


@pytest.fixture
def image():
    """A point of 0.4 Jy east and south of the middle, on a level of 0.2 Jy in all."""
    image = np.full((64, 64), 0.2 / 64**2)
    image[SOUTH_EAST] += 0.4
    return image


def test_read_by_astropy(tmp_path, image, observation):
    from astropy.io import fits
    from astropy.wcs import WCS

    write_fits(tmp_path / "new" / "a.fits", image, observation, 160.0, spread=0.1 * image)
    with fits.open(tmp_path / "new" / "a.fits") as file:
        file.verify("exception")
        header, data, spread = file[0].header, file[0].data, file["SPREAD"]
        assert header["BUNIT"] == spread.header["BUNIT"] == "JY/PIXEL"
        assert header["OBJECT"] == "M87"
        assert header["MJD"] == pytest.approx(57848 + 27 / 24)
        assert header["DATE-OBS"] == "2017-04-06T03:00:00"
        assert header["FREQ"] == 2.27e11
        np.testing.assert_allclose(data[::-1], image, rtol=1e-6)
        np.testing.assert_allclose(spread.data, 0.1 * data, rtol=1e-6)
        for unit in (header, spread.header):
            place = WCS(unit)
            row, column = np.unravel_index(data.argmax(), data.shape)
            ra, dec = place.wcs_pix2world(column, row, 0)
            east = (ra - 187.7059) * np.cos(np.deg2rad(12.3911)) * 3.6e9
            north = (dec - 12.3911) * 3.6e9
            # Degrees in double precision resolve 1e-4 µas here.
            assert east == pytest.approx((31.5 - SOUTH_EAST[1]) * 2.5, abs=1e-2)
            assert north == pytest.approx((31.5 - SOUTH_EAST[0]) * 2.5, abs=1e-2)


def test_read_by_ehtim(tmp_path, image, observation):
    if find_spec("ehtim") is None:
        pytest.skip("ehtim (extra eht) is missing")
    write_fits(tmp_path / "a.fits", image, observation, 160.0, spread=image)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import ehtim

        read = ehtim.image.load_fits(str(tmp_path / "a.fits"))
        centroid = read.centroid() / ehtim.RADPERUAS
    np.testing.assert_allclose(read.imarr(), image, rtol=1e-6)
    assert read.psize / ehtim.RADPERUAS == pytest.approx(2.5)
    assert read.total_flux() == pytest.approx(0.6)
    assert (read.source, read.mjd, read.rf) == ("M87", 57849, 2.27e11)
    assert read.ra == pytest.approx(187.7059 / 15)
    assert read.dec == pytest.approx(12.3911)
    # Two thirds of the flux are in the point; ehtim counts east positive.
    expected = [(31.5 - SOUTH_EAST[1]) * 2.5 * 2 / 3, (31.5 - SOUTH_EAST[0]) * 2.5 * 2 / 3]
    np.testing.assert_allclose(centroid, expected, atol=1e-3)


def test_nothing_is_left_of_a_wrong_image(tmp_path, image, observation):
    with pytest.raises(ValueError, match="square image"):
        write_fits(tmp_path / "a.fits", image[None], observation)
    with pytest.raises(ValueError, match=r"spread: expected the image's shape \(64, 64\)"):
        write_fits(tmp_path / "a.fits", image, observation, spread=image[:32])
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_keeps_the_earlier_file(tmp_path, image, observation, monkeypatch):
    from astropy.io import fits

    write_fits(tmp_path / "a.fits", image, observation)
    before = (tmp_path / "a.fits").read_bytes()

    def fail(self, name, overwrite):
        name.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(fits.HDUList, "writeto", fail)
    with pytest.raises(OSError, match="disk full"):
        write_fits(tmp_path / "a.fits", 2 * image, observation)
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]
    assert (tmp_path / "a.fits").read_bytes() == before

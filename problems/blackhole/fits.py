"""Images of radio sources as FITS files, which ehtim, ds9 and CASA read."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.blackhole.observation import Observation

if TYPE_CHECKING:
    from astropy.io import fits

_DEGREES_PER_UAS = 1e-6 / 3600
_MJD_ZERO = np.datetime64("1858-11-17T00:00:00")


def write_fits(
    path: str | Path,
    image: NDArray,
    observation: Observation,
    field_of_view_uas: float = 160.0,
    spread: NDArray | None = None,
) -> None:
    """Write an image with its celestial coordinates.

    Closure quantities do not fix the position: the source's coordinates are those of the
    image's centre.

    Parameters
    ----------
    path : str or Path
        Replaced at once when it is complete.
    image : ndarray
        (y, x), Jansky per pixel, north up and east to the left.
    observation : Observation
        What it was made from: source, frequency and date.
    field_of_view_uas : float
        Width of the image.
    spread : ndarray, optional
        Standard deviation of the image, as an extension named SPREAD.

    Raises
    ------
    ImportError
        If astropy is not installed.
    ValueError
        If the image is not square, or the spread not of its shape.
    """
    try:
        from astropy.io import fits
    except ImportError as error:
        raise ImportError("writing FITS needs astropy: pip install 'lmaps-science[eht]'") from error

    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ValueError(f"expected a square image (y, x), got shape {image.shape}")
    if spread is not None and spread.shape != image.shape:
        raise ValueError(f"spread: expected the image's shape {image.shape}, got {spread.shape}")
    header = _header(len(image), observation, field_of_view_uas)
    units = [fits.PrimaryHDU(_rows_from_the_south(image), header)]
    if spread is not None:
        units.append(fits.ImageHDU(_rows_from_the_south(spread), header, name="SPREAD"))
    with atomic_path(path) as temporary:
        fits.HDUList(units).writeto(temporary, overwrite=True)


def _rows_from_the_south(image: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(image[::-1], dtype=np.float32)


def _header(size: int, observation: Observation, field_of_view_uas: float) -> "fits.Header":
    from astropy.io import fits

    pixel = field_of_view_uas / size * _DEGREES_PER_UAS
    centre = (size + 1) / 2
    start = observation.mjd + float(observation.time.min()) / 24
    cards = [
        ("OBJECT", observation.source, "source"),
        ("BUNIT", "JY/PIXEL", "Jansky per pixel"),
        ("STOKES", "I", "total intensity"),
        ("CTYPE1", "RA---SIN", "east to the left"),
        ("CRPIX1", centre, "centre of the image"),
        ("CRVAL1", observation.right_ascension, "[deg]"),
        ("CDELT1", -pixel, "[deg]"),
        ("CUNIT1", "deg"),
        ("CTYPE2", "DEC--SIN", "north up"),
        ("CRPIX2", centre, "centre of the image"),
        ("CRVAL2", observation.declination, "[deg]"),
        ("CDELT2", pixel, "[deg]"),
        ("CUNIT2", "deg"),
        ("OBSRA", observation.right_ascension, "[deg]"),
        ("OBSDEC", observation.declination, "[deg]"),
        ("RADESYS", "ICRS"),
        ("FREQ", observation.frequency, "[Hz]"),
        (
            "DATE-OBS",
            str(_MJD_ZERO + np.timedelta64(round(86400 * start), "s")),
            "first visibility",
        ),
        ("MJD-OBS", start, "[d] the same"),
        ("MJD", start, "[d] the same"),
        ("TELESCOP", "VLBI"),
        ("ORIGIN", "lmaps-science"),
    ]
    return fits.Header(cards)

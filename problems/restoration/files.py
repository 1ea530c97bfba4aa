"""Image files in and out: PNG, JPEG and TIFF, grey, 8 or 16 bits."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.restoration.grey import GreyScale

if TYPE_CHECKING:
    from PIL import Image

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in ITU-R BT.601, which JPEG takes."""

LOW, HIGH = 1.0, 99.8
"""Percentiles of an image that the prior of cells sees at -1 and 1."""


@dataclass(frozen=True)
class ImageFile:
    """An image as its file holds it.

    Attributes
    ----------
    levels : ndarray
        Grey levels, float64, (y, x), from 0 to `white`.
    white : int
        255 or 65535.
    format : str
        As Pillow calls it.
    converted : bool
        Whether colours were turned into luminance.
    """

    levels: NDArray[np.float64]
    white: int
    format: str
    converted: bool

    @property
    def grey(self) -> NDArray[np.float64]:
        """Grey values from 0 to 1, (y, x)."""
        return self.levels / self.white


def read_image(path: Path) -> ImageFile:
    """Read a grey image; colours become luminance.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no image, has several pages, or its values are neither of 8 nor of 16 bits.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return _grey(image, path)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: expected a PNG, JPEG or TIFF image") from error
    except OSError as error:
        if not path.is_file():
            raise
        raise ValueError(f"{path}: expected a whole image, this one is damaged: {error}") from error


def _grey(image: "Image.Image", path: Path) -> ImageFile:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise ValueError(f"{path}: expected one image, got {pages} pages: save one as a file")
    kind = image.format or "?"
    if image.mode in ("RGB", "RGBA", "P", "LA", "CMYK", "YCbCr"):
        colours = np.asarray(image.convert("RGB"), np.float64)
        grey = bool((colours.min(-1) == colours.max(-1)).all())
        return ImageFile(colours @ LUMINANCE, 255, kind, not grey)
    if image.mode not in ("L", "1", "I", "I;16", "I;16B", "I;16L"):
        raise ValueError(
            f"{path}: expected grey or colour of 8 or 16 bits, got Pillow's mode {image.mode!r}: "
            "save it as 16-bit PNG or TIFF"
        )
    levels = np.asarray(image.convert("L") if image.mode == "1" else image).astype(np.float64)
    return ImageFile(levels, 255 if image.mode in ("L", "1") else 65535, kind, False)


def grey_scale(grey: NDArray) -> GreyScale:
    """What the prior's -1 and 1 stand for in an image of grey values (y, x)."""
    low, high = np.percentile(grey, (LOW, HIGH))
    return GreyScale(float(low), float(high)).check()


def estimate_noise(image: ImageFile) -> float:
    """Standard deviation of white noise in an image, grey values; at least its rounding.

    From the median of the finest diagonal wavelets of Haar (Donoho & Johnstone 1994), where
    smooth images have next to nothing.
    """
    ny, nx = (n - n % 2 for n in image.levels.shape)
    a, b, c, d = (image.grey[i:ny:2, j:nx:2] for i in (0, 1) for j in (0, 1))
    found = float(np.median(np.abs(a - b - c + d))) / 2 / 0.6745
    return max(found, 1 / image.white / 12**0.5)


def quantised_levels(image: ImageFile, bits: int) -> NDArray[np.float64]:
    """Integers from 0 to 2^bits - 1 of an image that has no more values.

    They are stored as they are, spread evenly from black to white, or in the upper bits.

    Raises
    ------
    ValueError
        If the image has others.
    """
    largest = 2**bits - 1
    values, levels = np.unique(image.levels), image.levels
    if values.max() <= largest:
        return levels
    shifted = levels * (largest + 1) / (image.white + 1)
    if (shifted == shifted.round()).all():
        return shifted
    spread = levels * largest / image.white
    if np.abs(spread - spread.round()).max() * image.white / largest <= 1:
        return spread.round()
    raise ValueError(
        f"bits: an image of {bits} bits has at most {largest + 1} grey values evenly spaced from "
        f"black to white, this one has {len(values)}: give the right number of bits, or degrade a "
        "clean image with --degrade"
    )


def write_image(path: Path, grey: NDArray) -> None:
    """Write grey values from 0 to 1, (y, x), as 16-bit PNG or TIFF by the suffix."""
    from PIL import Image

    levels = (65535 * grey.clip(0, 1)).round().astype(np.uint16)
    with atomic_path(path) as temporary:
        Image.fromarray(levels).save(temporary)

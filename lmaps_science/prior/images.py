"""Training images from what people keep them in: folders, HDF5, LMDB, NumPy files."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

logger = logging.getLogger(__name__)

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
HDF5 = {".h5", ".hdf5"}
ARRAYS = {".npy", ".npz"}


def load_images(
    path: str | Path, image_size: int | None = None, dataset: str | None = None
) -> Tensor:
    """Load images for training a prior.

    Parameters
    ----------
    path : str or Path
        A folder of pictures (PNG, JPEG, TIFF, BMP, also in its subfolders), one picture, an
        HDF5 file, an InverseBench LMDB, or a .npy or .npz file. Arrays are
        (count, y, x), (count, channels, y, x) or (count, y, x, channels).
    image_size : int, optional
        Scale the shorter side to this many pixels and cut out the middle square.
    dataset : str, optional
        Name of the array in an HDF5 or .npz file; the first of 3 or 4 axes by default.

    Returns
    -------
    Tensor
        (count, channels, y, x), float32 in [-1, 1]. The whole range of an integer type, or
        [0, 1] or [-1, 1] of floats, is mapped; which of the two, the log says.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If there are no images, or such that cannot be used: NaN, mixed sizes, floats
        outside [-1, 1].
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of images")
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size: expected a positive number of pixels, got {image_size}")
    arrays = [_channels_first(array, path) for array in _read(path, dataset)]
    if not arrays or not sum(len(array) for array in arrays):
        raise ValueError(f"{path}: no images in it")
    images = [_resized(torch.from_numpy(array), image_size) for array in _scaled(arrays, path)]
    shapes = sorted({tuple(image.shape[1:]) for image in images})
    if len(shapes) > 1:
        advice = (
            "give image_size to bring them to one size"
            if len({shape[0] for shape in shapes}) == 1
            else "keep grey and colour pictures apart"
        )
        raise ValueError(
            f"{path}: images of {len(shapes)} shapes (channels, y, x), such as {shapes[0]} and "
            f"{shapes[-1]}: {advice}"
        )
    return torch.cat(images)


def _read(path: Path, dataset: str | None) -> Iterator[np.ndarray]:
    """Yield the arrays at `path`, with a leading axis of images."""
    suffix = path.suffix.lower()
    if path.is_dir() and (path / "data.mdb").exists():
        yield from _read_lmdb(path)
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in PICTURES:
                yield from _read_picture(file)
    elif suffix in PICTURES:
        yield from _read_picture(path)
    elif suffix in HDF5:
        yield _read_hdf5(path, dataset)
    elif suffix in ARRAYS:
        yield _read_numpy(path, dataset)
    else:
        raise ValueError(
            f"{path}: expected a folder of pictures, an LMDB folder, or a file of type "
            f"{', '.join(sorted(PICTURES | HDF5 | ARRAYS))}"
        )


def _read_picture(path: Path) -> Iterator[np.ndarray]:
    """Yield a picture, or the pages of a TIFF stack."""
    from PIL import Image, ImageSequence

    plain = {"P": "RGB", "RGBA": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "1": "L", "LA": "L"}
    try:
        with Image.open(path) as image:
            for page in ImageSequence.Iterator(image):
                yield np.asarray(page.convert(plain.get(page.mode, page.mode)))[None]
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path}: not a readable picture ({error})") from error


def _read_hdf5(path: Path, dataset: str | None) -> np.ndarray:
    import h5py

    try:
        file = h5py.File(path)
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from error
    with file:
        found: dict[str, h5py.Dataset] = {}
        file.visititems(
            lambda name, item: (
                found.update({name: item}) if isinstance(item, h5py.Dataset) else None
            )
        )
        name = _choose({name: item.shape for name, item in found.items()}, dataset, path)
        return np.asarray(found[name])


def _read_numpy(path: Path, dataset: str | None) -> np.ndarray:
    try:
        content = np.load(path, allow_pickle=False)
        arrays = {"array": content} if isinstance(content, np.ndarray) else dict(content)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path}: not a readable array of numbers ({error})") from error
    if not isinstance(content, np.ndarray):
        content.close()
    return arrays[_choose({name: array.shape for name, array in arrays.items()}, dataset, path)]


def _choose(shapes: dict[str, tuple[int, ...]], dataset: str | None, path: Path) -> str:
    if dataset is not None:
        name = dataset.strip("/")
        if name in shapes:
            return name
        raise ValueError(f"{path}: no dataset {dataset!r}, only {', '.join(shapes) or 'none'}")
    for name, shape in shapes.items():
        if len(shape) in (3, 4):
            return name
    raise ValueError(
        f"{path}: expected an array of images with 3 or 4 axes, got "
        f"{', '.join(f'{name} {shape}' for name, shape in shapes.items()) or 'none'}"
    )


def _read_lmdb(path: Path) -> Iterator[np.ndarray]:
    """InverseBench's layout: keys "0", "1", ...; each a float32 (channels, side, side)."""
    import lmdb

    try:
        environment = lmdb.open(str(path), readonly=True, lock=False, create=False)
    except lmdb.Error as error:
        raise ValueError(f"{path}: not a readable LMDB ({error})") from error
    with environment, environment.begin() as transaction:
        for index in range(environment.stat()["entries"]):
            value = transaction.get(str(index).encode())
            if value is None:
                raise ValueError(
                    f"{path}: expected the keys 0, 1, ... of images, {index} is missing"
                )
            yield _square(value, f"{path}, image {index}")


def _square(value: bytes, name: str) -> np.ndarray:
    for channels in (1, 2, 3):
        side = math.isqrt(len(value) // (4 * channels))
        if 4 * channels * side**2 == len(value):
            return np.frombuffer(value, np.float32).reshape(1, channels, side, side)
    raise ValueError(f"{name}: expected a square float32 image, got {len(value)} bytes")


def _channels_first(array: np.ndarray, path: Path) -> np.ndarray:
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] <= 4:
        return array
    if array.ndim == 4 and array.shape[3] <= 4:
        return array.transpose(0, 3, 1, 2)
    raise ValueError(
        f"{path}: expected (count, y, x), (count, channels, y, x) or (count, y, x, channels) with "
        f"at most 4 channels, got {array.shape}"
    )


def _scaled(arrays: list[np.ndarray], path: Path) -> list[np.ndarray]:
    """Map to float32 in [-1, 1], by one rule for all arrays of a data set."""
    kinds = {array.dtype for array in arrays}
    if len(kinds) > 1:
        raise ValueError(f"{path}: images of several types, {', '.join(sorted(map(str, kinds)))}")
    kind = kinds.pop()
    if kind == np.bool_:
        return [array.astype(np.float32) * 2 - 1 for array in arrays]
    if kind in (np.uint8, np.uint16):
        return _scaled_integers(arrays, np.iinfo(kind).max, path)
    if kind.kind == "f":
        return _scaled_floats(arrays, path)
    raise ValueError(
        f"{path}: expected images of type uint8, uint16 or float, got {kind}: rescale them to "
        "floats in [0, 1] or [-1, 1]"
    )


def _scaled_integers(arrays: list[np.ndarray], highest: int, path: Path) -> list[np.ndarray]:
    used = max(int(array.max()) for array in arrays) / highest
    if used < 0.25:
        logger.warning(
            "%s: the brightest pixel is at %.1f %% of the type's range, so the images will be "
            "dark; rescale them to floats in [0, 1] if that is not meant",
            path,
            100 * used,
        )
    return [array.astype(np.float32) * np.float32(2 / highest) - 1 for array in arrays]


def _scaled_floats(arrays: list[np.ndarray], path: Path) -> list[np.ndarray]:
    bad = sum(int((~np.isfinite(array)).sum()) for array in arrays)
    if bad:
        raise ValueError(f"{path}: NaN or infinity in {bad} pixels; remove those images")
    low = min(float(array.min()) for array in arrays)
    high = max(float(array.max()) for array in arrays)
    if low < -1 or high > 1:
        raise ValueError(
            f"{path}: expected floats in [0, 1] or [-1, 1], these span [{low:.4g}, {high:.4g}]: "
            "rescale them"
        )
    logger.info("%s: floats taken to be in %s", path, "[-1, 1]" if low < 0 else "[0, 1]")
    # A copy: arrays from LMDB are read-only.
    floats = [array.astype(np.float32) for array in arrays]
    return floats if low < 0 else [array * 2 - 1 for array in floats]


def _resized(images: Tensor, image_size: int | None) -> Tensor:
    height, width = images.shape[2:]
    if image_size is None or height == width == image_size:
        return images
    scale = image_size / min(height, width)
    size = [max(image_size, round(height * scale)), max(image_size, round(width * scale))]
    images = functional.interpolate(
        images, size, mode="bilinear", antialias=True, align_corners=False
    )
    y, x = ((side - image_size) // 2 for side in size)
    return images[:, :, y : y + image_size, x : x + image_size].clamp(-1, 1)

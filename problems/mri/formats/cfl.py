"""BART's pairs of files: ``.hdr`` with the dimensions, ``.cfl`` with complex64 in column order.

Dimensions: 0 read-out, 1 and 2 phase-encode, 3 coils, 4 maps, 13 slices; the others, echoes
and times, are contrasts here.
"""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.mri.formats.scan import Scan, hybrid

_DIMENSIONS = 16
_COILS, _MAPS, _SLICES = 3, 4, 13
_CONTRASTS = tuple(d for d in range(5, _DIMENSIONS) if d != _SLICES)


def read_cfl(path: str | Path) -> NDArray[np.complex64]:
    """The array of a pair of files, by either's name or without suffix, all 16 dimensions.

    Memory-mapped: nothing is read before it is looked at.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If the header has no dimensions, or the data are not as long as they say.
    """
    data, header = pair(path)
    for file in (data, header):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file; a BART array is a .cfl and a .hdr")
    lines = header.read_text().splitlines()
    try:
        shape = [int(n) for n in lines[lines.index("# Dimensions") + 1].split()]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{header}: expected a line of dimensions after '# Dimensions'") from error
    shape += [1] * (_DIMENSIONS - len(shape))
    expected, found = 8 * math.prod(shape), data.stat().st_size
    if found != expected:
        raise ValueError(
            f"{data}: expected {expected} bytes for dimensions {shape}, got {found}: copy it again"
        )
    return np.memmap(data, np.complex64, "r", shape=tuple(shape), order="F")


def write_cfl(path: str | Path, array: NDArray) -> None:
    """Write an array of up to 16 dimensions; `read_cfl` gives it back.

    Parameters
    ----------
    path : str or Path
        Of either file, or without suffix; both are replaced only when they are written.
    array : ndarray
        Complex or real, in BART's order of dimensions.
    """
    data, header = pair(path)
    dimensions = [*array.shape, *[1] * (_DIMENSIONS - array.ndim)]
    with atomic_path(data) as temporary:
        temporary.write_bytes(array.astype(np.complex64).tobytes(order="F"))
    with atomic_path(header) as temporary:
        temporary.write_text("# Dimensions\n" + " ".join(map(str, dimensions)) + "\n")


def to_bart(array: NDArray) -> NDArray:
    """Images (y, x), maps or k-space (coils, y, x) in BART's order (x, y, 1, coils)."""
    coils = array if array.ndim == 3 else array[None]
    return coils.transpose(2, 1, 0)[:, :, None]


def images_to_bart(images: NDArray) -> NDArray:
    """Images (y, x), (slices, y, x) or (contrasts, slices, y, x) in BART's order of dimensions.

    Slices are dimension 13, contrasts 5, the echoes.
    """
    contrasts, slices, ny, nx = (1,) * (4 - images.ndim) + images.shape
    shape = [nx, ny, 1, 1, 1, contrasts, *[1] * (_SLICES - 6), slices]
    return images.reshape(contrasts, slices, ny, nx).transpose(3, 2, 0, 1).reshape(shape)


def read_bart(path: Path) -> Scan:
    """Read k-space; of three encoded dimensions, the first is the fully sampled read-out."""
    array = read_cfl(path)
    if array.shape[_MAPS] != 1:
        raise ValueError(f"expected k-space, got {array.shape[_MAPS]} sets of maps: give as maps")
    contrasts = [array.shape[d] for d in _CONTRASTS]
    deep = min(array.shape[:3]) > 1
    if deep and array.shape[_SLICES] > 1:
        raise ValueError(f"expected one volume or slices, got dimensions {array.shape}")

    def part(index: int, contrast: int) -> NDArray:
        """(coils, z, y, x)."""
        where = dict(zip(_CONTRASTS, np.unravel_index(contrast, contrasts), strict=True))
        key = tuple(
            slice(None) if d <= _COILS else index if d == _SLICES else where.get(d, 0)
            for d in range(_DIMENSIONS)
        )
        return np.asarray(array[key]).transpose(3, 2, 1, 0)

    @lru_cache(maxsize=1)
    def volume(contrast: int) -> NDArray:
        return hybrid(part(0, contrast))

    def read(index: int, contrast: int) -> NDArray:
        return volume(contrast)[index] if deep else _plane(part(index, contrast))

    return Scan(
        path,
        "BART CFL",
        num_slices=array.shape[0] if deep else array.shape[_SLICES],
        contrasts=tuple(
            f"contrast {i}" if math.prod(contrasts) > 1 else "" for i in range(math.prod(contrasts))
        ),
        read=read,
        phase_axis="x" if deep else "y",
    )


def read_bart_maps(path: Path) -> NDArray[np.complex64]:
    """Sensitivity maps, (coils, y, x), or (slices, coils, y, x) of several slices."""
    array = read_cfl(path)
    if array.shape[_MAPS] != 1:
        raise ValueError(f"expected one set of maps, got {array.shape[_MAPS]}: `bart slice 4 0`")
    if min(array.shape[:3]) > 1:
        # Maps of a volume whose slices are cut along its read-out.
        return np.ascontiguousarray(array.reshape(array.shape[:4], order="A").transpose(0, 3, 2, 1))
    slices = array.reshape(*array.shape[:4], -1, order="A")
    maps = np.stack([_plane(slices[..., i].transpose(3, 2, 1, 0)) for i in range(slices.shape[-1])])
    return maps[0] if len(maps) == 1 else maps


def _plane(volume: NDArray) -> NDArray:
    """(coils, y, x) of (coils, z, y, x), one of whose last axes is of length 1."""
    axis = next((a for a in (1, 3, 2) if volume.shape[a] == 1), None)
    if axis is None:
        raise ValueError(f"expected two encoded dimensions, got (coils, z, y, x) = {volume.shape}")
    return volume.squeeze(axis)


def pair(path: str | Path) -> tuple[Path, Path]:
    """The data and the header of an array, by the name of either or without suffix."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".cfl", ".hdr") else path
    return stem.with_name(stem.name + ".cfl"), stem.with_name(stem.name + ".hdr")

"""NumPy's files: k-space (coils, y, x) or (slices, coils, y, x)."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.mri.formats.scan import Scan, as_complex

_KSPACE = ("kspace", "ksp", "k_space", "data")
MAPS = ("maps", "sensitivity_maps", "s_maps", "smaps", "mps")


def read_arrays(path: Path) -> Scan:
    """Read ``.npy``, or ``.npz`` with ``kspace`` (or ``ksp``) and perhaps ``maps``, ``mask``."""
    arrays = load(path)
    name = next((n for n in _KSPACE if n in arrays), None)
    if name is None:
        raise ValueError(
            f"expected an array named {' or '.join(_KSPACE)}, the file holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}"
        )
    kspace = _slices(arrays[name], "k-space")
    maps = next((_slices(arrays[n], n) for n in MAPS if n in arrays), None)
    if maps is not None and len(maps) not in (1, len(kspace)):
        raise ValueError(f"maps: expected those of {len(kspace)} slices, got {len(maps)}")
    return Scan(
        path,
        "NumPy",
        num_slices=len(kspace),
        contrasts=("",),
        read=lambda index, _: kspace[index],
        read_maps=None if maps is None else lambda index: maps[index % len(maps)],
        mask=arrays["mask"].astype(bool) if "mask" in arrays else None,
    )


def load(path: Path) -> dict[str, NDArray]:
    """Arrays of a file by name; the one of an ``.npy`` is called ``data``.

    Raises
    ------
    ValueError
        If it is damaged or holds objects.
    """
    try:
        if path.suffix == ".npy":
            return {"data": np.load(path, mmap_mode="r")}
        # NumPy leaves a damaged file open that it opened itself.
        with path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"expected arrays as numpy.save or savez write them, got a damaged file ({error})"
        ) from error


def _slices(values: NDArray, name: str) -> NDArray:
    """(slices, coils, y, x), complex."""
    if values.dtype.kind != "c":
        values = as_complex(values)
    if values.ndim not in (3, 4):
        raise ValueError(
            f"{name}: expected (coils, y, x) or (slices, coils, y, x), got {values.shape}"
        )
    return values if values.ndim == 4 else values[None]

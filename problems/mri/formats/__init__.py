"""Raw k-space in the formats that people have, and images in those that they use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.mri.formats.arrays import MAPS, load, read_arrays
from lmaps_science.problems.mri.formats.cfl import read_bart, read_bart_maps
from lmaps_science.problems.mri.formats.fastmri import read_fastmri
from lmaps_science.problems.mri.formats.hdf5 import opened
from lmaps_science.problems.mri.formats.inversebench import (
    read_inversebench,
    read_inversebench_lmdb,
)
from lmaps_science.problems.mri.formats.mrd import read_ismrmrd
from lmaps_science.problems.mri.formats.scan import Scan, as_complex

__all__ = ["Scan", "read_maps", "read_scan"]

_KNOWN = (
    "fastMRI or ISMRMRD HDF5, BART .cfl, NumPy .npy or .npz, or InverseBench's HDF5 of maps or "
    "folder of LMDB"
)
_KNOWN_MAPS = "BART .cfl, NumPy .npy, or .npz or HDF5 with s_maps"
_IMAGES = {
    b"DICM": "a DICOM file",
    b"\x89PNG": "a PNG image",
    b"n+1\x00": "a NIfTI image",
    b"ni1\x00": "a NIfTI image",
}
_SIGNATURES_AT = (0, 128, 344)


def read_scan(path: str | Path) -> Scan:
    """Open raw k-space; the format is recognised by the content.

    Parameters
    ----------
    path : str or Path
        A file, or a folder of LMDB.

    Returns
    -------
    Scan
        Whose slices are read when they are asked for.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of no known format, or damaged; the message names it.
    """
    path = Path(path)
    try:
        return _reader(path)(path)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_maps(path: str | Path) -> NDArray[np.complex64]:
    """Read sensitivity maps: NumPy, BART, or HDF5 with ``s_maps``.

    Parameters
    ----------
    path : str or Path
        A file.

    Returns
    -------
    ndarray
        Complex, (coils, y, x), or (slices, coils, y, x) of several slices.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no maps; the message names it.
    """
    path = Path(path)
    _exists(path, f"sensitivity maps as {_KNOWN_MAPS}")
    try:
        if _is_cfl(path):
            return read_bart_maps(path)
        if path.suffix in (".npy", ".npz"):
            arrays = load(path)
            name = next((n for n in ("data", *MAPS) if n in arrays), None)
            if name is not None:
                return as_complex(arrays[name])
        elif _is_hdf5(path):
            with opened(path) as file:
                if "s_maps" in file:
                    return as_complex(file["s_maps"][()])
        raise ValueError(f"expected sensitivity maps as {_KNOWN_MAPS}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _reader(path: Path) -> Callable[[Path], Scan]:
    _exists(path, f"raw k-space as {_KNOWN}")
    if path.is_dir():
        return read_inversebench_lmdb
    if _is_cfl(path):
        return read_bart
    if path.suffix in (".npy", ".npz"):
        return read_arrays
    if _is_hdf5(path):
        return _hdf5_reader(path)
    with path.open("rb") as file:
        beginning = file.read(max(_SIGNATURES_AT) + 4)
    for signature, what in _IMAGES.items():
        if any(beginning[at : at + 4] == signature for at in _SIGNATURES_AT):
            raise ValueError(f"expected raw k-space, got {what}, which holds images: give {_KNOWN}")
    raise ValueError(f"expected raw k-space as {_KNOWN}, got a file of another kind")


def _hdf5_reader(path: Path) -> Callable[[Path], Scan]:
    with opened(path) as file:
        if "kspace" in file:
            return read_fastmri
        if "s_maps" in file:
            return read_inversebench
        if "dataset/data" in file and "dataset/xml" in file:
            return read_ismrmrd
        found = ", ".join(sorted(file)) or "nothing"
    raise ValueError(
        "expected kspace (fastMRI), dataset/data and dataset/xml (ISMRMRD) or s_maps "
        f"(InverseBench), the file holds {found}"
    )


def _exists(path: Path, expected: str) -> None:
    if not path.exists() and not _is_cfl(path):
        raise FileNotFoundError(f"{path}: no such file; expected {expected}")


def _is_cfl(path: Path) -> bool:
    return path.suffix in (".cfl", ".hdr") or path.with_name(path.name + ".cfl").is_file()


def _is_hdf5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))

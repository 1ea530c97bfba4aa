"""FastMRI's HDF5: ``kspace`` (slices, coils, y, x), the read-out along y.

Beside it may be ``mask`` (x,), ``s_maps`` (slices, coils, y, x) and ``ismrmrd_header``.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.mri.formats.hdf5 import opened
from lmaps_science.problems.mri.formats.header import Header, parse_header
from lmaps_science.problems.mri.formats.scan import (
    Scan,
    as_complex,
    cropped_field_of_view,
    placed,
)

_READOUT, _PHASE = 1, 2


def read_fastmri(path: Path) -> Scan:
    """Read a multi-coil file; one with ``kspace`` (slices, y, x) is that of a single coil.

    The field of view along the read-out is cropped to the reconstructed one where the header
    says; lines that a half scan left out are zero, the centre of k-space in the middle.
    """
    with opened(path) as file:
        shape = file["kspace"].shape
        if len(shape) not in (3, 4):
            raise ValueError(f"kspace: expected (slices, coils, y, x), got {shape}")
        header = parse_header(file["ismrmrd_header"][()]) if "ismrmrd_header" in file else None
        mask = file["mask"][()] if "mask" in file else None
        has_maps = "s_maps" in file
        image_shape = file["reconstruction_rss"].shape[1:] if "reconstruction_rss" in file else None

    def read(index: int, _: int) -> NDArray:
        kspace = as_complex(_item(path, "kspace", index))
        kspace = kspace[None] if kspace.ndim == 2 else kspace
        return kspace if header is None else _cut(kspace, header)

    return Scan(
        path,
        "fastMRI HDF5",
        num_slices=shape[0],
        contrasts=("",),
        read=read,
        read_maps=(lambda index: _item(path, "s_maps", index)) if has_maps else None,
        mask=None if mask is None else _checked_mask(mask, shape[-1], header),
        image_shape=image_shape if header is None else header.cropped,
        affine=None if header is None else _affine(header),
    )


def write_fastmri(
    path: str | Path,
    kspace: NDArray,
    maps: NDArray | None = None,
    mask: NDArray | None = None,
    images: Mapping[str, NDArray] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write a file; `read_fastmri` gives it back.

    Parameters
    ----------
    path : str or Path
        Replaced only when all is written.
    kspace : ndarray
        Complex, (slices, coils, y, x).
    maps : ndarray, optional
        Sensitivity maps, of the same shape.
    mask : ndarray, optional
        What of k-space is kept, (x,), or (y, x).
    images : mapping, optional
        Images (slices, y, x) by the name of their data set.
    attributes : mapping, optional
        Of the file.

    Raises
    ------
    ValueError
        If the k-space is not complex or of another shape than the maps.
    """
    import h5py

    if kspace.ndim != 4 or not np.iscomplexobj(kspace):
        raise ValueError(
            "kspace: expected complex numbers (slices, coils, y, x), got "
            f"{kspace.dtype} of shape {kspace.shape}"
        )
    if maps is not None and maps.shape != kspace.shape:
        raise ValueError(f"maps: expected shape {kspace.shape} as kspace, got {maps.shape}")
    datasets: dict[str, NDArray] = {"kspace": kspace, **(images or {})}
    if maps is not None:
        datasets["s_maps"] = maps
    if mask is not None:
        datasets["mask"] = mask
    # In memory first: HDF5 cannot recover from a disk that is full, and takes Python down.
    content = BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in datasets.items():
            file.create_dataset(name, data=array)
        file.attrs.update(attributes or {})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _item(path: Path, name: str, index: int) -> NDArray:
    with opened(path) as file:
        return np.asarray(file[name][index])


def _cut(kspace: NDArray, header: Header) -> NDArray:
    """Lines at their place in the encoded matrix, read-out cropped."""
    lines = kspace.shape[_PHASE]
    if lines < header.matrix[1] and _start(header, lines) is not None:
        kspace = placed(kspace, header.matrix[1], _start(header, lines) or 0, _PHASE)
    readout = min(header.cropped[0], kspace.shape[_READOUT])
    if readout < kspace.shape[_READOUT]:
        kspace = cropped_field_of_view(kspace, readout, _READOUT)
    return kspace


def _start(header: Header, lines: int) -> int | None:
    """Where the first of `lines` measured lines is in the encoded matrix, if it is known."""
    if header.centre_line is None or header.last_line is None or lines != header.last_line + 1:
        return None
    return header.matrix[1] // 2 - header.centre_line


def _checked_mask(mask: NDArray, lines: int, header: Header | None) -> NDArray[np.bool_]:
    if mask.shape[-1:] != (lines,):
        raise ValueError(f"mask: expected {lines} lines as kspace, got shape {mask.shape}")
    mask = mask.astype(bool).reshape(-1, lines)
    start = None if header is None else _start(header, lines)
    if header is None or start is None or lines >= header.matrix[1]:
        return mask
    whole = np.zeros((len(mask), header.matrix[1]), dtype=bool)
    whole[:, start : start + lines] = mask
    return whole


def _affine(header: Header) -> NDArray[np.float64]:
    """Voxel sizes alone: the header does not say where the slices are.

    Axes are (x, y, slice) of our images, whose y is the read-out.
    """
    readout, phase, slices = header.voxel_size
    return np.diag([phase, readout, slices, 1.0])

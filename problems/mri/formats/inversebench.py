"""InverseBench's MRI data: fastMRI with ESPIRiT maps in HDF5, or LMDB of cropped slices.

Zheng et al., arXiv 2503.11043. The HDF5 of the maps lies in a folder whose name ends in
``_sens_maps_espirit``, that of the k-space under the same name in the folder without it.
The LMDB folder holds ``kspace``, ``s_maps`` and ``mvue``, complex64 by the slice's number.
"""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lmaps_science.problems.mri.formats.hdf5 import opened
from lmaps_science.problems.mri.formats.scan import (
    Scan,
    cropped_field_of_view,
    resized_kspace,
)
from lmaps_science.problems.mri.fourier import to_image, to_kspace

_SUFFIX = "_sens_maps_espirit"
_PARTS = ("kspace", "s_maps", "mvue")


def read_inversebench(maps_path: Path, image_size: tuple[int, int] = (320, 320)) -> Scan:
    """Read a file of maps and the k-space beside it, cropped to `image_size` as the benchmark does.

    Along y, the read-out, the field of view is cropped, along x the resolution.

    Raises
    ------
    FileNotFoundError
        If the file of the k-space is missing.
    ValueError
        If the maps lie elsewhere, or are of other slices.
    """
    path = Path(str(maps_path).replace(_SUFFIX, ""))
    if path == maps_path:
        raise ValueError(
            f"expected maps in a folder whose name ends in {_SUFFIX}, beside that of the k-space; "
            "give the file of the k-space, and this one as maps"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected the k-space of {maps_path}")
    with opened(maps_path) as file:
        num_slices = len(file["s_maps"])
    with opened(path) as file:
        if len(file["kspace"]) != num_slices:
            raise ValueError(
                f"s_maps: expected those of the {len(file['kspace'])} slices of {path}, got "
                f"{num_slices}"
            )

    def read(index: int, _: int = 0) -> NDArray:
        with opened(path) as file:
            return _cropped(file["kspace"][index], image_size)

    def read_maps(index: int) -> NDArray:
        with opened(maps_path) as file:
            maps = torch.from_numpy(file["s_maps"][index])
        return to_image(torch.from_numpy(_cropped(to_kspace(maps).numpy(), image_size))).numpy()

    return Scan(
        path,
        "InverseBench HDF5",
        num_slices=num_slices,
        contrasts=("",),
        read=read,
        read_maps=read_maps,
        read_reference=lambda index: mvue(read(index), read_maps(index)),
    )


def read_inversebench_lmdb(root: Path, image_size: tuple[int, int] | None = None) -> Scan:
    """Read a folder of LMDB; slices are square unless `image_size` (y, x) says otherwise.

    Raises
    ------
    ValueError
        If a part is missing or of another size.
    """
    missing = [part for part in _PARTS if not (root / part / "data.mdb").is_file()]
    if missing:
        raise ValueError(f"expected LMDB folders {', '.join(_PARTS)}, {', '.join(missing)} missing")
    count, pixels = _entries(root / "mvue")
    side = math.isqrt(pixels)
    shape = (side, side) if image_size is None else image_size
    if math.prod(shape) != pixels:
        raise ValueError(f"expected slices of {shape[0]}×{shape[1]} pixels, got {pixels} in all")
    return Scan(
        root,
        "InverseBench LMDB",
        num_slices=count,
        contrasts=("",),
        read=lambda index, _: _record(root / "kspace", index).reshape(-1, *shape),
        read_maps=lambda index: _record(root / "s_maps", index).reshape(-1, *shape),
        read_reference=lambda index: _record(root / "mvue", index).reshape(shape),
    )


def mvue(kspace: NDArray, maps: NDArray) -> NDArray[np.complex64]:
    """Σ_c conj(S_c) F^H k_c / sqrt(Σ_c |S_c|²), (y, x), of k-space (coils, y, x)."""
    combined = (to_image(torch.from_numpy(kspace)).numpy() * maps.conj()).sum(0)
    sensitivity = np.sqrt((np.abs(maps) ** 2).sum(0))
    return np.divide(combined, sensitivity, out=np.zeros_like(combined), where=sensitivity > 0)


def _cropped(kspace: NDArray, image_size: tuple[int, int]) -> NDArray[np.complex64]:
    return cropped_field_of_view(resized_kspace(kspace, image_size[1], 2), image_size[0], 1)


def _entries(folder: Path) -> tuple[int, int]:
    """Number of records, and complex numbers in the first."""
    import lmdb

    with lmdb.open(str(folder), readonly=True, lock=False, create=False) as environment:
        count = environment.stat()["entries"]
    return count, len(_record(folder, 0)) if count else 0


def _record(folder: Path, index: int) -> NDArray[np.complex64]:
    import lmdb

    with (
        lmdb.open(str(folder), readonly=True, lock=False, create=False) as environment,
        environment.begin() as transaction,
    ):
        record = transaction.get(str(index).encode())
    if record is None or len(record) % 8:
        raise ValueError(f"{folder.name}: expected complex64 under key {index}, got none")
    return np.frombuffer(record, np.complex64)

"""Data as InverseBench reads them: LMDB of images, HDF5 of maps, its folder of black holes."""

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.blackhole.uvfits import read_uvfits
from lmaps_science.problems.mri.espirit import calibration_region, espirit
from lmaps_science.problems.mri.formats.hdf5 import opened

MAPS_SUFFIX = "_sens_maps_espirit"
_MAP_SIZE = 1 << 40
"""Bytes of address space of an LMDB; the file grows as it is filled."""


def write_images(images: NDArray, folder: Path, dtype: DTypeLike = np.float32) -> None:
    """Write images as an LMDB of raw numbers by index.

    Parameters
    ----------
    images : ndarray
        Finite, in [0, 1], (images, y, x), square.
    folder : Path
        Of the LMDB.
    dtype : dtype
        Of the numbers: float32 for inv-scatter, float64 for blackhole.

    Raises
    ------
    ValueError
        If they are not such images, or the folder holds an LMDB already.
    """
    import lmdb

    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(f"images: expected (images, n, n), got {images.shape}")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"images: expected numbers in [0, 1], got {low:.3g} to {high:.3g}")
    if (folder / "data.mdb").exists():
        raise ValueError(f"{folder}: holds an LMDB already: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        lmdb.open(str(folder), map_size=_MAP_SIZE) as store,
        store.begin(write=True) as transaction,
    ):
        for index, image in enumerate(images):
            transaction.put(str(index).encode(), image.astype(dtype).tobytes())


def write_maps(path: Path, calibration: int = 24) -> Path:
    """Write the ESPIRiT maps of a fastMRI file where InverseBench looks for them.

    Parameters
    ----------
    path : Path
        HDF5 with ``kspace`` (slices, coils, y, x); its folder is the benchmark's folder of
        k-space, and stays as it is.
    calibration : int
        Width of the fully sampled centre.

    Returns
    -------
    Path
        File of the same name, in the folder beside whose name ends in ``_sens_maps_espirit``.

    Raises
    ------
    ValueError
        If it is not such a file, or its centre is not fully sampled.
    """
    import h5py

    path = path.absolute()
    target = path.parent.with_name(path.parent.name + MAPS_SUFFIX) / path.name
    with opened(path) as file:
        if "kspace" not in file or file["kspace"].ndim != 4:
            raise ValueError(f"{path}: expected kspace (slices, coils, y, x) of fastMRI")
        target.parent.mkdir(exist_ok=True)
        with atomic_path(target) as partial, h5py.File(partial, "w") as out:
            kspace = file["kspace"]
            maps = out.create_dataset("s_maps", kspace.shape, np.complex64)
            for index in range(len(kspace)):
                maps[index] = _maps(torch.from_numpy(kspace[index]), calibration, path, index)
    return target


def write_blackhole(observation: Path, image: Path, folder: Path) -> None:
    """Write ``obs.uvfits`` and ``gt.fits``, which gives field of view and flux.

    Parameters
    ----------
    observation : Path
        UVFITS.
    image : Path
        FITS of the reference image.
    folder : Path
        What `problem.model.root` names.

    Raises
    ------
    ValueError
        If the observation cannot be read.
    FileNotFoundError
        If one of them is missing.
    """
    read_uvfits(observation)
    if not image.is_file():
        raise FileNotFoundError(f"{image}: no such file; expected the FITS of a reference image")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(observation, folder / "obs.uvfits")
    shutil.copyfile(image, folder / "gt.fits")


def _maps(kspace: torch.Tensor, calibration: int, path: Path, index: int) -> NDArray:
    height, width = (min(calibration, size) for size in kspace.shape[1:])
    centre = calibration_region(kspace, height, width)
    if not centre.abs().sum(0).all():
        raise ValueError(
            f"{path}, slice {index}: expected the {height}×{width} samples in the centre of "
            "k-space, some are zero: give a smaller calibration"
        )
    return espirit(centre, tuple(kspace.shape[1:])).numpy()

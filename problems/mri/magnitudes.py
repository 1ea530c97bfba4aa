"""Magnitude images of people to train on, from DICOM, NIfTI, fastMRI or arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lmaps_science.problems.mri.coils import root_sum_of_squares
from lmaps_science.problems.mri.formats import read_scan
from lmaps_science.problems.mri.formats.arrays import load
from lmaps_science.problems.mri.formats.hdf5 import opened
from lmaps_science.problems.mri.formats.images import middle

_NIFTI, _HDF5, _ARRAYS = (".nii", ".nii.gz"), (".h5", ".hdf5"), (".npy", ".npz")
_RECONSTRUCTIONS = ("reconstruction_rss", "reconstruction_esc")
_BRIGHT, _BRIGHTEST, _EMPTY = 0.995, 1.2, 0.1


def read_magnitudes(path: str | Path, image_size: int = 128) -> list[Tensor]:
    """Slices of each person, or of each file that may be one.

    Parameters
    ----------
    path : str or Path
        A file, or a folder that is searched: NIfTI (axial slices), DICOM (a series is one
        person), fastMRI HDF5, NumPy ``.npy`` (slices, y, x), or ``.npz`` with ``slices`` and
        ``subject``, the person of each.
    image_size : int
        Pixels along each side; slices are made square with zeros and scaled to it.

    Returns
    -------
    list of Tensor
        (slices, image_size, image_size) each; the 99.5th percentile of a slice is 1. Slices
        that are nearly empty are left out.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If there are no images, or such that cannot be used; the message names the file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of images")
    volumes = (_prepared(name, volume, image_size) for name, volume in _volumes(path))
    people = [slices for slices in volumes if len(slices)]
    if not people:
        raise ValueError(f"{path}: expected NIfTI, DICOM, fastMRI or NumPy images, found none")
    return people


def _volumes(path: Path) -> Iterator[tuple[Path, NDArray]]:
    """(slices, y, x) of each person, and the file."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    yield from _read_dicom([file for file in files if _is_dicom(file)])
    for file in files:
        if file.name.endswith(_NIFTI):
            yield file, _read_nifti(file)
        elif file.suffix in _HDF5:
            yield file, _read_fastmri(file)
        elif file.suffix in _ARRAYS:
            yield from ((file, slices) for slices in _read_arrays(file))


def _prepared(file: Path, volume: NDArray, image_size: int) -> Tensor:
    """Magnitudes (slices, image_size, image_size) of a volume, without nearly empty slices."""
    slices = torch.from_numpy(np.abs(volume).astype(np.float32))
    if slices.ndim != 3 or not torch.isfinite(slices).all():
        raise ValueError(
            f"{file}: expected finite slices (slices, y, x), got shape {tuple(slices.shape)}"
            + ("" if slices.ndim != 3 else " with NaN or infinity")
        )
    height, width = slices.shape[1:]
    side = max(height, width)
    before = (side - width) // 2, (side - height) // 2
    square = functional.pad(
        slices, (before[0], side - width - before[0], before[1], side - height - before[1])
    )
    scaled = functional.interpolate(
        square[:, None], (image_size, image_size), mode="bilinear", antialias=True
    )[:, 0]
    bright = torch.quantile(scaled.flatten(1), _BRIGHT, dim=1)
    kept = bright > _EMPTY * bright.max()
    return (scaled[kept] / bright[kept, None, None]).clamp(0, _BRIGHTEST)


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _read_dicom(files: list[Path]) -> Iterator[tuple[Path, NDArray]]:
    """One volume for each series and size of its images."""
    if not files:
        return
    try:
        import pydicom
    except ImportError as error:
        raise ImportError("DICOM needs pydicom: pip install 'lmaps-science[mri]'") from error

    series: dict[tuple, list[NDArray]] = {}
    for file in files:
        try:
            image = pydicom.dcmread(file)
            pixels = np.asarray(image.pixel_array)
        except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
            raise ValueError(f"{file}: expected a readable DICOM image ({error})") from error
        if pixels.ndim in (2, 3) and image.get("SamplesPerPixel", 1) == 1:
            key = (image.get("SeriesInstanceUID", ""), *pixels.shape[-2:])
            series.setdefault(key, []).extend(pixels.reshape(-1, *pixels.shape[-2:]))
    for slices in series.values():
        yield files[0].parent, np.stack(slices)


def _read_nifti(file: Path) -> NDArray:
    """Axial slices; of several volumes, the first."""
    try:
        import nibabel
    except ImportError as error:
        raise ImportError("NIfTI needs nibabel: pip install 'lmaps-science[mri]'") from error

    try:
        image = nibabel.as_closest_canonical(nibabel.load(file))
        values = np.asarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{file}: expected a readable NIfTI image ({error})") from error
    if values.ndim < 3:
        raise ValueError(f"{file}: expected a volume (x, y, z), got shape {values.shape}")
    return values.reshape(*values.shape[:3], -1)[..., 0].transpose(2, 1, 0)[:, ::-1]


def _read_fastmri(file: Path) -> NDArray:
    """The file's own reconstruction, else the root sum of squares of its k-space."""
    with opened(file) as content:
        name = next((n for n in _RECONSTRUCTIONS if n in content), None)
        if name is not None:
            return content[name][()]
    scan = read_scan(file)
    images = [
        root_sum_of_squares(torch.from_numpy(scan.kspace(k))).numpy()
        for k in range(scan.num_slices)
    ]
    return middle(np.stack(images), scan.image_shape)


def _read_arrays(file: Path) -> Iterator[NDArray]:
    arrays = load(file)
    slices = next((arrays[name] for name in ("slices", "data") if name in arrays), None)
    if slices is None:
        raise ValueError(
            f"{file}: expected an array named slices, it holds {', '.join(sorted(arrays))}"
        )
    if "subject" not in arrays:
        yield slices
        return
    for subject in np.unique(arrays["subject"]):
        yield slices[arrays["subject"] == subject]

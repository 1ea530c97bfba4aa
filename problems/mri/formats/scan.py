"""What every reader returns: the slices of a scan, read one at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.problems.mri.fourier import resized, to_image, to_kspace


@dataclass(frozen=True)
class Scan:
    """K-space of one or several slices in one or several contrasts.

    Attributes
    ----------
    path : Path
        File or folder.
    format : str
        Its format, for people.
    num_slices : int
        Slices.
    contrasts : tuple of str
        Names of the contrasts, echoes, phases or repetitions; each is an image of its own.
    read : callable
        (slice, contrast) to k-space, complex, (coils, y, x); see `kspace`.
    read_maps : callable, optional
        slice to sensitivity maps, complex, (coils, y, x).
    read_reference : callable, optional
        slice to a reference image, (y, x), complex.
    mask : ndarray, optional
        What of k-space to keep, (1, x) or (y, x).
    noise : ndarray, optional
        Samples of noise alone, complex, (coils, samples).
    image_shape : tuple of int, optional
        (y, x) of the image's middle that is meant to be shown; all by default.
    affine : ndarray, optional
        (4, 4), from (x, y, slice) indices to millimetre right, anterior, superior, where the
        file says; of `image_shape`.
    phase_axis : str
        ``"x"`` or ``"y"``, along which lines are encoded one by one; read-outs lie across it.
    """

    path: Path
    format: str
    num_slices: int
    contrasts: tuple[str, ...]
    read: Callable[[int, int], NDArray]
    read_maps: Callable[[int], NDArray] | None = None
    read_reference: Callable[[int], NDArray] | None = None
    mask: NDArray[np.bool_] | None = None
    noise: NDArray | None = None
    image_shape: tuple[int, int] | None = None
    affine: NDArray[np.float64] | None = None
    phase_axis: str = "x"

    def kspace(self, index: int, contrast: int = 0) -> NDArray[np.complex64]:
        """K-space of a slice, (coils, y, x), its centre at (y // 2, x // 2).

        Raises
        ------
        IndexError
            If there is no such slice or contrast.
        ValueError
            If it cannot be read; the message names file and slice.
        """
        self.check(index, contrast)
        return self._named(index, partial(self.read, index, contrast))

    def maps(self, index: int) -> NDArray[np.complex64] | None:
        """Sensitivity maps of a slice, (coils, y, x), where the file has them."""
        if self.read_maps is None:
            return None
        self.check(index, 0)
        return self._named(index, partial(self.read_maps, index))

    def reference(self, index: int) -> NDArray[np.complex64] | None:
        """Reference image of a slice, (y, x), where the file has one."""
        if self.read_reference is None:
            return None
        self.check(index, 0)
        return self._named(index, partial(self.read_reference, index))

    def affine_from(self, index: int) -> NDArray[np.float64] | None:
        """`affine` of an image or volume that begins with slice `index`, where the file says."""
        if self.affine is None:
            return None
        affine = self.affine.copy()
        affine[:3, 3] += index * affine[:3, 2]
        return affine

    def check(self, index: int, contrast: int = 0) -> None:
        """Raise IndexError if there is no such slice or contrast."""
        for name, number, count in (
            ("slice", index, self.num_slices),
            ("contrast", contrast, len(self.contrasts)),
        ):
            if not 0 <= number < count:
                raise IndexError(f"{self.path}: no {name} {number}, it has {count}, counted from 0")

    def _named(self, index: int, read: Callable[[], NDArray]) -> NDArray[np.complex64]:
        try:
            return as_complex(read())
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(f"{self.path}, slice {index}: {error}") from error


def as_complex(values: NDArray) -> NDArray[np.complex64]:
    """Complex numbers, of complex numbers or pairs of floats (..., 2).

    Raises
    ------
    ValueError
        If they are neither.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f" and values.ndim and values.shape[-1] == 2:
        values = values[..., 0] + 1j * values[..., 1]
    if values.dtype.kind != "c":
        raise ValueError(
            f"expected complex numbers, or pairs of floats (..., 2), got {values.dtype} of shape "
            f"{values.shape}"
        )
    return values.astype(np.complex64)


def cropped_field_of_view(kspace: NDArray, size: int, axis: int) -> NDArray[np.complex64]:
    """K-space of the middle `size` pixels along a fully sampled axis, such as a read-out."""
    data = _tensor(kspace)
    image = resized(to_image(data, (axis,)), size, axis)
    return to_kspace(image, (axis,)).numpy()


def resized_kspace(kspace: NDArray, size: int, axis: int) -> NDArray[np.complex64]:
    """K-space cropped or zero-padded around its centre."""
    data = _tensor(kspace)
    return resized(data, size, axis).contiguous().numpy()


def placed(lines: NDArray, size: int, start: int, axis: int) -> NDArray[np.complex64]:
    """K-space of `size` along an axis, zero but for `lines` from `start` on.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    count = lines.shape[axis]
    if start < 0 or start + count > size:
        raise ValueError(
            f"expected samples within the encoded matrix of {size}, got {count} from {start} on"
        )
    shape = list(lines.shape)
    shape[axis] = size
    kspace = np.zeros(shape, dtype=np.complex64)
    np.moveaxis(kspace, axis, 0)[start : start + count] = np.moveaxis(lines, axis, 0)
    return kspace


def hybrid(volume: NDArray) -> NDArray[np.complex64]:
    """Slices of three-dimensional k-space, transformed along its read-out.

    Parameters
    ----------
    volume : ndarray
        (coils, z, y, x), x being the fully sampled read-out.

    Returns
    -------
    ndarray
        (x, coils, z, y): a two-dimensional problem for each position along the read-out.
    """
    return to_image(_tensor(volume), (-1,)).movedim(-1, 0).contiguous().numpy()


def _tensor(values: NDArray) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.complex64))

"""The slices of a scan, prepared one by one: a broken one does not stop the others."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from lmaps_science.problems.mri.checks import checked_mask
from lmaps_science.problems.mri.coils import noise_covariance
from lmaps_science.problems.mri.formats.scan import Scan
from lmaps_science.problems.mri.preparation import PreparedSlice, prepare


@dataclass(frozen=True)
class SliceResult:
    """One slice of one contrast.

    Attributes
    ----------
    index, contrast : int
        Which.
    prepared : PreparedSlice or None
        Ready to be reconstructed; None if it is broken.
    reason : str
        Why it is broken, naming file and slice.
    """

    index: int
    contrast: int
    prepared: PreparedSlice | None
    reason: str = ""


def prepare_slice(
    scan: Scan,
    index: int,
    contrast: int = 0,
    mask: ArrayLike | None = None,
    maps: NDArray | None = None,
    sigma_noise: float | None = None,
    num_coils: int | None = None,
    device: str | torch.device = "cpu",
) -> SliceResult:
    """Read and prepare a slice; what is wrong with it is part of the result.

    Parameters
    ----------
    scan : Scan
        What `read_scan` gives.
    index, contrast : int
        Which of its slices.
    mask : array, optional
        Keeps a part of k-space, beside the file's own mask.
    maps : ndarray, optional
        Sensitivity maps (coils, y, x) of all slices alike, or (slices, coils, y, x), in place
        of the file's own and of ESPIRiT's.
    sigma_noise, num_coils, device
        As for `prepare`.

    Returns
    -------
    SliceResult

    Raises
    ------
    IndexError
        If there is no such slice.
    """
    try:
        kspace = scan.kspace(index, contrast)
        prepared = prepare(
            kspace,
            _joined(scan.mask, mask, kspace.shape[1:]),
            scan.maps(index) if maps is None else _maps_of(scan, index, maps),
            None if scan.noise is None else noise_covariance(torch.as_tensor(scan.noise)),
            sigma_noise,
            num_coils,
            device,
        )
    except ValueError as error:
        where = f"{scan.path}, slice {index}: "
        return SliceResult(index, contrast, None, where + str(error).removeprefix(where))
    return SliceResult(index, contrast, prepared)


def _maps_of(scan: Scan, index: int, maps: NDArray) -> NDArray:
    if maps.ndim == 4 and len(maps) != scan.num_slices:
        raise ValueError(f"sensitivity maps: expected {scan.num_slices} slices, got {len(maps)}")
    return maps[index] if maps.ndim == 4 else maps


def _joined(
    own: NDArray[np.bool_] | None, mask: ArrayLike | None, shape: tuple[int, ...]
) -> NDArray[np.bool_] | None:
    """What both masks keep; a mask in the file that keeps everything says nothing."""
    if own is None or checked_mask(torch.from_numpy(own), shape).all():
        return None if mask is None else np.asarray(mask)
    return own if mask is None else own & np.asarray(mask, dtype=bool)

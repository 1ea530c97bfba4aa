"""Measurements in HDF5.

An HDF5 file holds

=========================== ================================================================
``scattered_field``         complex, (transmitters, receivers), scattered field
``transmitter_positions``   (transmitters, 2), x and y in metre
``receiver_positions``      (receivers, 2), or (transmitters, receivers, 2), metre
``receiver_mask``           optional, (transmitters, receivers), 1 where measured
``permittivity_contrast``   optional, (y, x), the truth
=========================== ================================================================

and the attributes ``wavenumber`` (rad/m), ``pixel_size`` (metre), ``grid_shape`` (Ny, Nx),
``sigma_noise``, and optionally ``convention`` (``physical`` or ``inversebench``) and
``contrast_scale`` (contrast of the prior's brightest pixel).
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmaps_science.files import atomic_path
from lmaps_science.problems.scattering.geometry import Geometry
from lmaps_science.problems.scattering.operator import InverseScattering

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Measurement:
    """What a file holds.

    Attributes
    ----------
    operator : InverseScattering
        Of the file's geometry.
    y : Tensor
        Scattered field, (1, transmitters, receivers), complex.
    truth : Tensor or None
        Permittivity contrast, (1, 1, y, x), where known.
    """

    operator: InverseScattering
    y: Tensor
    truth: Tensor | None


def read_measurement(path: str | Path, device: str | torch.device = "cpu") -> Measurement:
    """Read a scattering measurement.

    Parameters
    ----------
    path : str or Path
        HDF5 file.
    device : str or torch.device
        Of the operator and the data.

    Returns
    -------
    Measurement

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If something in it is missing or wrong; the message names it.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected a scattering measurement in HDF5")
    if not h5py.is_hdf5(path):
        raise ValueError(
            f"{path}: expected a scattering measurement in HDF5, got a file that is not HDF5; "
            "write one with write_measurement, or see the README for what it holds"
        )
    try:
        with h5py.File(path) as file:
            return _parse(file, device)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: {error}") from error


def write_measurement(
    path: str | Path,
    operator: InverseScattering,
    y: ArrayLike | Tensor,
    truth: Tensor | None = None,
) -> None:
    """Write a scattering measurement; `read_measurement` gives it back.

    Parameters
    ----------
    path : str or Path
        HDF5 file, replaced only when all is written.
    operator : InverseScattering
        Its geometry, noise level and convention are written.
    y : array or Tensor
        Scattered field of one case, (transmitters, receivers) or with a leading 1.
    truth : Tensor, optional
        Permittivity contrast, (y, x), or with leading ones.

    Raises
    ------
    ValueError
        If the data or the truth do not fit the operator.
    """
    import h5py

    data = operator.check_data(y)
    if len(data) != 1:
        raise ValueError(f"scattered field: expected one case per file, got {len(data)}")
    geometry = operator.geometry
    datasets = {
        "scattered_field": data[0].cpu().numpy(),
        "transmitter_positions": geometry.transmitter_positions,
        "receiver_positions": geometry.receiver_positions,
    }
    if geometry.receiver_mask is not None:
        datasets["receiver_mask"] = geometry.receiver_mask.astype(np.uint8)
    if truth is not None:
        datasets["permittivity_contrast"] = _checked_truth(
            truth.squeeze().cpu().numpy(), geometry.grid_shape
        )
    attributes = {
        "wavenumber": geometry.wavenumber,
        "pixel_size": geometry.pixel_size,
        "grid_shape": geometry.grid_shape,
        "sigma_noise": operator.sigma_noise,
        "convention": operator.convention,
        "contrast_scale": 2 * operator.unnorm_scale,
    }
    # In memory first: HDF5 cannot recover from a disk that is full, and takes Python down.
    content = BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in datasets.items():
            file.create_dataset(name, data=array)
        file.attrs.update(attributes)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _parse(file: "h5py.File", device: str | torch.device) -> Measurement:
    field = _dataset(file, "scattered_field", "complex, (transmitters, receivers)")
    if not np.iscomplexobj(field):
        raise ValueError(
            "scattered_field: expected complex numbers (in HDF5 a compound of floats r and i, as "
            f"h5py writes them), got {field.dtype} of shape {field.shape}: join the real and "
            "imaginary parts"
        )
    if np.ndim(file.attrs.get("wavenumber", 0)):
        raise ValueError(
            "wavenumber: expected one number in rad/m, got "
            f"{np.size(file.attrs['wavenumber'])}: write one file per frequency"
        )
    geometry = Geometry(
        _numbers(file, "transmitter_positions", "(transmitters, 2), metre"),
        _numbers(file, "receiver_positions", "(receivers, 2), metre"),
        _attribute(file, "wavenumber", "one number in rad/m"),
        _attribute(file, "pixel_size", "one number in metre"),
        _attribute(file, "grid_shape", "two integers (Ny, Nx)", size=2),
        _numbers(file, "receiver_mask", "") if "receiver_mask" in file else None,
    )
    operator = InverseScattering.from_geometry(
        geometry,
        _attribute(file, "sigma_noise", "one number, the noise's standard deviation"),
        convention=_text(file.attrs.get("convention", "physical")),
        contrast_scale=_attribute(file, "contrast_scale", "one number", default=1.0),
        device=device,
    )
    truth = None
    if "permittivity_contrast" in file:
        contrast = _numbers(file, "permittivity_contrast", "(y, x)")
        contrast = _checked_truth(contrast, geometry.grid_shape)
        truth = torch.from_numpy(contrast)[None, None].to(operator.device)
    y = operator.check_data(field)
    if len(y) != 1:
        raise ValueError(f"scattered_field: expected one case per file, got {len(y)}")
    return Measurement(operator, y, truth)


def _dataset(file: "h5py.File", name: str, expected: str) -> NDArray:
    import h5py

    item = file.get(name)
    if not isinstance(item, h5py.Dataset):
        found = ", ".join(sorted(file)) or "nothing"
        raise ValueError(f"expected a dataset {name!r} ({expected}), the file holds {found}")
    return np.asarray(item)


def _numbers(file: "h5py.File", name: str, expected: str) -> NDArray:
    array = _dataset(file, name, expected)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers {expected}, got {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _attribute(
    file: "h5py.File", name: str, expected: str, size: int = 1, default: float | None = None
) -> Any:  # noqa: ANN401
    if name not in file.attrs and default is not None:
        return default
    if name not in file.attrs:
        found = ", ".join(sorted(file.attrs)) or "none"
        raise ValueError(f"expected an attribute {name!r} ({expected}), the file has {found}")
    value = np.asarray(file.attrs[name])
    if value.dtype.kind not in "iuf" or value.size != size or not np.isfinite(value).all():
        raise ValueError(f"{name}: expected {expected}, got {file.attrs[name]!r}")
    return value.item() if size == 1 else tuple(value.tolist())


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _checked_truth(contrast: NDArray, grid_shape: tuple[int, int]) -> NDArray[np.float32]:
    if contrast.shape != grid_shape or not np.isfinite(contrast).all():
        raise ValueError(
            f"permittivity_contrast: expected finite numbers of shape grid_shape = {grid_shape}, "
            f"got {'NaN or infinity' if contrast.shape == grid_shape else contrast.shape}"
        )
    return contrast.astype(np.float32)

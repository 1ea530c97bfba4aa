"""Scattered fields in HDF5.

An HDF5 file holds

=========================== ================================================================
``scattered_field``         complex, (transmitters, receivers), scattered field; with an axis of
                            frequencies before where there are several
``transmitter_positions``   (transmitters, 2), x and y in metre
``receiver_positions``      (receivers, 2), or (transmitters, receivers, 2), metre
``receiver_mask``           optional, 1 where measured; (transmitters, receivers), or the shape
                            of the field
``permittivity_contrast``   optional, (y, x), the truth
=========================== ================================================================

and the attributes ``wavenumber`` (rad/m, one or one per frequency), ``pixel_size`` (metre),
``grid_shape`` (Ny, Nx), ``sigma_noise`` (one or one per frequency), and optionally
``convention`` (``physical`` or ``inversebench``), ``contrast_scale`` (contrast of the prior's
brightest pixel) and ``calibrated`` (0: each frequency's fields have an unknown complex factor in
common).
"""

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.problems.scattering.geometry import Geometry

if TYPE_CHECKING:
    import h5py

CONVENTIONS = ("inversebench", "physical")


@dataclass(frozen=True, eq=False)
class ScatteringData:
    """What a file holds.

    Attributes
    ----------
    geometries : tuple of Geometry
        One per frequency, different in wavenumber and mask alone.
    field : array
        Scattered fields, (frequencies, transmitters, receivers), complex.
    sigma_noise : tuple of float
        Standard deviation of the complex noise of a datum, per frequency.
    contrast_scale : float
        Contrast of an image at x = 1.
    convention : str
        One of `CONVENTIONS`.
    calibrated : bool
        Whether the fields have no unknown factors.
    truth : array or None
        Permittivity contrast, (y, x), float32.
    """

    geometries: tuple[Geometry, ...]
    field: NDArray
    sigma_noise: tuple[float, ...]
    contrast_scale: float = 1.0
    convention: str = "physical"
    calibrated: bool = True
    truth: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        geometry = self.geometries[0]
        if self.convention not in CONVENTIONS:
            raise ValueError(
                f"convention: expected 'inversebench' or 'physical', got {self.convention!r}"
            )
        expected = (len(self.geometries), *geometry.data_shape)
        if not np.iscomplexobj(self.field):
            raise ValueError(
                "scattered_field: expected complex numbers (in HDF5 a compound of floats r and i, "
                f"as h5py writes them), got {self.field.dtype} of shape {self.field.shape}: join "
                "the real and imaginary parts"
            )
        if self.field.shape != expected:
            self._refuse_shape(expected)
        if self.truth is not None:
            object.__setattr__(self, "truth", _checked_truth(self.truth, geometry.grid_shape))

    def _refuse_shape(self, expected: tuple[int, ...]) -> None:
        axes, came = "(frequencies, transmitters, receivers)", self.field.shape
        if expected[0] == 1 == came[0]:
            axes, expected, came = "(transmitters, receivers)", expected[1:], came[1:]
        raise ValueError(
            f"scattered_field: expected shape {axes} = {expected}, one case per file, got {came}; "
            "an axis of frequencies needs as many wavenumbers"
        )

    def write(self, path: str | Path) -> None:
        """Write the file, which is replaced only when all is written."""
        import h5py

        # In memory first: HDF5 cannot recover from a disk that is full, and takes Python down.
        content = BytesIO()
        with h5py.File(content, "w") as file:
            for name, array in self._datasets().items():
                file.create_dataset(name, data=array)
            file.attrs.update(self._attributes())
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getvalue())

    def _datasets(self) -> dict[str, NDArray]:
        geometry, single = self.geometries[0], len(self.geometries) == 1
        datasets = {
            "scattered_field": self.field[0] if single else self.field,
            "transmitter_positions": geometry.transmitter_positions,
            "receiver_positions": geometry.receiver_positions,
        }
        masks = [g.receiver_mask for g in self.geometries]
        if any(mask is not None for mask in masks):
            everywhere = np.ones(geometry.data_shape, bool)
            mask = np.stack([everywhere if mask is None else mask for mask in masks])
            datasets["receiver_mask"] = (mask[0] if single else mask).astype(np.uint8)
        if self.truth is not None:
            datasets["permittivity_contrast"] = self.truth
        return datasets

    def _attributes(self) -> dict[str, Any]:
        geometry, single = self.geometries[0], len(self.geometries) == 1
        wavenumbers = [g.wavenumber for g in self.geometries]
        attributes = {
            "wavenumber": wavenumbers[0] if single else wavenumbers,
            "pixel_size": geometry.pixel_size,
            "grid_shape": geometry.grid_shape,
            "sigma_noise": self.sigma_noise[0] if single else self.sigma_noise,
            "convention": self.convention,
            "contrast_scale": self.contrast_scale,
        }
        return attributes if self.calibrated else {**attributes, "calibrated": 0}


def read_fields(path: str | Path) -> ScatteringData:
    """Read a file of scattered fields.

    Parameters
    ----------
    path : str or Path
        HDF5 file.

    Returns
    -------
    ScatteringData

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
            return _parse(file)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: {error}") from error


def _parse(file: "h5py.File") -> ScatteringData:
    field = _dataset(file, "scattered_field", "complex, (transmitters, receivers)")
    wavenumbers = _attribute(file, "wavenumber", "one number in rad/m, or one per frequency", None)
    sigmas = _attribute(file, "sigma_noise", "the noise's standard deviation", None)
    if len(sigmas) not in (1, len(wavenumbers)):
        raise ValueError(
            f"sigma_noise: expected one number, or one for each of {len(wavenumbers)} "
            f"wavenumbers, got {len(sigmas)}"
        )
    several = np.ndim(file.attrs["wavenumber"]) > 0
    mask = _numbers(file, "receiver_mask", "") if "receiver_mask" in file else None
    masks = [mask] * len(wavenumbers)
    if several and mask is not None and mask.ndim == 3:
        masks = list(mask)
        if len(masks) != len(wavenumbers):
            raise ValueError(
                f"receiver_mask: expected one for each of {len(wavenumbers)} wavenumbers, got "
                f"{len(masks)}"
            )
    first = Geometry(
        _numbers(file, "transmitter_positions", "(transmitters, 2), metre"),
        _numbers(file, "receiver_positions", "(receivers, 2), metre"),
        wavenumbers[0],
        _attribute(file, "pixel_size", "one number in metre")[0],
        _attribute(file, "grid_shape", "two integers (Ny, Nx)", size=2),
        masks[0],
    )
    truth = None
    if "permittivity_contrast" in file:
        truth = _numbers(file, "permittivity_contrast", "(y, x)")
    return ScatteringData(
        tuple(
            replace(first, wavenumber=k, receiver_mask=m)
            for k, m in zip(wavenumbers, masks, strict=True)
        ),
        field if several or not np.iscomplexobj(field) else field[None],
        sigmas if len(sigmas) > 1 else sigmas * len(wavenumbers),
        _attribute(file, "contrast_scale", "one number", default=1.0)[0],
        _text(file.attrs.get("convention", "physical")),
        bool(_attribute(file, "calibrated", "0 or 1", default=1)[0]),
        truth,
    )


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
    file: "h5py.File",
    name: str,
    expected: str,
    size: int | None = 1,
    default: float | None = None,
) -> tuple[Any, ...]:
    """Numbers of an attribute; `size` of them, or any number where that is None."""
    if name not in file.attrs and default is not None:
        return (default,)
    if name not in file.attrs:
        found = ", ".join(sorted(file.attrs)) or "none"
        raise ValueError(f"expected an attribute {name!r} ({expected}), the file has {found}")
    value = np.asarray(file.attrs[name])
    good = value.dtype.kind in "iuf" and value.size == (size or max(1, value.size))
    if not good or value.ndim > 1 or not np.isfinite(value).all():
        raise ValueError(f"{name}: expected {expected}, got {file.attrs[name]!r}")
    return tuple(value.ravel().tolist())


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _checked_truth(contrast: NDArray, grid_shape: tuple[int, int]) -> NDArray[np.float32]:
    if contrast.shape != grid_shape or not np.isfinite(contrast).all():
        raise ValueError(
            f"permittivity_contrast: expected finite numbers of shape grid_shape = {grid_shape}, "
            f"got {'NaN or infinity' if contrast.shape == grid_shape else contrast.shape}"
        )
    return contrast.astype(np.float32)

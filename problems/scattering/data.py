"""From a file of scattered fields to the operator that measured them, and back."""

from dataclasses import dataclass
from pathlib import Path

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lmaps_science.problems.scattering.distorted_born import DistortedBorn
from lmaps_science.problems.scattering.fullwave import FullWaveScattering
from lmaps_science.problems.scattering.hdf5 import ScatteringData, read_fields
from lmaps_science.problems.scattering.operator import InverseScattering


@dataclass(frozen=True)
class Measurement:
    """A file's content, ready for reconstruction.

    Attributes
    ----------
    operator : InverseScattering, DistortedBorn or FullWaveScattering
        Of the file's geometry: of one frequency, of several, or with the whole physics.
    y : Tensor
        Its data, (1, transmitters, receivers) or (1, frequencies, transmitters, receivers);
        those of several frequencies over their noise.
    truth : Tensor or None
        Permittivity contrast, (1, 1, y, x), where known.
    content : ScatteringData
        What the file holds.
    """

    operator: InverseScattering | DistortedBorn | FullWaveScattering
    y: Tensor
    truth: Tensor | None
    content: ScatteringData


def read_measurement(
    path: str | Path, device: str | torch.device = "cpu", full_wave: bool = False
) -> Measurement:
    """Read a scattering measurement.

    Parameters
    ----------
    path : str or Path
        HDF5 file, see `lmaps_science.problems.scattering.hdf5`.
    device : str or torch.device
        Of the operator and the data.
    full_wave : bool
        Whether the operator has the whole physics, in place of the first Born approximation.

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
    content = read_fields(path)
    try:
        operator, y = _operator_and_data(content, device, full_wave)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    truth = None if content.truth is None else torch.from_numpy(content.truth)[None, None]
    return Measurement(operator, y, None if truth is None else truth.to(device), content)


def write_measurement(
    path: str | Path,
    operator: InverseScattering,
    y: ArrayLike | Tensor,
    truth: Tensor | None = None,
) -> None:
    """Write a scattering measurement of one frequency; `read_measurement` gives it back.

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
    data = operator.check_data(y)
    if len(data) != 1:
        raise ValueError(f"scattered field: expected one case per file, got {len(data)}")
    ScatteringData(
        (operator.geometry,),
        data.cpu().numpy(),
        (operator.sigma_noise,),
        2 * operator.unnorm_scale,
        operator.convention,
        truth=None if truth is None else truth.squeeze().cpu().numpy(),
    ).write(path)


def _operator_and_data(
    content: ScatteringData, device: str | torch.device, full_wave: bool
) -> tuple[InverseScattering | DistortedBorn | FullWaveScattering, Tensor]:
    if len(content.geometries) == 1 and content.calibrated and not full_wave:
        operator = InverseScattering.from_geometry(
            content.geometries[0],
            content.sigma_noise[0],
            content.convention,
            content.contrast_scale,
            device,
        )
        return operator, operator.check_data(content.field)
    if content.convention != "physical":
        raise ValueError(
            "convention: several frequencies and the full wave need 'physical' fields, got "
            f"{content.convention!r}"
        )
    exact = FullWaveScattering(
        content.geometries,
        content.sigma_noise,
        content.contrast_scale,
        free_gain=not content.calibrated,
        device=device,
    )
    y = exact.check_data(content.field)
    if full_wave:
        return exact, y
    return exact.born(), y

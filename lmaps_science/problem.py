"""What the command line knows of each problem: how to read it, judge it and draw it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import Operator

Extent = tuple[float, float, float, float]


class Measurement(Protocol):
    """What a problem reads from a file: an operator, its data (1, ...) and perhaps the truth."""

    @property
    def operator(self) -> Any:  # noqa: ANN401, D102 - an operator of the problem's own class
        ...

    @property
    def y(self) -> Tensor:  # noqa: D102
        ...

    @property
    def truth(self) -> Tensor | None:  # noqa: D102
        ...


@dataclass(frozen=True)
class Problem:
    """One kind of measurement.

    Attributes
    ----------
    name, title, quantity : str
        As the command line calls it, as the report calls it, and what its images show.
    default_prior : str
        Name of the installed prior that suits it.
    read : callable
        (path, device) to the measurement.
    write : callable
        (path, measurement): the measurement in the field's own format.
    misfit_scale : callable
        operator to the factor that turns its loss into chi squared per datum.
    residuals : callable
        (operator, x (1, channels, y, x), y) to residuals in units of their noise, (n,).
    metrics : callable
        (operator, physical image (y, x), truth (y, x)) to a figure of merit for each name.
    extent : callable
        operator to (left, right, bottom, top) of the image, centimetre.
    """

    name: str
    title: str
    quantity: str
    default_prior: str
    read: Callable[[Path, str], Measurement]
    write: Callable[[Path, Measurement], None]
    misfit_scale: Callable[[Any], float]
    residuals: Callable[[Any, Tensor, Tensor], NDArray[np.float64]]
    metrics: Callable[[Any, NDArray, NDArray], dict[str, float]]
    extent: Callable[[Any], Extent]


def find_problem(name: str) -> Problem:
    """The problem called `name`.

    Raises
    ------
    ValueError
        If there is none; the message names those that there are.
    """
    if name not in PROBLEMS:
        raise ValueError(f"problem {name!r}: expected one of {', '.join(PROBLEMS)}")
    return PROBLEMS[name]


def physical(operator: Operator, x: Tensor) -> NDArray[np.float32]:
    """Normalised images (count, 1, y, x) in physical units, (count, y, x)."""
    return operator.unnormalize(x)[:, 0].cpu().numpy().astype(np.float32)


def _read_scattering(path: Path, device: str) -> Measurement:
    from lmaps_science.problems.scattering.data import read_measurement

    return read_measurement(path, device)


def _write_scattering(path: Path, measurement: Measurement) -> None:
    from lmaps_science.problems.scattering.data import write_measurement

    write_measurement(path, measurement.operator, measurement.y, measurement.truth)


def _scattering_residuals(operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
    residual = torch.as_tensor(operator.forward(x) - y, dtype=torch.complex128)
    measured = residual if operator.mask is None else residual[operator.mask[None]]
    # Half of the noise's variance is in each of the real and imaginary parts.
    parts = torch.view_as_real(measured).flatten() / (operator.sigma_noise / np.sqrt(2))
    return parts.cpu().numpy()


def _scattering_metrics(
    operator: Any,  # noqa: ANN401
    image: NDArray,
    truth: NDArray,
) -> dict[str, float]:
    from lmaps_science.problems.metrics import psnr
    from lmaps_science.problems.scattering.metrics import nrmse, ssim

    largest = 2 * operator.unnorm_scale
    a, b = (torch.from_numpy(np.asarray(v) / largest)[None, None].double() for v in (image, truth))
    functions = {"psnr": psnr, "ssim": ssim, "nrmse": nrmse}
    return {name: round(float(function(a, b)), 5) for name, function in functions.items()}


def _scattering_extent(operator: Any) -> Extent:  # noqa: ANN401
    geometry = operator.geometry
    (ny, nx), centimetre = geometry.grid_shape, 100 * geometry.pixel_size
    left, bottom = ((-n / 2 - 0.5) * centimetre for n in (nx, ny))
    return left, left + nx * centimetre, bottom, bottom + ny * centimetre


PROBLEMS = {
    "scattering": Problem(
        name="scattering",
        title="Linear inverse scattering",
        quantity="permittivity contrast",
        default_prior="cells-128",
        read=_read_scattering,
        write=_write_scattering,
        misfit_scale=lambda operator: operator.loss_weight / operator.num_data,
        residuals=_scattering_residuals,
        metrics=_scattering_metrics,
        extent=_scattering_extent,
    )
}

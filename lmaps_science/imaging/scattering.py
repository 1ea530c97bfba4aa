"""Inverse scattering, from an HDF5 file of scattered fields to a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import check_surrogate
from lmaps_science.problem import Measurement, Problem

if TYPE_CHECKING:
    from lmaps_science.plot import Extent
    from lmaps_science.result import Result


_UNEXPLAINED = 3.0
"""χ² per datum above which the image is not to be trusted."""


class Scattering(Problem):
    """Permittivity contrast from scattered fields."""

    name = "scattering"
    title = "Inverse scattering"
    quantity = "permittivity contrast"
    origin = "lower"
    default_prior = "cells-128"

    def read(self, paths: Sequence[Path], device: str, full_wave: bool = False) -> Measurement:
        """Read an HDF5 file; to be inverted in the Born approximation or with the full wave."""
        from lmaps_science.problems.scattering.data import read_measurement

        if len(paths) != 1:
            raise ValueError(f"scattering: expected one file, got {len(paths)}")
        return read_measurement(paths[0], device, full_wave)

    def prior_for(self, measurement: Measurement) -> str:
        """Objects of a few materials are what scatters strongly."""
        return "shapes-64" if _is_full_wave(measurement.operator) else self.default_prior

    def write(self, path: Path, measurement: Any) -> None:  # noqa: ANN401
        """Write the measurement in its own format, which has room for the image."""
        measurement.content.write(path)

    def residuals(self, operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
        """Real and imaginary parts of the measured residuals."""
        residual = torch.as_tensor(operator.predict(x, y) - y, dtype=torch.complex128)
        measured = residual if operator.mask is None else residual[operator.mask[None]]
        # Half of the noise's variance is in each of the real and imaginary parts.
        parts = torch.view_as_real(measured).flatten() / (operator.sigma_noise / np.sqrt(2))
        return parts.cpu().numpy()

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401
        """PSNR, SSIM and relative error."""
        from lmaps_science.problems.metrics import psnr
        from lmaps_science.problems.scattering.metrics import nrmse, ssim

        largest = 2 * operator.unnorm_scale
        a, b = (
            torch.from_numpy(np.asarray(v) / largest)[None, None].double() for v in (image, truth)
        )
        functions = {"psnr": psnr, "ssim": ssim, "nrmse": nrmse}
        return {name: round(float(function(a, b)), 5) for name, function in functions.items()}

    def describe(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """Sensors; which physics, what it leaves unexplained, and how good its surrogate is."""
        operator, y = measurement.operator, measurement.y
        if not _is_full_wave(operator):
            strength = float((y.abs().square().sum() / operator.num_data).sqrt())
            return {
                "transmitters": operator.geometry.num_transmitters,
                "receivers": operator.geometry.num_receivers,
                "relative_noise": operator.sigma_noise / strength,
            }
        mean = x.mean(0, keepdim=True)
        misfit = (operator.loss(mean, y) / y.abs().square().sum()).sqrt()
        told: dict[str, Any] = {
            "full_wave": True,
            "relative_misfit": round(float(misfit), 5),
            "surrogate_agreement": round(check_surrogate(operator, y, mean), 5),
        }
        if operator.free_gain:
            gain = operator.gain(operator.forward(mean), y)[0]
            told["gain"] = [[round(float(part), 4) for part in (c.real, c.imag)] for c in gain]
        return told

    def describe_image(self, result: "Result") -> Mapping[str, str]:
        """How the full wave fits, and figures of merit where the truth is known."""
        metrics, rows = result.summary["metrics"], {}
        if _is_full_wave(result.measurement.operator):
            rows["Fields unexplained"] = f"{100 * result.summary['relative_misfit']:.1f} %"
            rows["Gradient against the true misfit"] = (
                f"cosine {result.summary['surrogate_agreement']:.4f}"
            )
        if metrics is None:
            return rows
        return rows | {
            "PSNR": f"{metrics['psnr']:.2f} dB",
            "SSIM": f"{metrics['ssim']:.4f}",
            "Relative error": f"{100 * metrics['nrmse']:.2f} %",
        }

    def caveats(self, result: "Result", prior: str | None) -> list[str]:  # noqa: ARG002
        """Where the image does not explain the data, and what may be wrong then."""
        fit = result.summary["data_fit"]
        if fit < _UNEXPLAINED:
            return []
        cause = (
            "the search ended in a wrong minimum, as it does where the object delays the wave by "
            "more than half a period; lower frequencies help"
            if _is_full_wave(result.measurement.operator)
            else "the positions, the wavelength or the convention are not as it says, or the "
            "object scatters more than once (--full-wave)"
        )
        return [
            f"the image does not explain the data (χ² per datum {fit:.3g}): the noise is larger "
            f"than the file says, or {cause}"
        ]

    def save_figure(self, result: "Result", path: Path) -> None:
        """Truth, image, error and spread above the fit to the data."""
        from lmaps_science.plot import save_figure

        save_figure(result, extent(result.measurement.operator), path)


def _is_full_wave(operator: Any) -> bool:  # noqa: ANN401
    from lmaps_science.problems.scattering.fullwave import FullWaveScattering

    return isinstance(operator, FullWaveScattering)


def extent(operator: Any) -> "Extent":  # noqa: ANN401
    """(left, right, bottom, top) of the image, centimetre."""
    geometry = operator.geometry
    (ny, nx), centimetre = geometry.grid_shape, 100 * geometry.pixel_size
    left, bottom = ((-n / 2 - 0.5) * centimetre for n in (nx, ny))
    return left, left + nx * centimetre, bottom, bottom + ny * centimetre

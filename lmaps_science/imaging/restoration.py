"""Restoration of degraded images, from a PNG, JPEG or TIFF file to a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.problem import Measurement, Problem

if TYPE_CHECKING:
    from lmaps_science.problems.restoration.measurement import RestorationMeasurement
    from lmaps_science.result import Result


class Restoration(Problem):
    """A grey image from one that was compressed, rounded, saturated, blurred or masked."""

    name = "image"
    title = "Image restoration"
    quantity = "grey value (1: white)"
    default_prior = "cells-128"

    def read(
        self,
        paths: Sequence[Path],
        device: str,
        operator: str = "jpeg",
        degrade: bool = False,
        quality: int | None = None,
        bits: int | None = None,
        saturation: float | None = None,
        mask: str | Path | None = None,
        box: int | None = None,
        missing: float | None = None,
        blur: float | None = None,
        length: float | None = None,
        angle: float | None = None,
        factor: int | None = None,
        noise: float | None = None,
    ) -> Measurement:
        """Read one image that `operator` degraded or, with `degrade`, degrade a clean one.

        The options are those of `lmaps_science.problems.restoration.degradation.Degradation`.
        """
        from lmaps_science.problems.restoration.degradation import Degradation
        from lmaps_science.problems.restoration.measurement import read_degraded

        if len(paths) != 1:
            raise ValueError(f"image: expected one file, got {len(paths)}")
        known = Degradation(
            operator=operator,
            quality=quality,
            bits=bits,
            saturation=saturation,
            mask=None if mask is None else Path(mask),
            box=box,
            missing=missing,
            blur=blur,
            length=length,
            angle=angle,
            factor=factor,
            noise=noise,
        )
        return read_degraded(paths[0], known, degrade, device)

    def residuals(self, operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
        """Of what was rounded, before rounding: evenly spread up to the square root of 3."""
        from lmaps_science.problems.restoration.linear import Inpainting
        from lmaps_science.problems.restoration.quantised import Quantised

        predicted = operator.levels(x) if isinstance(operator, Quantised) else operator.forward(x)
        residual = (predicted - y).double() / operator.sigma_noise
        if isinstance(operator, Inpainting):
            residual = residual[..., operator.known]
        return residual.flatten().cpu().numpy()

    def physical(self, operator: Any, x: Tensor) -> NDArray:  # noqa: ANN401
        """Grey values (count, y, x) of the picture, without the rest of JPEG's blocks."""
        ny, nx = operator.picture_shape
        return super().physical(operator, x)[:, :ny, :nx]

    def normalized(self, operator: Operator, image: NDArray) -> Tensor:
        """The image, its last pixels repeated up to whole blocks as an encoder does."""
        missing = [(0, n - m) for n, m in zip(operator.image_shape[1:], image.shape, strict=True)]
        return super().normalized(operator, np.pad(image, missing, "edge"))

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401, ARG002
        """PSNR and SSIM; what the prior would see of the truth at -1 and 1 is the range."""
        import torch

        from lmaps_science.problems.metrics import psnr
        from lmaps_science.problems.restoration.files import grey_scale
        from lmaps_science.problems.scattering.metrics import ssim

        low, high = grey_scale(truth)
        a, b = (
            torch.from_numpy((v - low) / (high - low))[None, None].double() for v in (image, truth)
        )
        return {
            "psnr": round(float(psnr(a, b)), 4),
            "ssim": round(float(ssim(a, b)), 5),
        }

    def describe(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """The degradation, the grey scale, and how good the degraded image was."""
        from lmaps_science.problems.restoration.quantised import Quantised

        found = _restoration(measurement)
        operator = found.operator
        truth = None if found.truth is None else found.truth[0, 0].cpu().numpy()
        told: dict[str, Any] = {
            "operator": type(operator).__name__,
            "format": found.format,
            "grey_low": operator.grey.low,
            "grey_high": operator.grey.high,
            "sigma_noise": operator.sigma_noise,
            "same_data": None,
            "degraded_metrics": None
            if truth is None
            else self.metrics(operator, found.picture, truth),
        }
        if isinstance(operator, Quantised):
            again = operator.forward(x.mean(0, keepdim=True))
            told["same_data"] = float((again == found.y).double().mean())
        return told

    def caveats(self, result: "Result", prior: str | None) -> list[str]:
        """What was done to the file, the grey scale, and for what the prior was made."""
        found, summary = _restoration(result.measurement), result.summary
        low, high = (f"{summary[name]:.3g}" for name in ("grey_low", "grey_high"))
        told = [*found.notes, f"contrast from {low} to {high} of white, as in the degraded image"]
        if prior == self.default_prior:
            told.append(
                "the prior has seen cell nuclei in fluorescence only: train one for other images "
                "(lmaps train image IMAGES)"
            )
        return told

    def describe_image(self, result: "Result") -> Mapping[str, str]:
        """The degradation, what the restored image gives when degraded again, and the truth."""
        summary, metrics = result.summary, result.summary["metrics"]
        rows = {"Degradation": summary["operator"]}
        if summary["same_data"] is not None:
            rows["Degraded again, the same"] = f"{100 * summary['same_data']:.2f} % of the integers"
        if metrics is not None:
            before = summary["degraded_metrics"]
            rows["PSNR"] = f"{metrics['psnr']:.2f} dB; degraded {before['psnr']:.2f} dB"
            rows["SSIM"] = f"{metrics['ssim']:.4f}; degraded {before['ssim']:.4f}"
        return rows

    def save_figure(self, result: "Result", path: Path) -> None:
        """Degraded and restored image, truth, error and spread."""
        from lmaps_science.problems.restoration.figure import save_figure

        save_figure(result, path)

    def export(self, result: "Result", folder: Path) -> None:
        """Write the restored image as 16-bit PNG and TIFF."""
        from lmaps_science.problems.restoration.files import write_image

        for name in ("restored.png", "restored.tif"):
            write_image(folder / name, result.mean)

    def write(self, path: Path, measurement: Measurement) -> None:
        """Data and degraded picture."""
        import h5py

        found = _restoration(measurement)
        with h5py.File(path, "w") as file:
            file["data"] = found.y[0, 0].cpu().numpy()
            file["degraded"] = found.picture.astype(np.float32)
            if found.truth is not None:
                file["truth"] = found.truth[0, 0].cpu().numpy()


def _restoration(measurement: Measurement) -> "RestorationMeasurement":
    from lmaps_science.problems.restoration.measurement import RestorationMeasurement

    assert isinstance(measurement, RestorationMeasurement)  # noqa: S101 - `read` made it
    return measurement

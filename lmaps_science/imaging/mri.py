"""Compressed-sensing MRI, from a slice of raw k-space to a complex image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.problem import Measurement, Problem

if TYPE_CHECKING:
    from lmaps_science.problems.mri.formats import Scan
    from lmaps_science.problems.mri.operator import MultiCoilMRI
    from lmaps_science.problems.mri.preparation import PreparedSlice
    from lmaps_science.result import Result
    from lmaps_science.training import TrainingSet

NUM_DRAFTS = 2
"""Drafts of the image from which sensitivity maps are found again."""

TRAINING_SIZE, HELD_OUT_IMAGES, EXAMPLE_IMAGES = 128, 32, 500


@dataclass(frozen=True, eq=False)
class MRIMeasurement:
    """A slice of a scan, prepared.

    Attributes
    ----------
    prepared : PreparedSlice
        Operator, data and what was found on the way to them.
    scan : Scan
        Where it comes from.
    slice_index, contrast : int
        Which slice of which contrast.
    retrospective : bool
        Whether lines were taken away here.
    """

    prepared: "PreparedSlice"
    scan: "Scan"
    slice_index: int
    contrast: int
    retrospective: bool

    @property
    def operator(self) -> "MultiCoilMRI":
        """With maps, noise level, weights and scale."""
        return self.prepared.operator

    @property
    def y(self) -> Tensor:
        """Data, (1, coils, y, x, 2)."""
        return self.prepared.y

    @property
    def truth(self) -> Tensor | None:
        """Root sum of squares of complete k-space that a mask took away from, (1, 1, y, x)."""
        truth = self.prepared.truth
        return None if truth is None else self.operator.unnormalize(truth[:, :1])


class MRI(Problem):
    """A complex image of a slice from the k-space of several coils."""

    name = "mri"
    title = "MRI"
    quantity = "signal (arbitrary unit)"
    default_prior = "brain-128"

    def read(
        self,
        paths: Sequence[Path],
        device: str,
        slice_index: int = 0,
        contrast: int = 0,
        acceleration: float | None = None,
        mask_seed: int = 0,
        pattern: str = "random",
        calibration_lines: int | None = None,
        phase_axis: str | None = None,
        maps: str | Path | None = None,
        sigma_noise: float | None = None,
        num_coils: int | None = None,
    ) -> Measurement:
        """Read a slice of one file of k-space.

        With `acceleration`, lines along `phase_axis` (``"x"`` or ``"y"``, by default the file's)
        are taken away, and the image of all of them is the truth.
        """
        from lmaps_science.problems.mri.formats import read_maps
        from lmaps_science.problems.mri.masks import line_mask
        from lmaps_science.problems.mri.volume import prepare_slice

        if len(paths) != 1:
            raise ValueError(f"mri: expected one file, got {len(paths)}")
        if phase_axis not in (None, "x", "y"):
            raise ValueError(f"phase_axis: expected x or y, got {phase_axis!r}")
        scan = open_scan(paths[0])
        check_part(scan, slice_index, contrast)
        mask = None
        if acceleration is not None:
            shape = scan.kspace(slice_index, contrast).shape[1:]
            axis = phase_axis or scan.phase_axis
            mask = line_mask(shape, acceleration, pattern, mask_seed, calibration_lines, axis)
        result = prepare_slice(
            scan,
            slice_index,
            contrast,
            mask,
            None if maps is None else read_maps(maps),
            sigma_noise,
            num_coils,
            device,
        )
        if result.prepared is None:
            raise ValueError(result.reason)
        return MRIMeasurement(
            result.prepared, scan, slice_index, contrast, acceleration is not None
        )

    def files(self, path: Path) -> list[Path]:
        """The files of a folder, or of a BART array by the name of either or without suffix."""
        from lmaps_science.problems.mri.formats.cfl import pair

        if path.is_dir():
            return sorted(part for part in path.rglob("*") if part.suffix == ".mdb")
        whole = path.is_file() and path.suffix not in (".hdr", ".cfl")
        return [path] if whole else list(pair(path))

    def refine(
        self, measurement: Measurement, draft: Callable[[Measurement, int], Tensor]
    ) -> Measurement:
        """Sensitivity maps and noise from drafts of the image, unless maps were given."""
        from lmaps_science.problems.mri.preparation import update_maps

        assert isinstance(measurement, MRIMeasurement)  # noqa: S101 - `read` made it
        if not any(measurement.prepared.calibration):
            return measurement
        for number in range(NUM_DRAFTS):
            prepared = update_maps(measurement.prepared, draft(measurement, number))
            measurement = replace(measurement, prepared=prepared)
        return measurement

    def residuals(self, operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
        """Real and imaginary parts of the residuals of what was sampled."""
        residual = (operator.forward(x) - y)[:, :, operator.mask].double()
        return (residual.flatten() / (operator.sigma_noise / np.sqrt(2))).cpu().numpy()

    def physical(self, operator: Operator, x: Tensor) -> NDArray[np.complex64]:
        """Complex images (count, y, x) in the units of k-space."""
        pairs = operator.unnormalize(x).movedim(1, -1).float().contiguous()
        return torch.view_as_complex(pairs).cpu().numpy()

    def displayed(self, images: NDArray) -> NDArray[np.float32]:
        """Magnitudes."""
        return np.abs(images)

    def normalized(self, operator: Operator, image: NDArray) -> Tensor:
        """The image as two channels, (1, 2, y, x)."""
        pairs = torch.view_as_real(torch.from_numpy(image.astype(np.complex128)))
        return operator.normalize(pairs.movedim(-1, 0)[None].to(operator.device))

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401
        """PSNR, SSIM and relative squared error of the magnitude."""
        from lmaps_science.problems.mri import metrics

        a, b = (self.normalized(operator, v) for v in (image, truth))
        error = np.abs(image) - truth
        return {
            "psnr": float(metrics.psnr(a, b)),
            "ssim": float(metrics.ssim(a, b)),
            "nmse": float(np.square(error).sum() / np.square(truth).sum()),
        }

    def describe(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """What was sampled, and how well each line is fitted by the mean image."""
        from lmaps_science.problems.mri.noise import misfit_by_line

        assert isinstance(measurement, MRIMeasurement)  # noqa: S101 - `read` made it
        prepared, scan = measurement.prepared, measurement.scan
        operator, noise = prepared.operator, prepared.noise
        fit = misfit_by_line(operator, x.mean(0, keepdim=True), prepared.y)
        return {
            "format": scan.format,
            "slice": measurement.slice_index,
            "slices_in_file": scan.num_slices,
            "contrast": scan.contrasts[measurement.contrast],
            "coils": len(operator.sensitivity_maps),
            "maps": "ESPIRiT" if any(prepared.calibration) else "given",
            "phase_axis": prepared.phase_axis,
            "acceleration": operator.acceleration,
            "sampled_lines": operator.num_lines,
            "calibration_lines": operator.num_calibration_lines,
            "sigma_noise": operator.sigma_noise * operator.unnorm_scale,
            "data_per_unknown": None if noise is None else noise.redundancy,
            "fit_by_line": [None if v != v else v for v in fit.tolist()],
        }

    def caveats(self, result: "Result", prior: str | None) -> list[str]:  # noqa: ARG002
        """What is missing."""
        measurement = result.measurement
        assert isinstance(measurement, MRIMeasurement)  # noqa: S101 - `read` made it
        told = []
        if measurement.retrospective and measurement.truth is None:
            told.append("k-space was not complete: there is no truth to compare with")
        if find_spec("nibabel") is None:
            told.append("no NIfTI was written: pip install 'lmaps-science[mri]'")
        return told

    def describe_image(self, result: "Result") -> Mapping[str, str]:
        """Sampling and, where it is known, the truth, for the report."""
        summary, metrics = result.summary, result.summary["metrics"]
        rows = {
            "Scan": f"{summary['format']}, slice {summary['slice']} of {summary['slices_in_file']}"
            + (f", {summary['contrast']}" if summary["contrast"] else ""),
            "Sampling": sampling_text(summary),
            "Coils": f"{summary['coils']}, maps: {summary['maps']}",
        }
        if metrics is not None:
            rows["PSNR, SSIM"] = scores(metrics)
        for other in summary["baselines"] or []:
            rows[other["name"]] = f"χ² per datum {other['data_fit']:.3g}" + (
                "" if other["metrics"] is None else f"; {scores(other['metrics'])}"
            )
        return rows

    def baselines(self, measurement: Measurement) -> Mapping[str, Callable[[], Tensor]]:
        """SENSE and ℓ1-wavelet by sigpy, as strong as predicts held-out data best."""
        from lmaps_science.problems.mri import baselines
        from lmaps_science.problems.mri.holdout import best_image, hold_out

        baselines.require_sigpy()
        try:
            hold_out(measurement.operator)
        except ValueError as error:
            raise ValueError(f"compare: no samples to tune on, since {error}") from error
        methods = {"SENSE": baselines.sense, "ℓ1-wavelet": baselines.l1_wavelet}
        return {
            name: partial(best_image, method, measurement.operator, measurement.y)
            for name, method in methods.items()
        }

    def training_set(self, data: str | Path, image_size: int | None) -> "TrainingSet":
        """Magnitudes with drawn contrasts and phases; one person in ten is held out."""
        from lmaps_science.problems.mri.magnitudes import read_magnitudes
        from lmaps_science.problems.mri.training_images import ComplexImages, Phase, of_class
        from lmaps_science.training import TrainingSet

        people = read_magnitudes(data, image_size or TRAINING_SIZE)
        if len(people) == 1:
            raise ValueError(
                f"{data}: expected images of at least two people, one to hold out, got one"
            )
        last = len(people) - 1
        held_out = set(range(9, len(people), 10)) or {last}
        magnitudes = torch.cat([p for k, p in enumerate(people) if k not in held_out])
        others = torch.cat([people[k] for k in sorted(held_out)])
        return TrainingSet(
            source=ComplexImages(magnitudes),
            held_out=of_class(others, Phase.RESIDUAL, HELD_OUT_IMAGES),
            examples=of_class(magnitudes, Phase.RESIDUAL, EXAMPLE_IMAGES),
            description=f"{len(magnitudes)} slices of {len(people) - len(held_out)} people or "
            f"files, {len(held_out)} held out",
            max_components=64,
            network={"channels": [48, 64, 96], "num_classes": len(Phase)},
            preconditioning={"sigma_data": 0.4, "class_label": int(Phase.RESIDUAL)},
        )

    def save_figure(self, result: "Result", path: Path) -> None:
        """Images above the fit of each line and the aliasing pattern."""
        from lmaps_science.problems.mri.figure import save_figure

        save_figure(result, path)

    def export(self, result: "Result", folder: Path) -> None:
        """Write NIfTI with the file's geometry, BART's CFL and a PNG."""
        from lmaps_science.problems.mri.formats.images import write_images

        measurement = result.measurement
        assert isinstance(measurement, MRIMeasurement)  # noqa: S101 - `read` made it
        scan = measurement.scan
        affine = scan.affine_from(measurement.slice_index)
        write_images(folder, result.mean, scan.image_shape, affine)

    def write(self, path: Path, measurement: Measurement) -> None:
        """Maps, mask and weights."""
        import h5py

        operator = measurement.operator
        with h5py.File(path, "w") as file:
            file["sensitivity_maps"] = operator.sensitivity_maps.to(torch.complex64).cpu().numpy()
            file["mask"] = operator.mask.cpu().numpy()
            if operator.weights is not None:
                file["weights"] = operator.weights.cpu().numpy()
            if measurement.truth is not None:
                file["truth"] = measurement.truth[0, 0].cpu().numpy()


def open_scan(path: Path) -> "Scan":
    """The scan of a file; the last one stays open for its other slices."""
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _opened(path, stamp)


def check_part(scan: "Scan", slice_index: int, contrast: int) -> None:
    """Raise ValueError if the scan has no such slice or contrast."""
    try:
        scan.check(slice_index, contrast)
    except IndexError as error:
        raise ValueError(str(error)) from error


@lru_cache(maxsize=1)
def _opened(path: Path, _stamp: int) -> "Scan":
    from lmaps_science.problems.mri.formats import read_scan

    return read_scan(path)


def sampling_text(summary: Mapping[str, Any]) -> str:
    """What was sampled, for people."""
    lines = summary["sampled_lines"]
    what = "points" if lines is None else f"{lines} lines along {summary['phase_axis']}"
    return (
        f"{what}, {summary['calibration_lines']} of them calibration, true acceleration "
        f"{summary['acceleration']:.1f}"
    )


def scores(metrics: Mapping[str, float]) -> str:
    """PSNR and SSIM for people."""
    return f"{metrics['psnr']:.2f} dB, {metrics['ssim']:.4f}"

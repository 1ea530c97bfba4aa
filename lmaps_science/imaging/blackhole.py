"""Black-hole imaging, from UVFITS files of visibilities to a picture and its ring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.imaging.blackhole_rows import control_row, image_rows
from lmaps_science.operator import Operator
from lmaps_science.problem import Measurement, Problem
from lmaps_science.solver import Level

if TYPE_CHECKING:
    from lmaps_science.problems.blackhole.observation import Observation
    from lmaps_science.problems.blackhole.operator import BlackHoleImaging
    from lmaps_science.problems.blackhole.ring import Ring
    from lmaps_science.result import Result

_BIAS = {
    "blackhole-64": (
        "on 50 simulated rings of 30 to 56 µas raw diameters came out 0.7 µas too small, those "
        "corrected for the width 0.1; the samples' own ± held the truth in 68 and 90 %"
    )
}
"""Results of ``benchmarks/blackhole_rings.py``."""


@dataclass(frozen=True, eq=False)
class BlackHoleMeasurement:
    """Visibilities, the operator made from them, and for a control the truth.

    Attributes
    ----------
    operator : BlackHoleImaging
        With its data.
    averaged : sequence of Observation
        Of each file, averaged over scans and otherwise as measured.
    settings : mapping
        Keywords of `BlackHoleImaging.from_observations`.
    truth : Tensor or None
        Jansky per pixel, (1, 1, y, x).
    """

    operator: "BlackHoleImaging"
    averaged: "Sequence[Observation]"
    settings: Mapping[str, Any]
    truth: Tensor | None = None

    @property
    def y(self) -> Tensor:
        """Closure quantities, (1, data)."""
        assert self.operator.y is not None  # noqa: S101 - it was made from an observation
        return self.operator.y


class BlackHole(Problem):
    """The brightness of a compact radio source from closure quantities."""

    name = "blackhole"
    title = "Black-hole imaging"
    quantity = "brightness (Jy/pixel)"
    default_prior = "blackhole-64"
    default_samples = 16
    color_map = "afmhot"

    def read(
        self,
        paths: Sequence[Path],
        device: str,
        compact_flux: float | None = 0.6,
        field_of_view_uas: float = 160.0,
        fractional_error: float = 0.01,
    ) -> Measurement:
        """Read UVFITS files; the options are those of `BlackHoleImaging.from_uvfits`."""
        from lmaps_science.problems.blackhole.observation import average_scans
        from lmaps_science.problems.blackhole.operator import BlackHoleImaging
        from lmaps_science.problems.blackhole.preparation import naming
        from lmaps_science.problems.blackhole.uvfits import read_uvfits

        settings = {
            "compact_flux": compact_flux,
            "field_of_view_uas": field_of_view_uas,
            "fractional_error": fractional_error,
            "device": device,
        }
        averaged = [average_scans(read_uvfits(path)) for path in paths]
        with naming(paths):
            operator = BlackHoleImaging.from_observations(averaged, **settings)
        return BlackHoleMeasurement(operator, averaged, settings)

    def misfit_scale(self, operator: Any) -> float:  # noqa: ANN401
        """One over the number of closure quantities."""
        return 1 / operator.data_shape[0]

    def residuals(self, operator: Any, x: Tensor, y: Tensor) -> NDArray[np.float64]:  # noqa: ANN401
        """Whitened residuals of the closure quantities."""
        return operator.likelihood.residual(operator.visibilities(x), y)[0].cpu().numpy()

    def physical(self, operator: Any, x: Tensor) -> NDArray[np.float32]:  # noqa: ANN401
        """Images brought to one place and to the compact flux, or 1 where it is not known."""
        from lmaps_science.problems.blackhole.ensemble import aligned

        brightness = aligned(operator.unnormalize(x).clamp(min=0))
        total = brightness.sum((1, 2, 3), keepdim=True)
        flux = operator.flux
        return (flux * brightness / total)[:, 0].cpu().numpy().astype(np.float32)

    def registered(self, images: NDArray, image: NDArray) -> NDArray:
        """Rolled by whole pixels: closure quantities do not see where a source is."""
        from lmaps_science.problems.blackhole.ensemble import moved_onto

        return moved_onto(image, images)

    def normalized(self, operator: Operator, image: NDArray) -> Tensor:
        """The image with its peak at 1, (1, 1, y, x)."""
        return super().normalized(operator, image / image.max())

    def judge(self, measurement: Measurement, x: Tensor, last: Level | None) -> list[str]:
        """Drop what does not fit the closures; see `problems.blackhole.selection`."""
        from lmaps_science.problems.blackhole.selection import objections

        denoised = None if last is None else last.m
        return objections(measurement.operator, measurement.y, x, denoised)

    def describe(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """Fit, ring and modes of the kept samples; what was measured.

        Members of a mode are counted among the kept samples, from 0.
        """
        from lmaps_science.problems.blackhole.ensemble import modes
        from lmaps_science.problems.blackhole.ring import summarize_rings

        operator = measurement.operator
        phase, amplitude = operator.chi_squared(x, measurement.y)
        rings = _rings(operator, x)
        groups = modes(x)
        return {
            "chi2_closure_phase": _known(phase),
            "chi2_log_closure_amplitude": _known(amplitude),
            **summarize_rings(rings),
            "modes": [
                {"members": group.tolist(), **summarize_rings([rings[k] for k in group])}
                for group in groups
            ],
            "compact_flux_jy": operator.compact_flux,
            "field_of_view_uas": operator.field_of_view_uas,
            **({} if operator.observation is None else _observed(operator)),
        }

    def describe_spread(self, measurement: Measurement, x: Tensor) -> dict[str, Any]:
        """Rings of the posterior samples."""
        from lmaps_science.problems.blackhole.ring import summarize_rings

        return summarize_rings(_rings(measurement.operator, x))

    def caveats(self, result: "Result", prior: str | None) -> list[str]:  # noqa: ARG002
        """Bias of the diameter, where it has been measured."""
        if prior is None:
            return []
        return [
            _BIAS.get(prior, "the bias of ring diameters has not been measured with this prior")
        ]

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401
        """Correlation with the truth at the best shift, PSNR, and the truth's ring."""
        from lmaps_science.problems.blackhole.controls import correlation
        from lmaps_science.problems.blackhole.metrics import aligned_psnr

        a, b = (self.normalized(operator, v) for v in (image, truth))
        (ring,) = _rings(operator, b)
        brightness = operator.unnormalize(a), operator.unnormalize(b)
        return {
            "correlation": float(correlation(a, b)),
            **{k: float(v) for k, v in aligned_psnr(*brightness).items()},
            "true_ring": ring.is_ring,
            "true_ring_diameter_uas": ring.diameter_uas,
            "true_ring_diameter_corrected_uas": ring.diameter_corrected_uas,
            "true_ring_position_angle_deg": ring.position_angle_deg,
        }

    def describe_image(self, result: "Result") -> Mapping[str, str]:
        """Fit and ring, for the report."""
        return image_rows(result.summary, len(result.samples))

    def save_figure(self, result: "Result", path: Path) -> None:
        """Images, closure quantities and coverage."""
        from lmaps_science.problems.blackhole.figure import ClosureFit, Images, save_figure

        operator = result.measurement.operator
        x = torch.cat([self.normalized(operator, image) for image in result.samples])
        fit = ClosureFit.of(
            operator.observation, operator.closures, operator.visibilities(x).cpu().numpy()
        )
        images = Images(result.mean, result.std, result.samples, operator.field_of_view_uas)
        save_figure(images, fit, operator.observation, path, f"prior {result.summary['prior']}")

    def export(self, result: "Result", folder: Path) -> None:
        """Write ``reconstruction.fits``."""
        from lmaps_science.problems.blackhole.fits import write_fits

        operator = result.measurement.operator
        write_fits(
            folder / "reconstruction.fits",
            result.mean,
            operator.observation,
            operator.field_of_view_uas,
            result.std,
        )

    def write(self, path: Path, measurement: Measurement) -> None:
        """The visibilities that were used and the closure quantities."""
        import h5py

        observation = measurement.operator.observation
        with h5py.File(path, "w") as file:
            for name in ("uv", "visibility", "sigma", "time", "scan"):
                file[f"observation/{name}"] = getattr(observation, name)
            file["observation/stations"] = observation.stations.astype("S")
            file["closure_quantities"] = measurement.y[0].cpu().numpy()
            file.attrs["source"] = observation.source
            file.attrs["frequency_hz"] = observation.frequency
            file.attrs["mjd"] = observation.mjd
            if measurement.truth is not None:
                file["truth"] = measurement.truth[0, 0].cpu().numpy()

    def controls(self, measurement: Measurement) -> dict[str, Measurement]:
        """Rings and sources without one, seen with the file's coverage and noise."""
        from lmaps_science.problems.blackhole.controls import control_images, simulate
        from lmaps_science.problems.blackhole.operator import BlackHoleImaging
        from lmaps_science.problems.blackhole.sources import Field

        assert isinstance(measurement, BlackHoleMeasurement)  # noqa: S101 - `read` made it
        operator = measurement.operator
        width, flux = operator.field_of_view_uas, operator.flux
        field = Field(operator.image_shape[-1], width, oversampling=4)
        known: dict[str, Measurement] = {}
        for seed, (name, image) in enumerate(control_images(field).items()):
            seen = [
                simulate(part, image, flux, seed, field_of_view_uas=width)
                for part in measurement.averaged
            ]
            brightness = operator.unnormalize(image)
            known[name] = BlackHoleMeasurement(
                BlackHoleImaging.from_observations(seen, **measurement.settings),
                seen,
                measurement.settings,
                flux * brightness / brightness.sum(),
            )
        return known

    def describe_control(self, result: "Result") -> Mapping[str, str]:
        """What came back of a known source."""
        return control_row(result.summary)

    def save_controls(self, result: "Result", path: Path) -> None:
        """Truth above reconstruction."""
        from lmaps_science.problems.blackhole.figure import save_controls

        pairs = {
            name: (control.truth, control.mean)
            for name, control in result.controls.items()
            if control.truth is not None
        }
        save_controls(pairs, result.measurement.operator.field_of_view_uas, path)


def _observed(operator: Any) -> dict[str, Any]:  # noqa: ANN401
    observation, phases = operator.observation, operator.likelihood.num_phases
    return {
        "source": observation.source,
        "stations": np.unique(observation.stations).tolist(),
        "visibilities": len(observation),
        "closure_phases": phases,
        "log_closure_amplitudes": operator.data_shape[0] - phases,
    }


def _known(values: Tensor) -> list[float]:
    """The values, or none where the file has none of the kind (NaN)."""
    return [] if bool(values.isnan().any()) else values.tolist()


def _rings(operator: "BlackHoleImaging", x: Tensor) -> "list[Ring]":
    from lmaps_science.problems.blackhole.ring import measure_ring

    return [measure_ring(image, operator.field_of_view_uas) for image in x]

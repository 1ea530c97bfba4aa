"""The figure of a black hole's reconstruction: images, closure quantities and coverage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path
from lmaps_science.plot import BLUE, ERROR_MAP, GREY, ORANGE, draw_bar, new_figure
from lmaps_science.problems.blackhole.closures import Closures
from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS
from lmaps_science.problems.blackhole.observation import Observation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from matplotlib.image import AxesImage

_SPEED_OF_LIGHT = 299792458.0
_BOLTZMANN = 1.380649e-23
_JANSKY = 1e-26
_SOURCE_MAP = "afmhot"
_MOST_SAMPLES = 6
_MOST_TRIANGLES = 6
_FRINGES = (50, 25)
_BAR = 20
_FEW_SCANS = 4
_GAP = 10.0
_POINTS: Any = {"fmt": "o", "color": BLUE, "markersize": 3, "linewidth": 0.9, "zorder": 2}


@dataclass(frozen=True)
class ClosureFit:
    """Closure quantities as measured and as the samples have them.

    Attributes
    ----------
    triangle : ndarray of str
        Stations of each closure phase, (phases,).
    time : ndarray
        Hours from midnight, (phases,).
    phase, phase_error : ndarray
        Degree, (phases,).
    phase_model : ndarray
        (samples, phases).
    log_amplitude, log_amplitude_error : ndarray
        Independent combinations of log amplitudes, (log closure amplitudes,).
    log_amplitude_model : ndarray
        (samples, log closure amplitudes).
    """

    triangle: NDArray[np.str_]
    time: NDArray[np.float64]
    phase: NDArray[np.float64]
    phase_error: NDArray[np.float64]
    phase_model: NDArray[np.float64]
    log_amplitude: NDArray[np.float64]
    log_amplitude_error: NDArray[np.float64]
    log_amplitude_model: NDArray[np.float64]

    @classmethod
    def of(
        cls, observation: Observation, closures: Closures, visibilities: NDArray[np.complex128]
    ) -> "ClosureFit":
        """Compare what was observed with visibilities (samples, visibilities) of images."""
        sides = [np.flatnonzero(row) for row in closures.phase]
        phase = np.degrees(np.angle(observation.visibility) @ closures.phase.T)
        model = np.degrees(np.angle(visibilities) @ closures.phase.T)
        return cls(
            triangle=np.array(["–".join(np.unique(observation.stations[s])) for s in sides], str),
            time=np.array([observation.time[s].mean() for s in sides]),
            phase=_wrap(phase),
            phase_error=np.degrees(np.sqrt(np.diag(closures.phase_covariance))),
            phase_model=_wrap(model),
            log_amplitude=np.log(np.abs(observation.visibility)) @ closures.log_amplitude.T,
            log_amplitude_error=np.sqrt(np.diag(closures.log_amplitude_covariance)),
            log_amplitude_model=np.log(np.abs(visibilities)) @ closures.log_amplitude.T,
        )


@dataclass(frozen=True)
class Images:
    """Images of one reconstruction, Jansky per pixel, north up and east to the left.

    Attributes
    ----------
    mean : ndarray
        (y, x).
    spread : ndarray or None
        Standard deviation, (y, x).
    samples : ndarray
        (samples, y, x); the first six are drawn, a single one is not.
    field_of_view_uas : float
        Width.
    """

    mean: NDArray
    spread: NDArray | None
    samples: NDArray
    field_of_view_uas: float = 160.0


def save_figure(
    images: Images, fit: ClosureFit, observation: Observation, path: str | Path, heading: str = ""
) -> None:
    """Draw images above closure phases, log closure amplitudes and (u, v) coverage.

    Parameters
    ----------
    images : Images
        What to show.
    fit : ClosureFit
        Its fit to the data.
    observation : Observation
        The visibilities used.
    path : str or Path
        PNG file to write.
    heading : str
        Set after the source's name, its frequency and the date.
    """
    with new_figure(11.5, 6.4) as figure:
        figure.suptitle(", ".join(filter(None, [_describe(observation), heading])), fontsize=11)
        halves: Any = figure.subfigures(2, 1, height_ratios=(1, 1.05))
        _draw_images(halves[0], images, observation.frequency)
        closures, others = halves[1].subfigures(1, 2, width_ratios=(1, 1))
        _draw_closure_phases(closures, fit)
        amplitudes, coverage = others.subplots(1, 2)
        _draw_log_amplitudes(amplitudes, fit)
        _draw_coverage(coverage, observation)
        with atomic_path(path) as temporary:
            figure.savefig(temporary)


def save_controls(
    pairs: Mapping[str, tuple[NDArray, NDArray]], field_of_view_uas: float, path: str | Path
) -> None:
    """Draw known sources above their reconstructions.

    Parameters
    ----------
    pairs : mapping of str to tuple of ndarray
        Truth and reconstruction (y, x) by name.
    field_of_view_uas : float
        Width of the images.
    path : str or Path
        PNG file to write.
    """
    with new_figure(1.6 * len(pairs), 3.5) as figure:
        grid = figure.subplots(2, len(pairs), squeeze=False)
        for column, (name, images) in zip(grid.T, pairs.items(), strict=True):
            column[0].set_title(name.replace("_", " "))
            for ax, image in zip(column, images, strict=True):
                _draw_sky(ax, image, field_of_view_uas, float(image.max()), _SOURCE_MAP)
                ax.set_xticks([])
                ax.set_yticks([])
        for ax, label in zip(grid[:, 0], ("truth", "reconstruction"), strict=True):
            ax.set_ylabel(label)
        with atomic_path(path) as temporary:
            figure.savefig(temporary)


def _describe(observation: Observation) -> str:
    days = np.datetime64("1858-11-17") + observation.mjd + (observation.time // 24).astype(int)
    dates = " to ".join(dict.fromkeys(str(day) for day in (days.min(), days.max())))
    return f"{observation.source}, {observation.frequency / 1e9:.1f} GHz, {dates}"


def _wrap(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return (degrees + 180) % 360 - 180


def _draw_images(figure: "SubFigure", images: Images, frequency: float) -> None:
    count = len(images.samples)
    drawn = images.samples[:_MOST_SAMPLES] if count > 1 else images.samples[:0]
    scale = _gigakelvin(images, frequency)
    highest = scale * float(max(images.mean.max(), drawn.max(initial=0)))
    title = f"Mean of {count} samples" if count > 1 else "Reconstruction"
    panels = [(title, scale * images.mean, highest, _SOURCE_MAP)]
    if images.spread is not None:
        spread = scale * images.spread
        panels.append(("Spread (standard deviation)", spread, float(spread.max()), ERROR_MAP))
    columns = (len(drawn) + 1) // 2
    widths = [1.3 * len(panels)] + [0.55 * columns] * bool(columns)
    parts: Any = figure.subfigures(1, len(widths), squeeze=False, width_ratios=widths)
    axes = parts[0, 0].subplots(1, len(panels), squeeze=False)[0]
    for ax, (name, image, limit, cmap) in zip(axes, panels, strict=True):
        shown = _draw_sky(ax, image, images.field_of_view_uas, limit, cmap)
        ax.set_title(name)
        ax.set_xlabel("relative right ascension (µas)")
        label = "brightness temperature (10⁹ K)" if ax is axes[-1] else ""
        draw_bar(ax, shown, label, extend="neither")
    axes[0].set_ylabel("relative declination (µas)")
    _draw_scale(axes[0], images.field_of_view_uas)
    if columns:
        _draw_samples(parts[0, 1], scale * drawn, images.field_of_view_uas, highest)


def _draw_samples(
    figure: "SubFigure", samples: NDArray, field_of_view: float, highest: float
) -> None:
    grid = figure.subplots(2, (len(samples) + 1) // 2, squeeze=False)
    for ax in grid.flat[len(samples) :]:
        ax.set_axis_off()
    for number, (ax, sample) in enumerate(zip(grid.flat, samples, strict=False), 1):
        _draw_sky(ax, sample, field_of_view, highest, _SOURCE_MAP)
        ax.set_title(f"Sample {number}", fontsize=8, pad=3)
        ax.set_xticks([])
        ax.set_yticks([])


def _gigakelvin(images: Images, frequency: float) -> float:
    """Brightness temperature, 10⁹ K, of 1 Jansky per pixel."""
    pixel = images.field_of_view_uas / images.mean.shape[-1] * RADIANS_PER_UAS
    return 1e-9 * _JANSKY * _SPEED_OF_LIGHT**2 / (2 * _BOLTZMANN * frequency**2 * pixel**2)


def _draw_sky(
    ax: "Axes", image: NDArray, field_of_view: float, highest: float, cmap: str
) -> "AxesImage":
    from matplotlib.ticker import MaxNLocator

    half = field_of_view / 2
    shown = ax.imshow(image, cmap=cmap, vmin=0, vmax=highest, extent=(half, -half, -half, half))
    ticks = np.asarray(MaxNLocator(4, steps=[1, 2, 4, 10]).tick_values(-half, half))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks[np.abs(ticks) <= half])
    return shown


def _draw_scale(ax: "Axes", field_of_view: float) -> None:
    start, height = 0.43 * field_of_view, -0.42 * field_of_view
    ax.plot([start, start - _BAR], [height, height], color="white", linewidth=2)
    ax.annotate(
        f"{_BAR} µas",
        (start - _BAR / 2, height),
        xytext=(0, 3),
        textcoords="offset points",
        color="white",
        ha="center",
        fontsize=8,
    )


def _draw_closure_phases(figure: "SubFigure", fit: ClosureFit) -> None:
    """Draw the triangles whose phases are farthest from zero: those that show structure."""
    triangles = _most_telling(fit)
    figure.supxlabel("UTC (h)", fontsize=9)
    figure.supylabel("closure phase (°)", fontsize=9)
    shape = 1 + (len(triangles) > 1), max((len(triangles) + 1) // 2, 1)
    grid = figure.subplots(*shape, sharex=True, squeeze=False)
    for ax in grid.flat[len(triangles) :]:
        ax.set_axis_off()
    hours = _of_one_day(fit.time)
    for ax, name in zip(grid.flat, triangles, strict=False):
        for rows in _tracks(fit.time, np.flatnonzero(fit.triangle == name)):
            phase = np.unwrap(fit.phase[rows], period=360)
            points = ax.errorbar(hours[rows], phase, fit.phase_error[rows], **_POINTS)
            model = phase + _wrap(fit.phase_model[:, rows] - phase)
            lines = ax.plot(hours[rows], model.T, color=ORANGE, linewidth=0.7, alpha=0.6, zorder=1)
        ax.set_title(name, fontsize=8, pad=3)
        ax.tick_params(labelsize=8)
        ax.locator_params(nbins=4)
    if triangles:
        labels = ["closure phases measured", "of each sample" if len(lines) > 1 else "of the image"]
        figure.legend([points, lines[0]], labels, loc="outside upper center", ncols=2)


def _of_one_day(hours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hours of several days, laid over the first; later ones may begin up to 6 h earlier."""
    start = np.min(hours, initial=24) - 6
    return start + (hours - start) % 24


def _tracks(hours: NDArray[np.float64], rows: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Rows in order of time, parted at the gap between two days."""
    rows = rows[np.argsort(hours[rows], kind="stable")]
    return np.split(rows, 1 + np.flatnonzero(np.diff(hours[rows]) > _GAP))


def _most_telling(fit: ClosureFit) -> list[str]:
    """Triangles by the significance of their phases, those of a few scans last."""
    names, index, count = np.unique(fit.triangle, return_inverse=True, return_counts=True)
    signal = np.bincount(index, (fit.phase / fit.phase_error) ** 2, minlength=len(names))
    order = np.lexsort((-signal, count < _FEW_SCANS))
    return [str(name) for name in names[order[:_MOST_TRIANGLES]]]


def _draw_log_amplitudes(ax: "Axes", fit: ClosureFit) -> None:
    measured, model = fit.log_amplitude, fit.log_amplitude_model
    ax.set_title("Log closure amplitudes")
    if not len(measured):
        ax.text(0.5, 0.5, "none: fewer than four\nstations at a time", ha="center", va="center")
        ax.set_axis_off()
        return
    ax.errorbar(model.mean(0), measured, fit.log_amplitude_error, model.std(0), **_POINTS)
    ax.axline((0, 0), slope=1, color=ORANGE, linewidth=1, zorder=3)
    ax.set_box_aspect(1)
    ax.locator_params(nbins=6)
    ax.set_xlabel("mean and spread of the samples" if len(model) > 1 else "of the image")
    ax.set_ylabel("measured")


def _draw_coverage(ax: "Axes", observation: Observation) -> None:
    u, v = np.concatenate([observation.uv, -observation.uv]).T / 1e9
    ax.plot(u, v, ".", color=BLUE, markersize=3)
    limit = 1.2 * float(np.hypot(u, v).max(initial=1))
    angle = np.linspace(0, 2 * np.pi, 200)
    for fringe in _FRINGES:
        radius = 1e-9 / (fringe * RADIANS_PER_UAS)
        if radius > limit:
            continue
        ax.plot(radius * np.cos(angle), radius * np.sin(angle), ":", color=GREY, linewidth=0.9)
        ax.text(0, 1.03 * radius, f"{fringe} µas", fontsize=7, color="0.35", ha="center")
    ax.set_xlim(limit, -limit)
    ax.set_ylim(-limit, limit)
    ax.set_aspect("equal")
    ax.locator_params(nbins=6)
    ax.set_title("Coverage")
    ax.set_xlabel("u (Gλ)")
    ax.set_ylabel("v (Gλ)")

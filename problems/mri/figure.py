"""Images of a slice above the fit of each line and the aliasing pattern of the sampling."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmaps_science.plot import BLUE, ERROR_MAP, GREY, IMAGE_MAP, ORANGE, Panel, draw_bar, new_figure
from lmaps_science.problems.mri.formats.images import middle
from lmaps_science.problems.mri.masks import calibration_interval
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmaps_science.result import Result

_COLUMNS = 4
_BRIGHTEST = 0.998


def save_figure(result: "Result", path: Path) -> None:
    """Draw truth, zero-filled image, other methods, reconstruction, error and spread, then fits.

    Parameters
    ----------
    result : Result
        Of the problem ``"mri"``.
    path : Path
        PNG file to write.
    """
    panels = _panels(result)
    rows = -(-len(panels) // _COLUMNS)
    columns = -(-len(panels) // rows)
    operator = result.measurement.operator
    with new_figure(2.6 * columns + 0.6, 2.75 * rows + 2.6) as figure:
        halves: Any = figure.subfigures(2, 1, height_ratios=(2.75 * rows, 2.6))
        grid = halves[0].subplots(rows, columns, squeeze=False)
        _draw_images(grid, panels)
        fit, aliasing = halves[1].subplots(1, 2)
        _draw_fit(fit, result, operator)
        _draw_aliasing(aliasing, operator)
        figure.savefig(path)


def aliasing_pattern(operator: MultiCoilMRI) -> NDArray[np.float64]:
    """Image of a point in the middle seen through the sampling, relative to its peak.

    Returns
    -------
    ndarray
        (lines,) where whole lines are sampled, else (y, x).
    """
    by_lines = isinstance(operator.sampling, LineSampling)
    mask = operator.lines if by_lines else operator.mask.cpu().numpy()
    spread = np.abs(np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(mask))))
    return spread / spread.max()


def _panels(result: "Result") -> list[Panel]:
    measurement, summary = result.measurement, result.summary
    operator, kind = measurement.operator, result.problem
    zero_filled = kind.physical(operator, operator.mvue(measurement.y))[0]
    images = {"Zero-filled": zero_filled, **result.baselines}
    metrics = {m["name"]: m["metrics"] for m in summary["baselines"] or []}
    metrics["LMAPS"] = summary["metrics"]
    count = summary["kept_samples"]
    name = {"lmaps": "LMAPS"}.get(summary["method"], summary["method"])
    images["LMAPS"] = result.mean
    titles = {"LMAPS": name + (f", mean of {count}" if count > 1 else "")}
    panels: list[Panel] = []
    if result.truth is not None:
        panels.append(("All lines", result.truth, IMAGE_MAP))
    for key, image in images.items():
        known = metrics.get(key)
        score = "" if known is None else f"\n{known['psnr']:.1f} dB, {known['ssim']:.3f}"
        panels.append((titles.get(key, key) + score, np.abs(image), IMAGE_MAP))
    if result.truth is not None:
        error = np.abs(np.abs(result.mean) - result.truth)
        panels.append(("Absolute error", error, ERROR_MAP))
    if result.std is not None:
        panels.append(("Spread (standard deviation)", result.std, ERROR_MAP))
    shape = getattr(measurement, "scan").image_shape  # noqa: B009 - of MRIMeasurement
    return [(title, middle(image, shape), cmap) for title, image, cmap in panels]


def _draw_images(grid: NDArray, panels: list[Panel]) -> None:
    limits = {
        kind: max((np.quantile(p, _BRIGHTEST) for _, p, cmap in panels if cmap == kind), default=1)
        for kind in (IMAGE_MAP, ERROR_MAP)
    }
    # The zero-filled image has a scale of its own where little was sampled.
    reference = [
        np.quantile(p, _BRIGHTEST) for t, p, c in panels if c == IMAGE_MAP and t[:4] != "Zero"
    ]
    limits[IMAGE_MAP] = max(reference)
    for ax, (title, panel, cmap) in zip(grid.flat, panels, strict=False):
        image = ax.imshow(panel, cmap=cmap, vmin=0, vmax=limits[cmap])
        ax.set_title(title)
        if cmap == ERROR_MAP:
            draw_bar(ax, image, "", extend="max")
    for ax in grid.flat:
        ax.set_axis_off()


def _draw_fit(ax: "Axes", result: "Result", operator: MultiCoilMRI) -> None:
    fit = np.array([np.nan if v is None else v for v in result.summary["fit_by_line"]])
    by_lines = isinstance(operator.sampling, LineSampling)
    position = np.arange(len(fit))
    if by_lines:
        position = position - len(fit) // 2
        first, end = (n - len(fit) // 2 - 0.5 for n in calibration_interval(operator.lines))
        ax.axvspan(first, end, color=BLUE, alpha=0.12, linewidth=0, label="calibration")
    ax.axhline(1, color=GREY, linewidth=1, linestyle="--", label="noise")
    ax.plot(position, fit, "o", color=BLUE, markersize=3, label="χ² per datum")
    ax.set_ylim(0, 1.25 * max(1.2, float(np.nanmax(fit))))
    ax.set_title(f"Fit to the data: χ² per datum {result.summary['data_fit']:.3g}")
    ax.set_xlabel("phase-encode line" if by_lines else "ring around the centre of k-space")
    ax.legend(ncols=3, loc="upper center")


def _draw_aliasing(ax: "Axes", operator: MultiCoilMRI) -> None:
    pattern = aliasing_pattern(operator)
    ax.set_title(f"Aliasing pattern, acceleration {operator.acceleration:.1f}")
    if pattern.ndim == 1:
        ax.vlines(
            np.arange(len(pattern)) - len(pattern) // 2, 0, pattern, color=ORANGE, linewidth=1
        )
        ax.set_ylim(0, 1.05)
        ax.set_xlabel("shift along the phase-encode axis (pixel)")
        ax.set_ylabel("ghost, relative")
    else:
        image = ax.imshow(pattern, cmap=ERROR_MAP, vmin=0, vmax=float(np.quantile(pattern, 0.999)))
        ax.set_axis_off()
        draw_bar(ax, image, "ghost, relative", extend="max")

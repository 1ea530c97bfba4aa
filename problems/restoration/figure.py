"""Degraded and restored image beside truth, error and spread."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmaps_science.plot import ERROR_MAP, IMAGE_MAP, Panel, draw_bar, new_figure

if TYPE_CHECKING:
    from lmaps_science.result import Result

_BRIGHTEST = 0.998


def save_figure(result: "Result", path: Path) -> None:
    """Draw the images above the same details, enlarged.

    Parameters
    ----------
    result : Result
        Of the problem ``"image"``.
    path : Path
        PNG file to write.
    """
    panels = _panels(result)
    window = detail(result.mean)
    operator = result.measurement.operator
    with new_figure(2.6 * len(panels) + 0.6, 5.4) as figure:
        grid = figure.subplots(2, len(panels), squeeze=False)
        errors = [panel for _, panel, cmap in panels if cmap == ERROR_MAP]
        error_limit = max((float(np.quantile(e, _BRIGHTEST)) for e in errors), default=1.0)
        for column, (title, panel, cmap) in enumerate(panels):
            limits = operator.grey if cmap == IMAGE_MAP else (0.0, max(error_limit, 1e-6))
            last = column + 1 == len(panels) or panels[column + 1][2] != cmap
            for ax, shown in zip(grid[:, column], (panel, panel[window]), strict=True):
                image = ax.imshow(shown, cmap=cmap, vmin=limits[0], vmax=limits[1])
                ax.set_xticks([])
                ax.set_yticks([])
                if last:
                    draw_bar(ax, image, result.problem.quantity, extend="max")
            grid[0, column].set_title(title)
        figure.savefig(path)


def detail(image: NDArray, share: float = 0.35) -> tuple[slice, slice]:
    """The window of a share of each side in which the image varies most."""
    ny, nx = (max(2, round(share * n)) for n in image.shape)
    rows, columns = (
        range(0, n - m + 1, max(1, m // 4)) for n, m in zip(image.shape, (ny, nx), strict=True)
    )
    windows = [(slice(i, i + ny), slice(j, j + nx)) for i in rows for j in columns]
    return max(windows, key=lambda window: float(image[window].std()))


def _panels(result: "Result") -> list[Panel]:
    summary = result.summary
    title = f"Restored, mean of {len(result.samples)}" if len(result.samples) > 1 else "Restored"
    degraded = "Degraded"
    if summary["metrics"] is not None:
        title += f"\nPSNR {summary['metrics']['psnr']:.1f} dB"
        degraded += f"\nPSNR {summary['degraded_metrics']['psnr']:.1f} dB"
    panels: list[Panel] = [
        (degraded, result.measurement.picture, IMAGE_MAP),  # type: ignore[attr-defined]
        (title, result.mean, IMAGE_MAP),
    ]
    if result.truth is not None:
        panels.append(("Truth", result.truth, IMAGE_MAP))
        panels.append(("Absolute error", np.abs(result.mean - result.truth), ERROR_MAP))
    if result.std is not None:
        panels.append(("Spread (standard deviation)", result.std, ERROR_MAP))
    return panels

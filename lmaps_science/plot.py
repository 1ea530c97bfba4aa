"""Figures of a reconstruction, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from lmaps_science.result import Result

Extent = tuple[float, float, float, float]
"""(left, right, bottom, top) of an image, centimetre."""

Panel = tuple[str, NDArray, str]
"""Title, image and colour map, `IMAGE_MAP` or `ERROR_MAP`."""

IMAGE_MAP, ERROR_MAP = "gray", "magma"
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "0.55"
_STYLE: Any = {
    # Others change it: ehtim takes a serif one, which lacks the ℓ of ℓ1.
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
}


def save_figure(result: "Result", extent: Extent | None, path: Path) -> None:
    """Draw truth, reconstruction, error and spread above the fit to the data.

    Parameters
    ----------
    result : Result
        What to draw; truth, error and spread only where they are known.
    extent : tuple of float or None
        (left, right, bottom, top), centimetre; None leaves the axes out.
    path : Path
        PNG file to write.
    """
    panels = _panels(result)
    limit = _highest(panels)
    with new_figure(max(2.75 * len(panels), 6.2), 5.9) as figure:
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        top, bottom = halves
        grid = top.subplots(1, len(panels), squeeze=False)
        _draw_rows(grid, [panels], extent, limit, result.problem.quantity)
        # A method without noise levels has nothing to show over them.
        *misfit, histogram = bottom.subplots(1, 2 if result.history["sigma"] else 1, squeeze=False)[
            0
        ]
        for ax in misfit:
            _draw_misfit(ax, result)
        _draw_residuals(histogram, result.residuals)
        figure.savefig(path)


def save_comparison(
    rows: Sequence[Sequence[Panel]], extent: Extent, quantity: str, path: Path
) -> None:
    """Draw one row of panels for each object.

    Parameters
    ----------
    rows : sequence of sequence of Panel
        Rows of equally many panels.
    extent : tuple of float
        (left, right, bottom, top), centimetre.
    quantity : str
        What the images show.
    path : Path
        PNG file to write.
    """
    with new_figure(2.55 * len(rows[0]), 2.5 * len(rows)) as figure:
        grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
        limit = _highest([panel for panels in rows for panel in panels])
        _draw_rows(grid, rows, extent, limit, quantity)
        figure.savefig(path)


def save_images(
    path: str | Path,
    images: Mapping[str, ArrayLike],
    columns: int | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Draw images side by side.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    images : mapping of str to array
        Images (y, x) by title, also with axes of length 1 before.
    columns : int, optional
        Images in a row; by default all of them.
    **options
        Of matplotlib's ``imshow``: by default grey, each image from its least value to its
        largest.
    """
    columns = columns or len(images)
    rows = -(-len(images) // columns)
    with new_figure(1.9 * columns, 2.1 * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (title, image) in zip(axes, images.items(), strict=True):
            array = np.asarray(image)
            ax.imshow(array.reshape(array.shape[-2:]), **({"cmap": IMAGE_MAP} | options))
            ax.set_title(title)
            ax.set_axis_off()
        figure.savefig(path)


class new_figure:  # noqa: N801 - used as a function
    """A figure in the house style for the length of a with block."""

    def __init__(self, width: float, height: float) -> None:
        self.size = (width, height)

    def __enter__(self) -> "Figure":
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.style = rc_context(_STYLE)
        self.style.__enter__()
        figure = Figure(self.size, dpi=160, layout="constrained")
        FigureCanvasAgg(figure)
        return figure

    def __exit__(self, *error: object) -> None:
        self.style.__exit__(None, None, None)


def _panels(result: "Result") -> list[Panel]:
    count = result.summary["num_samples"]
    panels = []
    if result.truth is not None:
        panels.append(("Truth", result.truth, IMAGE_MAP))
    title = "Reconstruction" + (f", mean of {count}" if count > 1 else "")
    metrics = result.summary["metrics"]
    if metrics is not None:
        title += f"\nPSNR {metrics['psnr']:.1f} dB, SSIM {metrics['ssim']:.3f}"
    panels.append((title, result.mean, IMAGE_MAP))
    if result.truth is not None:
        panels.append(("Absolute error", np.abs(result.mean - result.truth), ERROR_MAP))
    if result.std is not None:
        panels.append(("Spread (standard deviation)", result.std, ERROR_MAP))
    return panels


def _highest(panels: Sequence[Panel]) -> float:
    return max(float(panel.max()) for _, panel, cmap in panels if cmap == IMAGE_MAP)


def _draw_rows(
    grid: NDArray,
    rows: Sequence[Sequence[Panel]],
    extent: Extent | None,
    limit: float,
    quantity: str,
) -> None:
    """Draw panels on a grid of axes; those of one colour map share its scale."""
    errors = [panel for panels in rows for _, panel, cmap in panels if cmap == ERROR_MAP]
    # The brightest few pixels would hide all the others.
    error_limit = max((float(np.quantile(error, 0.998)) for error in errors), default=1.0)
    origin: Any = "upper" if extent is None else "lower"
    for (i, j), ax in np.ndenumerate(grid):
        title, panel, cmap = rows[i][j]
        highest = limit if cmap == IMAGE_MAP else error_limit
        image = ax.imshow(panel, cmap=cmap, vmin=0, vmax=highest, extent=extent, origin=origin)
        ax.set_title(title)
        if extent is None:
            ax.set_axis_off()
        else:
            ax.locator_params(nbins=5)
            bottom = i == len(grid) - 1
            ax.tick_params(labelbottom=bottom, labelleft=j == 0)
            ax.set_xlabel("x (cm)" if bottom else "")
            ax.set_ylabel("y (cm)" if j == 0 else "")
        if j + 1 == len(rows[i]) or rows[i][j + 1][2] != cmap:
            draw_bar(ax, image, quantity, extend="max" if cmap == ERROR_MAP else "neither")


def draw_bar(ax: "Axes", image: "AxesImage", quantity: str, extend: str) -> None:
    """Draw a colour bar as high as the image beside it."""
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.04, 0, 0.05, 1)), extend=extend)
    bar.set_label(quantity)
    bar.outline.set_linewidth(0.6)


def _draw_misfit(ax: "Axes", result: "Result") -> None:
    sigma, fit = result.history["sigma"], result.history["data_fit"]
    ax.axhline(1, color=GREY, linewidth=1, linestyle="--", label="noise")
    ax.loglog(sigma, fit, "o-", color=BLUE, markersize=3.5, linewidth=1.2, label="local MAP")
    ax.invert_xaxis()
    final = result.summary["data_fit"]
    ax.set_title(f"Fit to the data: χ² per datum {final:.3g}")
    ax.set_xlabel("noise level σ of the image")
    ax.set_ylabel("χ² per datum")
    ax.legend()


def _draw_residuals(ax: "Axes", residuals: NDArray[np.float64]) -> None:
    edges = np.linspace(-5, 5, 61)
    ax.hist(
        residuals.clip(-5, 5),
        edges.tolist(),
        density=True,
        color=BLUE,
        alpha=0.45,
        label="residuals",
    )
    ax.plot(
        edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), color=ORANGE, label="standard normal"
    )
    ax.set_xlim(-5, 5)
    ax.set_title("Residuals of the data")
    ax.set_xlabel("residual in units of the noise")
    ax.set_ylabel("density")
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
    ax.legend(ncols=2, loc="upper center")

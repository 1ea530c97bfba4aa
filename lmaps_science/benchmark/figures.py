"""The pictures of a benchmark's report: images, and figures of merit against costs."""

import math
import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmaps_science.benchmark.labels import Label, Point, write_labels
from lmaps_science.benchmark.statistics import Estimate
from lmaps_science.plot import BLUE, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST = 320
"""Pixels along a side of an image in the page."""

_INK, _FAINT = "#1a1a1a", "#767676"
_IN_THE_DARK = {_INK: "#e3e3e1", _FAINT: "#8c8c8c", ORANGE: "#ff9d5c", BLUE: "#6cb8ee"}
_STYLE: Any = {
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
    ),
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.hashsalt": "lmaps",  # the same names within every file
}


class Curve(NamedTuple):
    """A method, or several that differ in one setting alone.

    Attributes
    ----------
    label : str
        Drawn beside it.
    points : list of (Estimate, Estimate)
        Abscissa, positive, and ordinate.
    level : float or None
        Ordinate of a method that has no abscissa, and no points then.
    first : bool
        Whether it is the method that the others are compared with.
    """

    label: str
    points: Sequence[tuple[Estimate, Estimate]] = ()
    level: float | None = None
    first: bool = False


def png(image: NDArray, limits: tuple[float, float], color_map: str, origin: str) -> bytes:
    """An image as a PNG file, one pixel each unless it is large.

    Parameters
    ----------
    image : ndarray
        Real, (y, x).
    limits : tuple of float
        Values of the first and the last colour.
    color_map, origin : str
        As matplotlib calls them.
    """
    from matplotlib import colormaps
    from PIL import Image

    low, high = limits
    rows = image[::-1] if origin == "lower" else image
    picture = Image.fromarray(np.ascontiguousarray(rows, np.float32))
    picture = picture.reduce(math.ceil(max(image.shape) / _LARGEST))
    scaled = np.nan_to_num((np.asarray(picture) - low) / max(high - low, 1e-30))
    picture = Image.fromarray((255 * scaled.clip(0, 1)).round().astype(np.uint8))
    picture.putpalette(colormaps[color_map](np.arange(256), bytes=True)[:, :3].tobytes())
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def gradient(color_map: str) -> str:
    """The colours of a map, lowest first, as CSS lists them."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return ", ".join(to_hex(colormaps[color_map](k / 16)) for k in range(17))


def in_the_dark(svg: bytes) -> bytes:
    """A plot in colours for a dark page."""
    for light, dark in _IN_THE_DARK.items():
        svg = svg.replace(light.encode(), dark.encode())
    return svg


def draw_curves(curves: Sequence[Curve], x_name: str, y_name: str) -> bytes:
    """Curves with their errors over a logarithmic axis, each with its label beside it, as SVG."""
    from matplotlib import rc_context

    values = [x.mean for curve in curves for x, _ in curve.points]
    height = 3.3 + 0.15 * max(0, len(curves) - 8)
    with new_figure(4.8, height) as figure, rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # labels are written in any script
        ax = figure.subplots()
        ax.set_xscale("log")
        # Curves are labelled at their end.
        room = 4 if any(len(curve.points) > 1 for curve in curves) else 1.6
        ax.set_xlim(min(values) / 1.6, room * max(values))
        ax.margins(y=0.15)
        _set_ticks(ax, max(values) / min(values))
        ax.set_xlabel(x_name)
        ax.set_ylabel(y_name)
        ax.spines[["top", "right"]].set_visible(False)
        for curve in curves:
            _draw(ax, curve)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        write_labels(ax, *_labels(ax, curves), _FAINT)
        return _svg(figure)


def _draw(ax: "Axes", curve: Curve) -> None:
    color = ORANGE if curve.first else BLUE
    if curve.level is not None:
        ax.axhline(curve.level, color=color, linewidth=1, linestyle=":")
        return
    x, y = ([point[axis].mean for point in curve.points] for axis in (0, 1))
    across = [_left_error(x) for x, _ in curve.points]
    up = [y.error or 0.0 for _, y in curve.points]
    ax.errorbar(x, y, up, across, "o-", color=color, markersize=4, linewidth=0.9)


def _set_ticks(ax: "Axes", ratio: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    subs = (1, 2, 5) if ratio < 50 else (1, 3) if ratio < 1000 else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _labels(ax: "Axes", curves: Sequence[Curve]) -> tuple[list[Label], list[Point]]:
    """What to write, and what it must not cover."""
    labels, taken = [], []
    low, high = ax.get_xlim()
    for curve in sorted(curves, key=lambda curve: not curve.first):
        points = [
            Point(x.mean, y.mean, _left_error(x), y.error or 0.0) for x, y in curve.points
        ] or [Point(x, curve.level or 0.0) for x in (low, high)]
        ends = [points[-1], points[0]]
        labels.append(Label(curve.label, ORANGE if curve.first else _INK, ends))
        taken += points + [between for pair in pairwise(points) for between in _line(*pair)]
    return labels, taken


def _line(start: Point, end: Point, count: int = 30) -> Iterator[Point]:
    """Points between two, evenly on a logarithmic axis."""
    x = np.geomspace(start.x, end.x, count)
    return (Point(*at) for at in zip(x, np.linspace(start.y, end.y, count), strict=True))


def _left_error(x: Estimate) -> float:
    """Nothing reaches zero on a logarithmic axis."""
    return min(x.error or 0.0, 0.9 * x.mean)


def _svg(figure: "Figure") -> bytes:
    content = BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()

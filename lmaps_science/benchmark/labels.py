"""Labels beside what they name, none of them over another."""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_DISTANCES = (5, 10, 16, 23, 31, 40, 50, 62)
"""From a point to its label, in points of type."""

_BESIDE = 10
"""Up to which distance no line is needed to tell whose label it is."""

_DIRECTIONS = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1), (1, 3), (1, -3), (-1, 3),
    (-1, -3),
)  # fmt: skip

_LONGEST = 30
_FONT: Any = {"fontsize": 8, "parse_math": False}
_RADIUS = 2.5
"""Of the mark of a point, in points of type."""


class Point(NamedTuple):
    """A point of a plot, and how far its errors reach to either side."""

    x: float
    y: float
    x_error: float = 0.0
    y_error: float = 0.0


class Label(NamedTuple):
    """A text, its colour, and the points beside any of which it may stand."""

    text: str
    color: str
    points: Sequence[Point]


def write_labels(
    ax: "Axes", labels: Sequence[Label], points: Sequence[Point], line_color: str
) -> "list[Annotation]":
    """Write each label where it covers no other label and none of the points.

    Where that cannot be, it covers as little as possible. The axes must have their final place.
    """
    frame = np.array(ax.get_window_extent().get_points())
    taken = [_extent(ax, point) for point in points]
    line = {"arrowstyle": "-", "color": line_color, "linewidth": 0.5, "shrinkA": 0}
    written = []
    for label in labels:
        shown = shortened(label.text)
        size = _size(ax, shown)
        places = list(product(_DISTANCES, label.points, _DIRECTIONS))
        boxes = [_box(ax, *place, size) for place in places]
        covered = [_covered(box, np.stack(taken), frame) for box in boxes]
        best = covered.index(min(covered))
        distance, point, direction = places[best]
        text = ax.annotate(
            shown,
            point[:2],
            tuple(_offset(distance, direction)),
            textcoords="offset points",
            color=label.color,
            arrowprops=None if distance <= _BESIDE else line,
            **_alignment(direction),
            **_FONT,
        )
        taken.append(boxes[best])
        written.append(text)
    return written


def shortened(text: str) -> str:
    """The text, or its beginning where it is long."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _size(ax: "Axes", text: str) -> NDArray[np.float64]:
    """Width and height, pixels."""
    measured = ax.text(0, 0, text, **_FONT)
    size = np.array(measured.get_window_extent().size)
    measured.remove()
    return size


def _scale(ax: "Axes") -> float:
    """Pixels in a point of type."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes are drawn on one
    return figure.dpi / 72


def _extent(ax: "Axes", point: Point) -> NDArray[np.float64]:
    """Opposite corners of a point and its errors, pixels."""
    errors = np.array([point.x_error, point.y_error])
    ends = ax.transData.transform(point[:2] + errors * np.array([[-1], [1]]))
    return ends + _RADIUS * _scale(ax) * np.array([[-1], [1]])


def _offset(distance: float, direction: tuple[int, int]) -> NDArray[np.float64]:
    return distance * np.array(direction) / np.hypot(*direction)


def _alignment(direction: tuple[int, int]) -> dict[str, Any]:
    """The text's side or corner that lies nearest to the point."""
    return {
        "ha": ("right", "center", "left")[np.sign(direction[0]) + 1],
        "va": ("top", "center", "bottom")[np.sign(direction[1]) + 1],
    }


def _box(
    ax: "Axes",
    distance: float,
    point: Point,
    direction: tuple[int, int],
    size: NDArray,
) -> NDArray[np.float64]:
    """Opposite corners of a label of this size at this place, pixels."""
    nearest = ax.transData.transform(point[:2]) + _scale(ax) * _offset(distance, direction)
    corner = nearest + size * (np.sign(direction) - 1) / 2
    return np.stack([corner, corner + size])


def _covered(box: NDArray, taken: NDArray, frame: NDArray) -> float:
    """Area of what is taken or outside the frame, square pixels."""
    inside = float(_shared(box, frame[None]).sum())
    return float(_shared(box, taken).sum() + np.prod(box[1] - box[0])) - inside


def _shared(box: NDArray, others: NDArray) -> NDArray[np.float64]:
    """Area that a box shares with each of the others, (count, 2, 2)."""
    sides = np.minimum(box[1], others[:, 1]) - np.maximum(box[0], others[:, 0])
    return sides.clip(min=0).prod(1)

"""Cartesian sampling masks, and what they really sample."""

import numpy as np
from numpy.typing import NDArray

PATTERNS = ("random", "equispaced")
_FEWEST_CALIBRATION = 8


def cartesian_mask(
    num_lines: int,
    acceleration: float,
    pattern: str = "random",
    seed: int = 0,
    num_calibration_lines: int | None = None,
) -> NDArray[np.bool_]:
    """InverseBench's masks: a fully sampled centre, and lines drawn or spaced outside it.

    Random masks count the centre within the budget of num_lines / acceleration lines;
    equispaced ones add it to every acceleration-th line outside, so that their true
    acceleration is lower.

    Parameters
    ----------
    num_lines : int
        Phase-encode lines of the full k-space.
    acceleration : float
        Nominal acceleration, above 1; an integer for equispaced lines.
    pattern : str
        ``"random"`` or ``"equispaced"``.
    seed : int
        Of the random lines.
    num_calibration_lines : int, optional
        Lines of the centre; `calibration_share` by default.

    Returns
    -------
    ndarray
        True where sampled, (num_lines,): ``mask[None, :]`` encodes phase along x,
        ``mask[:, None]`` along y.

    Raises
    ------
    ValueError
        If no such mask exists.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern: expected one of {', '.join(PATTERNS)}, got {pattern!r}")
    if not 1 < acceleration <= num_lines:
        raise ValueError(
            f"acceleration: expected a number above 1 and up to num_lines = {num_lines}, "
            f"got {acceleration}"
        )
    if num_calibration_lines is None:
        num_calibration_lines = calibration_share(num_lines, acceleration)
    budget = int(num_lines / acceleration)
    if pattern == "random" and not 0 <= num_calibration_lines <= budget:
        raise ValueError(
            f"num_calibration_lines: expected 0 to the {budget} lines that acceleration "
            f"{acceleration:g} leaves of {num_lines}, got {num_calibration_lines}"
        )
    if pattern == "equispaced" and acceleration != int(acceleration):
        raise ValueError(f"acceleration: expected an integer for equispaced, got {acceleration}")
    centre = np.arange(
        (num_lines - num_calibration_lines) // 2, (num_lines + num_calibration_lines) // 2
    )
    outside = np.setdiff1d(np.arange(num_lines), centre)
    if pattern == "random":
        generator = np.random.RandomState(seed)  # the benchmark's, to the bit
        outside = generator.choice(outside, budget - num_calibration_lines, replace=False)
    else:
        outside = outside[:: int(acceleration)]
    mask = np.zeros(num_lines, dtype=bool)
    mask[centre] = mask[outside] = True
    return mask


def line_mask(
    shape: tuple[int, ...],
    acceleration: float,
    pattern: str,
    seed: int,
    num_calibration_lines: int | None,
    phase_axis: str,
) -> NDArray[np.bool_]:
    """A `cartesian_mask` of k-space (y, x) whose centre suffices to find sensitivity maps in.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    acceleration, pattern, seed
        As for `cartesian_mask`.
    num_calibration_lines : int or None
        By default `calibration_share`, but at least 8 where the acceleration leaves as many.
    phase_axis : str
        ``"x"`` or ``"y"``, along which lines are left out.

    Returns
    -------
    ndarray
        (1, x) or (y, 1).
    """
    num_lines = shape[1 if phase_axis == "x" else 0]
    if num_calibration_lines is None and acceleration > 1:
        wanted = max(calibration_share(num_lines, acceleration), _FEWEST_CALIBRATION)
        num_calibration_lines = min(wanted, int(num_lines / acceleration))
    mask = cartesian_mask(num_lines, acceleration, pattern, seed, num_calibration_lines)
    return mask[None] if phase_axis == "x" else mask[:, None]


def calibration_share(num_lines: int, acceleration: float) -> int:
    """InverseBench's calibration lines: 8 % of all up to sixfold acceleration, then 4 %."""
    return int((0.08 if acceleration <= 6 else 0.04) * num_lines)


def calibration_interval(lines: NDArray[np.bool_]) -> tuple[int, int]:
    """First, and one after the last, of the contiguous lines sampled around the centre.

    Parameters
    ----------
    lines : ndarray
        True where sampled, (lines,).
    """
    centre = len(lines) // 2
    gaps = np.flatnonzero(~lines)
    before, after = gaps[gaps <= centre], gaps[gaps >= centre]
    first = int(before[-1]) + 1 if len(before) else 0
    return first, max(first, int(after[0]) if len(after) else len(lines))


def calibration_width(mask: NDArray[np.bool_]) -> int:
    """Fully sampled width around the centre of k-space.

    Parameters
    ----------
    mask : ndarray
        True where sampled, (lines,) or (y, x).

    Returns
    -------
    int
        Number of contiguous lines that include the centre; for (y, x), the side of the largest
        centred square that is fully sampled.
    """
    if mask.ndim == 1:
        first, end = calibration_interval(mask)
        return end - first
    side = 0
    while side < min(mask.shape):
        window = tuple(slice(n // 2 - (side + 1) // 2, n // 2 + side // 2 + 1) for n in mask.shape)
        if not mask[window].all():
            break
        side += 1
    return side


def sampled(kspace: NDArray, complete: float = 0.95) -> NDArray[np.bool_]:
    """Where k-space was sampled: where it is not exactly zero, whole lines if almost whole.

    Parameters
    ----------
    kspace : ndarray
        Complex, (coils, y, x).
    complete : float
        Share of a set of lines that has to be there for a zero in it to be a datum.

    Returns
    -------
    ndarray
        True where sampled, (y, x).
    """
    points = (kspace != 0).any(0)
    for axis in (0, 1):
        lines = points.any(axis, keepdims=True)
        whole = np.broadcast_to(lines, points.shape)
        if points[whole].mean() >= complete:
            return whole.copy()
    return points


def is_complete(points: NDArray[np.bool_], tolerance: float = 0.05) -> bool:
    """Whether all of k-space was sampled but for padding, about the same on opposite sides.

    Parameters
    ----------
    points : ndarray
        True where sampled, (y, x).
    tolerance : float
        Share of an axis by which opposite sides may differ.
    """
    rows, columns = (np.flatnonzero(points.any(axis)) for axis in (1, 0))
    if not len(rows) or not points[np.ix_(rows, columns)].all():
        return False
    for found, size in zip((rows, columns), points.shape, strict=True):
        before, after = found[0], size - 1 - found[-1]
        gaps = len(found) < size - before - after
        if gaps or abs(before - after) > tolerance * size + 1:
            return False
    return True


def calibration_shape(mask: NDArray[np.bool_], largest: int = 48) -> tuple[int, int]:
    """Height and width of a fully sampled rectangle around the centre of k-space.

    The largest centred square, stretched along y, then along x.

    Parameters
    ----------
    mask : ndarray
        True where sampled, (y, x).
    largest : int
        Longest side.
    """
    side = min(calibration_width(mask), largest)
    shape = [side, side]
    for axis, size in enumerate(mask.shape):
        while side and shape[axis] < min(size, largest):
            shape[axis] += 1
            if not mask[tuple(map(_window, mask.shape, shape))].all():
                shape[axis] -= 1
                break
    return shape[0], shape[1]


def _window(size: int, width: int) -> slice:
    return slice(size // 2 - width // 2, size // 2 - width // 2 + width)

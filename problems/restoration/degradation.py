"""What a user knows of how an image was degraded."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Degradation:
    """What is known of a degradation; options that it does not have are None.

    Attributes
    ----------
    operator : str
        Its name.
    quality : int
        Of JPEG, 1 to 100; of a JPEG file, its tables tell.
    bits : int
        Of each pixel.
    saturation : float
        Grey value; the brightest of the file by default.
    mask : Path
        Image of the same size, black where pixels are known.
    box : int
        Side of a missing square in the middle, pixels.
    missing : float
        Share of pixels that are missing.
    blur : float
        Standard deviation of a Gaussian, pixels.
    length, angle : float
        Of a motion: pixels, and degrees from the x axis towards the top.
    factor : int
        Fine pixels along the side of a coarse one.
    noise : float
        Standard deviation, 1 being white; found in the file by default.

    Raises
    ------
    ValueError
        If the operator is unknown, lacks an option or has one of another.
    """

    operator: str
    quality: int | None = None
    bits: int | None = None
    saturation: float | None = None
    mask: Path | None = None
    box: int | None = None
    missing: float | None = None
    blur: float | None = None
    length: float | None = None
    angle: float | None = None
    factor: int | None = None
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.operator not in _OPTIONS:
            raise ValueError(
                f"operator {self.operator!r}: expected one of {', '.join(sorted(_OPTIONS))}"
            )
        needed, taken = _OPTIONS[self.operator]
        given = {name for name, value in vars(self).items() if value is not None} - {"operator"}
        if foreign := sorted(given - {*needed, *taken}):
            raise ValueError(
                f"{', '.join(foreign)}: not an option of operator {self.operator!r}, which has "
                f"{', '.join((*needed, *taken))}"
            )
        if lacking := sorted(set(needed) - given):
            raise ValueError(f"operator {self.operator!r}: needs {', '.join(lacking)}")


_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "jpeg": ((), ("quality",)),
    "quantise": (("bits",), ()),
    "saturate": ((), ("saturation",)),
    "inpaint": ((), ("mask", "box", "missing", "noise")),
    "gaussian-blur": (("blur",), ("noise",)),
    "motion-blur": (("length",), ("angle", "noise")),
    "super-resolution": (("factor",), ("noise",)),
}
"""Options that an operator needs, and others that it takes."""

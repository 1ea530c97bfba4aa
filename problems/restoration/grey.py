"""The grey scale that restoration operators share with their images."""

from typing import NamedTuple


class GreyScale(NamedTuple):
    """Grey values, 0 (black) to 1 (white), that the prior's -1 and 1 stand for.

    Attributes
    ----------
    low, high : float
        For a prior of one kind of image: the percentiles that it was trained to see there.
    """

    low: float = 0.0
    high: float = 1.0

    def check(self) -> "GreyScale":
        """Itself, if it is one.

        Raises
        ------
        ValueError
            If the image has no contrast.
        """
        if not self.high > self.low:
            raise ValueError(
                f"grey scale: expected low < high, got {self.low:g} and {self.high:g}: the image "
                "has no contrast"
            )
        return self

    @property
    def scale(self) -> float:
        """Grey values per unit of the normalised image."""
        return (self.high - self.low) / 2

    @property
    def shift(self) -> float:
        """Grey value = (x + shift) * scale."""
        return self.low / self.scale + 1

"""Problems that other packages bring."""

from importlib.metadata import EntryPoint, entry_points

GROUP = "lmaps_science.problems"
"""Group of entry points: the problem's name, and a subclass of `lmaps_science.problem.Problem`."""


def installed_problems() -> dict[str, EntryPoint]:
    """Entry points of the group by name, none of them imported."""
    return {point.name: point for point in entry_points(group=GROUP)}

"""From visibilities to closure quantities, by the recipe of one imaging run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lmaps_science.problems.blackhole.closures import Closures, minimal_closures
from lmaps_science.problems.blackhole.observation import (
    Observation,
    add_fractional_error,
    cut_signal_to_noise,
    join,
    require_joint,
    require_resolved,
    require_within,
    rescale_intra_site,
)


def prepare(
    observations: Sequence[Observation],
    field_of_view: float,
    image_size: int,
    compact_flux: float | None,
    fractional_error: float,
    min_signal_to_noise: float,
    flux_error: float,
) -> tuple[Observation, Closures]:
    """Scale, join, flag, and form closures.

    Parameters
    ----------
    observations : sequence of Observation
        Of one source, each averaged over scans.
    field_of_view : float
        Width of the image, radian.
    image_size : int
        Pixels along each side of it.
    compact_flux, fractional_error, min_signal_to_noise, flux_error
        As for `BlackHoleImaging.from_uvfits`.

    Returns
    -------
    observation : Observation
        Visibilities that remain, with all errors in their sigmas.
    closures : Closures
        Of its rows.

    Raises
    ------
    ValueError
        If the observations do not belong together, contradict the compact flux or the field of
        view, or leave no closure quantity.
    """
    require_joint(observations)
    parts = [rescale_intra_site(observation, compact_flux) for observation in observations]
    for part in parts:
        require_within(part, field_of_view)
    observation = add_fractional_error(join(parts), fractional_error)
    observation = cut_signal_to_noise(observation, min_signal_to_noise)
    closures = minimal_closures(observation, flux_error)
    require_resolved(observation, field_of_view / image_size)
    return observation, closures


@contextmanager
def naming(paths: Sequence[str | Path]) -> Iterator[None]:
    """Begin the message of a ValueError with the files that it is about."""
    try:
        yield
    except ValueError as error:
        names = ", ".join(str(path) for path in paths)
        raise ValueError(f"{names}: {error}" if names else str(error)) from error

"""From files of visibilities to closure quantities, by the recipe of one imaging run."""

from collections.abc import Sequence
from pathlib import Path

from lmaps_science.problems.blackhole.closures import Closures, minimal_closures
from lmaps_science.problems.blackhole.observation import (
    Observation,
    add_fractional_error,
    average_scans,
    cut_signal_to_noise,
    join,
    rescale_intra_site,
)
from lmaps_science.problems.blackhole.uvfits import read_uvfits


def prepare(
    paths: Sequence[str | Path],
    compact_flux: float | None = 0.6,
    fractional_error: float = 0.01,
    min_signal_to_noise: float = 3.0,
    flux_error: float = 0.15,
) -> tuple[Observation, Closures]:
    """Read, average, scale, flag, and form closures.

    Parameters
    ----------
    paths : sequence of str or Path
        UVFITS files of one source.
    compact_flux, fractional_error, min_signal_to_noise, flux_error
        As for `BlackHoleImaging.from_uvfits`.

    Returns
    -------
    observation : Observation
        Averaged visibilities that remain, with all errors in their sigmas.
    closures : Closures
        Of its rows.

    Raises
    ------
    ValueError
        If the files cannot be read or leave no closure quantity; the message names them.
    """
    parts = [rescale_intra_site(average_scans(read_uvfits(path)), compact_flux) for path in paths]
    names = ", ".join(str(path) for path in paths)
    try:
        observation = cut_signal_to_noise(
            add_fractional_error(join(parts), fractional_error), min_signal_to_noise
        )
        return observation, minimal_closures(observation, flux_error)
    except ValueError as error:
        raise ValueError(f"{names}: {error}") from error

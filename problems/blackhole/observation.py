"""What an interferometer measured: visibilities, and their preparation for closures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS

INTRA_SITE = 0.1e9


@dataclass(frozen=True)
class Observation:
    """Visibilities of one source, Stokes I.

    Attributes
    ----------
    uv : ndarray
        Spatial frequencies (u, v), (visibilities, 2), wavelengths.
    visibility : ndarray
        (visibilities,), complex, Jansky.
    sigma : ndarray
        Standard deviation of each of the real and imaginary parts, (visibilities,), Jansky.
    time : ndarray
        Hours from midnight of `mjd`, (visibilities,).
    scan : ndarray
        Which scan, (visibilities,); closures stay within a scan.
    stations : ndarray of str
        The two ends of the baseline, (visibilities, 2).
    source : str
        Name of the source.
    right_ascension, declination : float
        Degree.
    frequency : float
        Hertz.
    mjd : int
        Modified Julian date of the first midnight.
    """

    uv: NDArray[np.float64]
    visibility: NDArray[np.complex128]
    sigma: NDArray[np.float64]
    time: NDArray[np.float64]
    scan: NDArray[np.integer]
    stations: NDArray[np.str_]
    source: str
    right_ascension: float
    declination: float
    frequency: float
    mjd: int

    def __len__(self) -> int:
        """Number of visibilities."""
        return len(self.visibility)

    @property
    def intra_site(self) -> NDArray[np.bool_]:
        """Baselines below 0.1 Gλ: two stations on one site, which see the extended flux."""
        return np.hypot(*self.uv.T) < INTRA_SITE

    def select(self, keep: NDArray) -> "Observation":
        """Return the rows that `keep` indexes."""
        rows = ("uv", "visibility", "sigma", "time", "scan", "stations")
        return replace(self, **{name: getattr(self, name)[keep] for name in rows})


def average_scans(observation: Observation) -> Observation:
    """Average each baseline coherently over each scan.

    The mean of n visibilities has sigma sqrt(Σ sigma²) / n; its time is the first.
    """
    reverse = observation.stations[:, 0] > observation.stations[:, 1]
    stations = np.sort(observation.stations, 1)
    uv = np.where(reverse[:, None], -observation.uv, observation.uv)
    visibility = np.where(reverse, observation.visibility.conj(), observation.visibility)
    order = np.lexsort((observation.time, stations[:, 1], stations[:, 0], observation.scan))
    scan, stations = observation.scan[order], stations[order]
    new = (np.diff(scan) != 0) | (stations[1:] != stations[:-1]).any(1)
    first = np.concatenate([[0], 1 + np.flatnonzero(new)])
    count = np.diff([*first, len(order)])
    return replace(
        observation,
        uv=np.add.reduceat(uv[order], first) / count[:, None],
        visibility=(np.add.reduceat(visibility[order], first) / count).astype(np.complex128),
        sigma=np.sqrt(np.add.reduceat(observation.sigma[order] ** 2, first)) / count,
        time=observation.time[order][first],
        scan=scan[first],
        stations=stations[first],
    )


def rescale_intra_site(observation: Observation, compact_flux: float | None) -> Observation:
    """Scale intra-site baselines to a compact flux, or leave them out where it is None.

    They see the flux of everything around the source; the ring is fed by `compact_flux`
    (Jansky) alone. Both the visibility and its sigma are multiplied by compact_flux over the
    median amplitude.

    Raises
    ------
    ValueError
        If it is no flux > 0, is over 1.5 times what `observation` measures in all, or less than
        half of what longer baselines measure.
    """
    intra = observation.intra_site
    if compact_flux is None:
        return observation.select(~intra)
    if not 0 < compact_flux < np.inf:
        raise ValueError(f"compact_flux: expected a flux > 0 in Jansky, got {compact_flux}")
    if not intra.any():
        return observation
    amplitude = np.abs(observation.visibility)
    total = np.median(amplitude[intra])
    least = np.quantile(amplitude[~intra], 0.9) if not intra.all() else 0.0
    if not least / 2 <= compact_flux <= 1.5 * total:
        raise ValueError(
            f"compact_flux: got {compact_flux:g} Jy, but baselines within a site measure "
            f"{total:.3g} Jy in all and longer ones up to {least:.3g} Jy; expected a flux between, "
            "in Jansky"
        )
    factor = np.where(intra, compact_flux / total, 1.0)
    return replace(
        observation,
        visibility=observation.visibility * factor,
        sigma=observation.sigma * factor,
    )


def require_within(observation: Observation, field_of_view: float) -> None:
    """Refuse a source far larger than a field of view.

    Brightness within |l|, |m| <= F/2 has |V(u, v)| >= V(0) cos(π F (|u| + |v|)) up to a quarter
    of a turn. Baselines short enough for this to matter see a larger source fade.

    Parameters
    ----------
    observation : Observation
        Averaged over scans.
    field_of_view : float
        F, radian.

    Raises
    ------
    ValueError
        If a baseline's median amplitude is less than a quarter of what that leaves of the
        largest; losses of gain are rarely more.
    """
    baselines, index = np.unique(observation.stations, axis=0, return_inverse=True)
    turn = np.pi * field_of_view * np.abs(observation.uv).sum(1)
    amplitude = np.abs(observation.visibility)
    rows = [np.flatnonzero(index.ravel() == i) for i in range(len(baselines))]
    medians = np.array([np.median(amplitude[r]) for r in rows])
    least = np.array([np.cos(min(turn[r].max(), np.pi / 2)) for r in rows]) * medians.max(initial=0)
    faded = np.flatnonzero(4 * medians < least)
    if len(faded):
        first = faded[0]
        raise ValueError(
            f"the source is larger than the field of view: {'-'.join(baselines[first])} measures "
            f"{medians[first]:.3g} Jy where a source within the field leaves at least "
            f"{least[first]:.3g} of {medians.max():.3g} Jy; give a wider field_of_view_uas"
        )


def require_resolved(observation: Observation, pixel_size: float) -> None:
    """Refuse pixels (radian) wider than half the finest fringe that was measured."""
    finest = 0.5 / np.abs(observation.uv).max()
    if pixel_size > finest:
        raise ValueError(
            f"pixels of {pixel_size / RADIANS_PER_UAS:.3g} µas are too wide for the longest "
            f"baseline: expected at most {finest / RADIANS_PER_UAS:.3g} µas; give a larger "
            "image_size or a smaller field_of_view_uas"
        )


def add_fractional_error(observation: Observation, fraction: float) -> Observation:
    """Add fraction |V| in quadrature to each sigma: errors that do not close."""
    if not 0 <= fraction < np.inf:
        raise ValueError(f"fractional_error: expected a number >= 0, got {fraction}")
    error = fraction * np.abs(observation.visibility)
    return replace(observation, sigma=np.hypot(observation.sigma, error))


def cut_signal_to_noise(observation: Observation, minimum: float) -> Observation:
    """Keep |V| / sigma > minimum."""
    if not 0 <= minimum < np.inf:
        raise ValueError(f"min_signal_to_noise: expected a number >= 0, got {minimum}")
    return observation.select(np.abs(observation.visibility) > minimum * observation.sigma)


def require_joint(observations: Sequence[Observation]) -> None:
    """Refuse observations that do not share one image.

    Raises
    ------
    ValueError
        If there is none, if one is given twice, or if sources or frequencies differ.
    """
    if not observations:
        raise ValueError("expected one UVFITS file or more, got none")
    sources = [observation.source for observation in observations]
    if len({*sources}) > 1:
        raise ValueError(
            f"expected one source, got {', '.join(sources)} in this order: image them apart"
        )
    frequencies = [observation.frequency / 1e9 for observation in observations]
    if max(frequencies) > 1.1 * min(frequencies):
        raise ValueError(
            "expected frequencies within 10 %, got "
            f"{', '.join(f'{f:.1f}' for f in frequencies)} GHz in this order: image them apart"
        )
    for a, b in combinations(observations, 2):
        if np.array_equal(a.visibility, b.visibility) and a.mjd == b.mjd:
            raise ValueError("the same measurement is given twice: give every file once")


def join(observations: Sequence[Observation]) -> Observation:
    """Several observations of one source as one, each with scans of its own."""
    first = observations[0]
    scans, offset = [], 0
    for observation in observations:
        scans.append(observation.scan + offset)
        offset = scans[-1].max(initial=offset) + 1
    hours = [o.time + 24 * (o.mjd - first.mjd) for o in observations]
    return replace(
        first,
        uv=np.concatenate([o.uv for o in observations]),
        visibility=np.concatenate([o.visibility for o in observations]),
        sigma=np.concatenate([o.sigma for o in observations]),
        time=np.concatenate(hours),
        scan=np.concatenate(scans),
        stations=np.concatenate([o.stations for o in observations]),
    )

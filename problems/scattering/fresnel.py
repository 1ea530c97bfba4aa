"""Fields that the Institut Fresnel measured, as `ScatteringData`.

The calibration and the noise level come from the measurement itself, not from the known objects:
the incident field, where it was published, and reciprocity, since transmitter and receiver may
change places.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.problems.scattering.geometry import Geometry, hankel
from lmaps_science.problems.scattering.hdf5 import ScatteringData

NUM_PIXELS = 64
SIDE_LENGTH = 0.15
"""Metre, of the grid; the larger object is 0.11 m long."""
CONTRAST_SCALE = 3.0
"""Permittivities up to 4: plastics, wood, glass foam."""
_BEAM = np.radians(10)
"""Receivers this near to the beam's axis calibrate it."""
_SAME_PLACE = np.radians(2)
"""Transmitter and receiver angles that count as one place."""


def read_foam(path: str | Path) -> ScatteringData:
    """Foam and plastic cylinders at 3 GHz (2005 database), from Lippmann-Schwinger's .mat.

    Parameters
    ----------
    path : str or Path
        ``FoamDielExtTM_3_GHz_conj_1.mat``.

    Returns
    -------
    ScatteringData
        With the true object.

    References
    ----------
    Geffrin, Sabouroux, Eyraud, Inverse Problems 21, S117 (2005).
    """
    from scipy.io import loadmat

    content = loadmat(path, squeeze_me=True, struct_as_record=False)
    set_up, sensors = content["simP"], content["SP"]
    count = int(set_up.Nemitters)
    # The file's axes are x and z, those of its images; the image's x is its z.
    places = [np.asarray(axis).reshape(count, -1) for axis in (sensors.z, sensors.x)]
    geometry = Geometry(
        set_up.EmitterPos[:, ::-1],
        np.stack(places, axis=-1),
        float(set_up.k),
        SIDE_LENGTH / NUM_PIXELS,
        (NUM_PIXELS, NUM_PIXELS),
    )
    incident = content["uin"].T
    gain, deviation = _gain(geometry, incident)
    field = (content["uM"].GT.T - incident) / gain
    noise = _rms(field) * np.hypot(reciprocity_error(geometry, field), deviation)
    truth = _on_grid(content["n"] ** 2 - 1)
    return ScatteringData((geometry,), field[None], (noise,), CONTRAST_SCALE, truth=truth)


def read_cylinder(path: str | Path) -> ScatteringData:
    """One dielectric cylinder at 1 to 8 GHz (2001 database), from vectorized_LSM's .npz.

    That file has no incident field, so that the gain of each frequency stays unknown.

    Parameters
    ----------
    path : str or Path
        ``dielTM_dec8f.npz``.

    Returns
    -------
    ScatteringData

    References
    ----------
    Belkebir and Saillard, Inverse Problems 17, 1565 (2001).
    """
    with np.load(path) as content:
        fields, wavenumbers = content["A"].swapaxes(1, 2), content["kappa"]
    _, transmitters, receivers = fields.shape
    geometries = tuple(
        Geometry(
            _circle(transmitters, 0.72),
            _circle(receivers, 0.76),
            k,
            SIDE_LENGTH / NUM_PIXELS,
            (NUM_PIXELS, NUM_PIXELS),
            field != 0,
        )
        for k, field in zip(wavenumbers.tolist(), fields, strict=True)
    )
    noise = tuple(
        _rms(field[field != 0]) * reciprocity_error(geometry, field)
        for geometry, field in zip(geometries, fields, strict=True)
    )
    return ScatteringData(geometries, fields, noise, CONTRAST_SCALE, calibrated=False)


def reciprocity_error(geometry: Geometry, field: NDArray[np.complex128]) -> float:
    """Noise of a datum over the data's size, from pairs of data that reciprocity makes equal.

    Parameters
    ----------
    geometry : Geometry
        Transmitters and receivers on two circles of nearly one radius.
    field : array
        Scattered field, (transmitters, receivers); 0 where not measured.

    Returns
    -------
    float
        Root mean square of half the differences of pairs, over that of the data in them.

    Raises
    ------
    ValueError
        If no transmitter and receiver change places.
    """
    transmitters = _angle(geometry.transmitter_positions)
    receivers = _angle(geometry.receiver_positions)
    receivers = np.broadcast_to(receivers, field.shape)
    pairs = []
    for t, s in zip(*np.triu_indices(len(transmitters), 1), strict=True):
        there = np.abs(_wrap(receivers[t] - transmitters[s]))
        back = np.abs(_wrap(receivers[s] - transmitters[t]))
        if max(there.min(), back.min()) < _SAME_PLACE:
            pairs.append((field[t, there.argmin()], field[s, back.argmin()]))
    measured = np.array([pair for pair in pairs if 0 not in pair])
    if len(measured) == 0:
        raise ValueError("reciprocity: no transmitter and receiver change places")
    difference = measured[:, 0] - measured[:, 1]
    return float(_rms(difference) / np.sqrt(2) / _rms(measured))


def _gain(geometry: Geometry, incident: NDArray[np.complex128]) -> tuple[complex, float]:
    """Measured over computed incident field in the beam, and how far that is from constant."""
    transmitters = geometry.transmitter_positions[:, None]
    distance = np.linalg.norm(geometry.receiver_positions - transmitters, axis=-1)
    computed = hankel(geometry.wavenumber * distance)
    axis = _angle(-geometry.transmitter_positions)[:, None]
    beam = np.abs(_wrap(_angle(geometry.receiver_positions) - axis)) < _BEAM
    computed, incident = computed[beam], incident[beam]
    gain = np.vdot(computed, incident) / np.vdot(computed, computed)
    return complex(gain), float(_rms(incident - gain * computed) / _rms(incident))


def _on_grid(contrast: NDArray[np.float64]) -> NDArray[np.float32]:
    """A fine image averaged over the pixels, whose centres are on the grid's own."""
    fine = contrast.shape[0] // NUM_PIXELS
    # A pixel is at a multiple of its size, not half of one further on.
    moved = np.roll(contrast, (fine // 2, fine // 2), (0, 1))
    blocks = moved.reshape(NUM_PIXELS, fine, NUM_PIXELS, fine)
    return blocks.mean((1, 3)).astype(np.float32)


def _circle(count: int, radius: float) -> NDArray[np.float64]:
    angle = 2 * np.pi * np.arange(count) / count
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _angle(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.arctan2(positions[..., 1], positions[..., 0])


def _wrap(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.mean(np.abs(values) ** 2)))

"""Small UVFITS files of a round Gaussian source, with whatever a test wants wrong with them."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIGHT = 299792458.0
UAS = np.pi / 180 / 3600 * 1e-6
TRIANGLE = {"A": (0, 0, 0), "B": (1e6, 2e6, 0), "C": (-2e6, 1.5e6, 1e6)}
ARRAY = {**TRIANGLE, "D": (3e6, -1e6, 2e6), "DX": (3e6 + 100, -1e6, 2e6)}
"""Metres: four sites, two stations on the last."""


def write_uvfits(
    path: Path,
    stations: dict[str, tuple[float, float, float]] | None = None,
    *,
    source: str = "TEST",
    frequency: float = 230e9,
    fwhm_uas: float = 40.0,
    flux: float = 1.0,
    extended: float = 0.5,
    stokes: tuple[int, ...] = (-1, -2),
    sub_bands: int = 1,
    channels: int = 1,
    day: int = 57854,
    edit: Callable[[NDArray, NDArray], None] | None = None,
    parameters: dict[str, NDArray] | None = None,
    header: dict[str, object] | None = None,
    seed: int = 0,
) -> Path:
    """Write three scans of four integrations of 10 s.

    `edit` changes the cells (rows, sub-bands, channels, Stokes, 3: real, imaginary, weight) and
    the rows' baseline codes in place; `parameters` adds group parameters.
    """
    from astropy.io import fits

    stations = ARRAY if stations is None else stations
    positions = np.array(list(stations.values()))
    seconds = (600 * np.arange(3)[:, None] + 10 * np.arange(4)).ravel()
    pairs = np.array(list(combinations(range(len(stations)), 2)) or [(0, 0)])
    time, pair = (a.ravel() for a in np.meshgrid(seconds, np.arange(len(pairs)), indexing="ij"))
    a, b = pairs[pair].T
    angle = 2 * np.pi * time / 86164
    dx, dy, dz = (positions[a] - positions[b]).T
    u = np.sin(angle) * dx + np.cos(angle) * dy
    v = np.sin(0.2) * (np.sin(angle) * dy - np.cos(angle) * dx) + np.cos(0.2) * dz
    delay = np.stack([u, v], 1) / LIGHT
    length = np.hypot(*delay.T) * frequency
    amplitude = flux * np.exp(-((np.pi * fwhm_uas * UAS * length) ** 2) / 4 / np.log(2))
    amplitude += extended * (length < 0.1e9)

    rng = np.random.default_rng(seed)
    cells = np.zeros((len(time), sub_bands, channels, len(stokes), 3))
    noise = 1e-3 * rng.standard_normal((*cells.shape[:-1], 2))
    cells[..., 0] = amplitude[:, None, None, None] + noise[..., 0]
    cells[..., 1] = noise[..., 1]
    cells[..., 2] = 1e6
    code = (256 * (a + 1) + b + 1).astype(float)
    if edit:
        edit(cells, code)

    columns = {
        "UU---SIN": delay[:, 0],
        "VV---SIN": delay[:, 1],
        "WW---SIN": 0 * code,
        "BASELINE": code,
        "DATE": np.full(len(time), day + 2400000.5),
        "_DATE": time / 86400,
        **(parameters or {}),
    }
    data = fits.GroupData(
        cells[:, None, None].astype(np.float32),
        bitpix=-32,
        parnames=["DATE" if name == "_DATE" else name for name in columns],
        pardata=list(columns.values()),
    )
    groups = fits.GroupsHDU(data)
    axes = ("COMPLEX", "STOKES", "FREQ", "IF", "RA", "DEC")
    values = (1, stokes[0], frequency, 1, 187.7, 12.4)
    steps = (1, np.diff([*stokes, 2 * stokes[-1] - stokes[0]])[0] or -1, 1e6, 1, 1, 1)
    for n, (name, value, step) in enumerate(zip(axes, values, steps, strict=True), 2):
        cards = {"CTYPE": name, "CRVAL": value, "CDELT": step, "CRPIX": 1.0}
        groups.header.update({f"{key}{n}": card for key, card in cards.items()})
    groups.header["OBJECT"] = source
    groups.header.update(header or {})
    antennas = fits.BinTableHDU.from_columns(
        [
            fits.Column("ANNAME", "8A", array=list(stations)),
            fits.Column("NOSTA", "1J", array=1 + np.arange(len(stations))),
        ],
        name="AIPS AN",
    )
    offsets = 1e9 * np.arange(sub_bands)
    bands = fits.BinTableHDU.from_columns(
        [fits.Column("IF FREQ", f"{sub_bands}D", array=offsets[None])], name="AIPS FQ"
    )
    fits.HDUList([groups, antennas, bands]).writeto(path)
    return path

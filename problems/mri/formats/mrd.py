"""ISMRMRD raw data: Cartesian acquisitions, sorted into the encoded matrix.

Inati et al., Magn. Reson. Med. 77, 411 (2017). The file is HDF5, so h5py alone reads it. Each
line and each echo is placed by its own centre: what a half scan or an asymmetric echo left out
is zero. Averages are averaged; contrasts, phases, repetitions and sets are images of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lmaps_science.problems.mri.espirit import calibration_region, espirit
from lmaps_science.problems.mri.formats.hdf5 import opened
from lmaps_science.problems.mri.formats.header import Header, parse_header
from lmaps_science.problems.mri.formats.scan import (
    Scan,
    cropped_field_of_view,
    hybrid,
)
from lmaps_science.problems.mri.masks import calibration_shape, sampled

# Numbers of the flags, from 1 on, as the standard has them.
_NOISE, _CALIBRATION, _REVERSED = 19, 20, 22
_NOT_IMAGES = (19, 20, 23, 24, 26, 27, 28, 29, 30, 31)
_IMAGES = ("contrast", "phase", "repetition", "set")


@dataclass(frozen=True)
class _Acquisitions:
    """Where lines are in the file, and where in k-space."""

    path: Path
    header: Header
    heads: NDArray
    three_dimensional: bool

    def lines(self, rows: NDArray[np.intp]) -> NDArray[np.complex64]:
        """K-space (coils, z, y, x) of acquisitions, averaged where there are several of a line.

        z has one position unless the scan is three-dimensional.
        """
        nx, ny, nz = self.header.matrix
        heads = self.heads[rows]
        coils = int(heads["active_channels"].max())
        kspace = np.zeros((nz if self.three_dimensional else 1, ny, coils, nx), np.complex64)
        counts = np.zeros(kspace.shape[:2], dtype=int)
        for head, line in zip(heads, self._samples(rows), strict=True):
            y = self._line(head)
            z = int(head["idx"]["kspace_encode_step_2"]) if self.three_dimensional else 0
            kspace[z, y] += self._echo(head, line, coils, nx)
            counts[z, y] += 1
        return (kspace / np.maximum(counts, 1)[..., None, None]).transpose(2, 0, 1, 3)

    def noise(self) -> NDArray[np.complex64] | None:
        """Samples of the noise scan, (coils, samples)."""
        rows = np.flatnonzero(_flagged(self.heads, _NOISE))
        if not len(rows):
            return None
        parts = [
            line.reshape(int(head["active_channels"]), -1)
            for head, line in zip(self.heads[rows], self._samples(rows), strict=True)
        ]
        return np.concatenate(parts, 1)

    def _samples(self, rows: NDArray[np.intp]) -> list[NDArray[np.complex64]]:
        with opened(self.path) as file:
            data = file["dataset/data"]
            return [np.asarray(data[int(i)]["data"], np.float32).view(np.complex64) for i in rows]

    def _line(self, head: np.void) -> int:
        ny, centre = self.header.matrix[1], self.header.centre_line
        index = int(head["idx"]["kspace_encode_step_1"])
        y = index + ny // 2 - (ny // 2 if centre is None else centre)
        if not 0 <= y < ny:
            raise ValueError(
                f"expected lines within the encoded matrix of {ny}, got line {index} with the "
                f"centre at line {centre}"
            )
        return y

    @staticmethod
    def _echo(head: np.void, line: NDArray, coils: int, size: int) -> NDArray[np.complex64]:
        """One read-out, (coils, x), its centre in the middle."""
        count, centre = int(head["number_of_samples"]), int(head["center_sample"])
        if len(line) != coils * count:
            raise ValueError(
                f"expected {coils} coils of {count} samples in a read-out, got {len(line)} numbers"
            )
        echo = line.reshape(coils, count)
        if _flagged(head, _REVERSED):
            echo, centre = echo[:, ::-1], count - 1 - centre
        start = size // 2 - (centre or count // 2)
        used = np.arange(count)[int(head["discard_pre"]) : count - int(head["discard_post"])]
        used = used[(used + start >= 0) & (used + start < size)]
        placed = np.zeros((coils, size), np.complex64)
        placed[:, used + start] = echo[:, used]
        return placed


def read_ismrmrd(path: Path) -> Scan:
    """Read a Cartesian scan; a three-dimensional one is cut along its read-out.

    Lines flagged as a separate parallel calibration give the sensitivity maps.
    """
    with opened(path) as file:
        xml = file["dataset/xml"][0]
        heads = file["dataset/data"].fields("head")[:]
    header = parse_header(xml)
    if header.trajectory != "cartesian":
        raise ValueError(
            f"expected a Cartesian trajectory, got {header.trajectory}: grid the data first"
        )
    images = np.flatnonzero(~np.any([_flagged(heads, flag) for flag in _NOT_IMAGES], axis=0))
    if not len(images):
        raise ValueError(f"expected lines of images, got none in {len(heads)} acquisitions")
    index = heads["idx"]
    deep = len(np.unique(index["kspace_encode_step_2"][images])) > 1
    acquisitions = _Acquisitions(path, header, heads, deep)
    kinds = np.stack([index[name] for name in _IMAGES], 1)
    contrasts = np.unique(kinds[images], axis=0)
    slices = _in_space(heads[images])
    if deep and len(slices) > 1:
        raise ValueError(f"expected one slab of a three-dimensional scan, got {len(slices)}")
    readout = header.cropped[0]

    @lru_cache(maxsize=1)
    def volume(contrast: int) -> NDArray:
        rows = images[(kinds[images] == contrasts[contrast]).all(1)]
        return hybrid(cropped_field_of_view(acquisitions.lines(rows), readout, -1))

    def read(number: int, contrast: int) -> NDArray:
        if deep:
            return volume(contrast)[number]
        wanted = (kinds == contrasts[contrast]).all(1) & (index["slice"] == slices[number])
        rows = images[wanted[images]]
        if not len(rows):
            raise ValueError(f"expected lines of contrast {contrast}, got none")
        return cropped_field_of_view(acquisitions.lines(rows)[:, 0], readout, -1)

    calibrated = _flagged(heads, _CALIBRATION).any() and not deep
    return Scan(
        path,
        "ISMRMRD",
        num_slices=readout if deep else len(slices),
        contrasts=tuple(_name(kinds[images], contrast) for contrast in contrasts),
        read=read,
        read_maps=_calibration(acquisitions, slices, readout) if calibrated else None,
        noise=acquisitions.noise(),
        image_shape=None if deep else (header.cropped[1], readout),
        affine=None if deep else _affine(header, heads[images], slices),
        phase_axis="x" if deep else "y",
    )


def _calibration(
    acquisitions: _Acquisitions, slices: NDArray, readout: int
) -> Callable[[int], NDArray]:
    """Sensitivity maps of a slice from the lines of a separate calibration."""

    def read(number: int) -> NDArray:
        heads = acquisitions.heads
        wanted = _flagged(heads, _CALIBRATION) & (heads["idx"]["slice"] == slices[number])
        kspace = acquisitions.lines(np.flatnonzero(wanted))[:, 0]
        kspace = cropped_field_of_view(kspace, readout, -1)
        height, width = calibration_shape(sampled(kspace))
        region = calibration_region(torch.from_numpy(kspace), height, width)
        return espirit(region, (kspace.shape[1], kspace.shape[2])).numpy()

    return read


def _flagged(heads: NDArray | np.void, flag: int) -> NDArray[np.bool_]:
    return (heads["flags"] & np.uint64(1 << (flag - 1))) != 0


def _name(kinds: NDArray, kind: NDArray) -> str:
    """What tells an image from the others: ``"contrast 0, set 1"``."""
    varies = (kinds != kinds[0]).any(0)
    return ", ".join(
        f"{name} {value}" for name, value, told in zip(_IMAGES, kind, varies, strict=True) if told
    )


def _in_space(heads: NDArray) -> NDArray:
    """Numbers of the slices as they follow each other in space; interleaved ones are sorted."""
    slices, first = np.unique(heads["idx"]["slice"], return_index=True)
    places = heads["position"][first].astype(float) @ heads["slice_dir"][first[0]].astype(float)
    steps = np.diff(places)
    in_order = (steps >= 0).all() or (steps <= 0).all()
    return slices if in_order else slices[np.argsort(places, kind="stable")]


def _affine(header: Header, heads: NDArray, slices: NDArray) -> NDArray[np.float64] | None:
    """From (x, y, slice) to millimetre right, anterior, superior.

    Voxel sizes alone where directions or distances of the slices are not regular.
    """
    numbers, rows = np.unique(heads["idx"]["slice"], return_index=True)
    first = rows[np.searchsorted(numbers, slices)]
    directions = [heads[first[0]][name] for name in ("read_dir", "phase_dir", "slice_dir")]
    axes = np.array(directions, dtype=float).T
    positions = heads["position"][first].astype(float)
    steps = np.diff(positions, axis=0)
    regular = np.allclose(axes.T @ axes, np.eye(3), atol=1e-3)
    if not regular or not np.allclose(steps, steps[:1], atol=1e-3):
        return np.diag([*header.voxel_size, 1.0])
    step = header.voxel_size[2] * axes[:, 2]
    if len(steps) and steps[0].any():
        step = steps[0]
    columns = np.column_stack([axes[:, :2] * header.voxel_size[:2], step])
    nx, ny = header.cropped
    affine = np.eye(4)
    affine[:3, :3] = columns
    affine[:3, 3] = positions[0] - columns[:, 0] * (nx // 2) - columns[:, 1] * (ny // 2)
    return np.diag([-1.0, -1, 1, 1]) @ affine

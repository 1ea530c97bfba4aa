"""Factors of the Born operator: fields on the pixels, compressed."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.problems.scattering.geometry import Geometry

_TILE = 32
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Fields:
    """The factors of H, with pixels grouped in tiles.

    Seen from a tile, few receivers are independent; seen from the whole grid, more. So the
    Green's function is factored twice, tile by tile and then across tiles, which halves the
    work of one matrix product with all receivers.

    Parameters
    ----------
    incident : Tensor
        Incident fields, (tiles, transmitters, pixels).
    green : Tensor
        Green's function in each tile's own basis, (tiles, pixels, rank of a tile).
    mix : Tensor
        From the tiles' bases to the common one, (tiles * rank of a tile, rank).
    receive : Tensor
        From the common basis to receivers, (rank, R), orthonormal rows; (T, rank, R) where
        each transmitter has its own receivers.
    """

    incident: Tensor
    green: Tensor
    mix: Tensor
    receive: Tensor

    def to_receivers(self, waves: Tensor) -> Tensor:
        """From the common basis to receivers, (batch, T, rank) to (batch, T, R)."""
        if self.receive.ndim == 2:
            return waves @ self.receive
        return torch.einsum("btk,tkr->btr", waves, self.receive)

    def from_receivers(self, data: Tensor) -> Tensor:
        """Transpose of `to_receivers`, (batch, T, R) to (batch, T, rank)."""
        if self.receive.ndim == 2:
            return data @ self.receive.mT
        return torch.einsum("btr,tkr->btk", data, self.receive)

    def to(self, dtype: torch.dtype) -> "Fields":
        """The same factors in another dtype."""
        return Fields(*(getattr(self, name).to(dtype) for name in self.__dataclass_fields__))


class Tiling:
    """Images (batch, 1, y, x) as square tiles (tiles, batch, pixels), padded with zeros.

    Parameters
    ----------
    grid_shape : tuple of int
        (y, x) of the images.
    """

    def __init__(self, grid_shape: tuple[int, int]) -> None:
        self.grid_shape = grid_shape
        self.counts = [max(1, round(n / _TILE)) for n in grid_shape]
        self.sides = [
            math.ceil(n / count) for n, count in zip(grid_shape, self.counts, strict=True)
        ]
        self.padding = [
            count * side - n
            for count, side, n in zip(self.counts, self.sides, grid_shape, strict=True)
        ]

    def split(self, image: Tensor) -> Tensor:
        """Tiles of images."""
        image = torch.nn.functional.pad(image, (0, self.padding[1], 0, self.padding[0]))
        (rows, columns), (height, width) = self.counts, self.sides
        tiles = image.reshape(-1, rows, height, columns, width).permute(1, 3, 0, 2, 4)
        return tiles.reshape(rows * columns, -1, height * width)

    def join(self, tiles: Tensor) -> Tensor:
        """Images of tiles."""
        (rows, columns), (height, width) = self.counts, self.sides
        image = tiles.reshape(rows, columns, -1, height, width).permute(2, 0, 3, 1, 4)
        image = image.reshape(-1, 1, rows * height, columns * width)
        return image[..., : self.grid_shape[0], : self.grid_shape[1]]


def compress(
    geometry: Geometry, convention: str, tiling: Tiling, device: str | torch.device
) -> Fields:
    """Factors of H in double precision, truncated at 1e-6 of the largest singular value.

    Parameters
    ----------
    geometry : Geometry
        Sensors and grid.
    convention : str
        ``"inversebench"`` conjugates the incident fields; ``"physical"`` does not.
    tiling : Tiling
        Of the grid.
    device : str or torch.device
        Where to.

    Returns
    -------
    Fields
    """
    pixels = geometry.pixels()
    receivers, index = geometry.distinct_receivers()
    incident = _tiles(geometry.incident_field(pixels), tiling)
    if convention == "inversebench":
        incident = incident.conj().resolve_conj()
    green = torch.from_numpy(geometry.green_function(receivers, pixels) * geometry.pixel_size**2)

    values, vectors = torch.linalg.eigh(green @ green.mH)
    floor = _TOLERANCE**2 * values[-1]
    common = vectors[:, values > floor]
    receive = common.T if index is None else common[torch.from_numpy(index)].mT

    waves = _tiles((common.mH @ green).numpy(), tiling)
    values, vectors = torch.linalg.eigh(waves @ waves.mH)
    rank = int((values > floor).sum(1).max())
    local = vectors[:, :, -rank:]
    green = (local.mH @ waves).mT
    mix = local.mT.flatten(0, 1)
    return Fields(*(factor.contiguous().to(device) for factor in (incident, green, mix, receive)))


def _tiles(fields: NDArray[np.complex128], tiling: Tiling) -> Tensor:
    """Fields (count, y * x) as (tiles, count, pixels)."""
    return tiling.split(torch.from_numpy(fields).reshape(-1, 1, *tiling.grid_shape))

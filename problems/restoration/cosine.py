"""The orthonormal cosine transform of 8 × 8 blocks, as JPEG takes it."""

from functools import cache

import torch
from torch import Tensor

BLOCK = 8


def block_dct(x: Tensor) -> Tensor:
    """Coefficients of each block, in the place of its pixels.

    Parameters
    ----------
    x : Tensor
        (..., y, x); sides that are multiples of 8.

    Returns
    -------
    Tensor
        The same shape; the block's mean times 8 is in its upper left corner.
    """
    return _both_axes(x, _matrix(x.dtype, x.device))


def inverse_block_dct(coefficients: Tensor) -> Tensor:
    """The images of `block_dct`'s coefficients."""
    return _both_axes(coefficients, _matrix(coefficients.dtype, coefficients.device).T)


def _both_axes(x: Tensor, matrix: Tensor) -> Tensor:
    ny, nx = x.shape[-2:]
    if ny % BLOCK or nx % BLOCK:
        raise ValueError(f"expected sides that are multiples of {BLOCK}, got {ny}×{nx}")
    blocks = x.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)).movedim(-3, -2)
    return (matrix @ blocks @ matrix.T).movedim(-2, -3).flatten(-4, -3).flatten(-2)


@cache
def _matrix(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Rows are the cosines of rising frequency, (8, 8)."""
    k = torch.arange(BLOCK, dtype=torch.float64)
    rows = torch.cos(torch.pi / BLOCK * k[:, None] * (k + 0.5)) * (2 / BLOCK) ** 0.5
    rows[0] /= 2**0.5
    return rows.to(device, dtype)

"""What arrays of a slice have to be, and one clear line where they are not."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


def as_tensor(values: ArrayLike | Tensor) -> Tensor:
    """Values as a tensor, detached."""
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def checked_maps(maps: Tensor) -> Tensor:
    """Finite complex sensitivity maps (coils, y, x) that are not all zero."""
    if maps.ndim != 3 or not maps.is_complex():
        raise ValueError(
            f"sensitivity maps: expected complex (coils, y, x), got {maps.dtype} of shape "
            f"{tuple(maps.shape)}"
        )
    if maps.dtype != torch.complex128:
        maps = maps.to(torch.complex64)
    if not torch.isfinite(maps).all():
        raise ValueError("sensitivity maps: expected finite numbers, got NaN or infinity")
    if not maps.any():
        raise ValueError("sensitivity maps: expected a sensitive coil, got zeros everywhere")
    return maps


def checked_mask(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The mask on the grid (y, x), bool; it samples something."""
    mask = _on_grid("mask", mask, shape)
    if mask.is_complex() or not ((mask == 0) | (mask == 1)).all():
        raise ValueError(
            "mask: expected true or 1 where k-space is sampled and 0 elsewhere, got other "
            "values: give the precision of samples as `weights`"
        )
    if not mask.any():
        raise ValueError("mask: expected at least one sample of k-space, got none")
    return mask.bool()


def checked_weights(weights: Tensor, mask: Tensor) -> Tensor:
    """Weights on the grid of the mask, (y, x), float64; 1 where not sampled."""
    weights = _on_grid("weights", weights, tuple(mask.shape))
    if weights.is_complex() or not ((weights > 0) & torch.isfinite(weights) | ~mask).all():
        raise ValueError(
            "weights: expected positive finite numbers where k-space is sampled: leave out lines "
            "of no weight with the mask"
        )
    return torch.where(mask, weights.double(), 1)


def _on_grid(name: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Values on the grid of the maps, (y, x)."""
    grid = values.cpu()
    while grid.ndim > 2 and grid.shape[0] == 1:
        grid = grid[0]
    try:
        return grid.broadcast_to(shape)
    except RuntimeError as error:
        raise ValueError(
            f"{name}: expected shape (y, x) = {shape} as maps and k-space, or (1, x) or (y, 1), "
            f"got {tuple(values.shape)}"
        ) from error


def checked_kspace(kspace: ArrayLike | Tensor) -> Tensor:
    """K-space of a slice, (coils, y, x), complex64, with a signal in each coil."""
    data = as_tensor(kspace)
    if data.ndim != 3 or not data.is_complex():
        raise ValueError(
            f"k-space: expected complex numbers of shape (coils, y, x), got {data.dtype} of shape "
            f"{tuple(data.shape)}"
        )
    bad = int((~torch.isfinite(data)).sum())
    if bad:
        raise ValueError(
            f"k-space: expected finite numbers, got {bad} NaN or infinite of {data.numel()}: set "
            "what was not measured to zero"
        )
    data = data.to(torch.complex64)
    silent = int((~data.flatten(1).any(1)).sum())
    if silent == len(data):
        raise ValueError("k-space: expected a signal, got zeros everywhere")
    if silent:
        raise ValueError(
            f"k-space: expected a signal in each coil, got {silent} of {len(data)} coils with "
            "zeros alone: leave them out"
        )
    return data


def kept_by(mask: ArrayLike | Tensor, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask on the grid (y, x) of k-space; neither nothing nor everything."""
    kept = checked_mask(as_tensor(mask).cpu(), shape)
    if kept.all():
        raise ValueError("mask: expected to leave something out, got a mask that keeps everything")
    return kept.numpy()


def given_maps(maps: ArrayLike | Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sensitivity maps of the shape of k-space, (coils, y, x)."""
    values = checked_maps(as_tensor(maps))
    if tuple(values.shape) != shape:
        raise ValueError(
            f"sensitivity maps: expected shape (coils, y, x) = {shape} as k-space, got "
            f"{tuple(values.shape)}"
        )
    return values

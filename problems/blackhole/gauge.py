"""Where closure quantities leave an image free: its position and its scale."""

import torch
from torch import Tensor

_FACTORS = (0.7, 3.0)
"""How far the scale moves at once."""
_DARK = 1e-3


def centred(brightness: Tensor) -> Tensor:
    """Images (batch, 1, y, x) rolled by whole pixels so that their centroid is in the middle."""
    rows, columns = (torch.arange(n, device=brightness.device) for n in brightness.shape[2:])
    flux = brightness.sum((1, 2, 3)).clamp(min=1e-12)
    down = (brightness.sum((1, 3)) @ rows.to(brightness)) / flux
    right = (brightness.sum((1, 2)) @ columns.to(brightness)) / flux
    shift_y = (rows.float().mean() - down).round().long()
    shift_x = (columns.float().mean() - right).round().long()
    at_y = (rows - shift_y[:, None]) % len(rows)
    at_x = (columns - shift_x[:, None]) % len(columns)
    batch = torch.arange(len(brightness), device=brightness.device)[:, None, None]
    return brightness[batch, 0, at_y[:, :, None], at_x[:, None, :]][:, None]


def towards_peak(brightness: Tensor, peak: float) -> Tensor:
    """Images (batch, 1, y, x) scaled so that their brightest pixel is nearer to `peak`."""
    largest = brightness.amax((1, 2, 3), keepdim=True).clamp(min=_DARK)
    return brightness * (peak / largest).clamp(*_FACTORS)

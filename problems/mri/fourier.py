"""The centred orthonormal Fourier transform of images, and what surrounds a centre."""

from collections.abc import Sequence

import torch
from torch import Tensor

_PLANE = (-2, -1)


def to_kspace(image: Tensor, dim: Sequence[int] = _PLANE) -> Tensor:
    """Centred orthonormal Fourier transform along `dim`; the centre is at index n // 2."""
    shifted = torch.fft.ifftshift(image, dim)
    return torch.fft.fftshift(torch.fft.fftn(shifted, dim=tuple(dim), norm="ortho"), dim)


def to_image(kspace: Tensor, dim: Sequence[int] = _PLANE) -> Tensor:
    """Inverse of `to_kspace`."""
    shifted = torch.fft.ifftshift(kspace, dim)
    return torch.fft.fftshift(torch.fft.ifftn(shifted, dim=tuple(dim), norm="ortho"), dim)


def centre(size: int, width: int) -> slice:
    """The `width` indices around n // 2 of an axis of `size`.

    Raises
    ------
    ValueError
        If the axis is shorter.
    """
    if not 0 < width <= size:
        raise ValueError(f"expected 1 to {size} samples around the centre, got {width}")
    start = size // 2 - width // 2
    return slice(start, start + width)


def resized(array: Tensor, size: int, dim: int) -> Tensor:
    """`array` cropped or zero-padded along `dim`, its centre n // 2 kept the centre."""
    before = size // 2 - array.shape[dim] // 2
    if array.shape[dim] >= size:
        return array.narrow(dim, -before, size)
    shape = list(array.shape)
    shape[dim] = size
    padded = array.new_zeros(shape)
    padded.narrow(dim, before, array.shape[dim]).copy_(array)
    return padded

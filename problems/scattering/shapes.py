"""Random objects of a few homogeneous materials: discs, rectangles, rings, U-shapes."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

LARGEST = 4
"""Objects in an image at most."""
_MATERIALS = 3
_FAINTEST = 0.06


def draw(count: int, image_size: int = 64, seed: int = 0) -> Tensor:
    """Images of one to four objects of at most three materials, apart, overlapping and nested.

    An object lies over those before it. Its permittivity contrast is log-uniform over the range
    that the image can show, so that the prior suits a wide range of a file's contrast scale.

    Parameters
    ----------
    count : int
        How many.
    image_size : int
        Pixels along each side.
    seed : int
        Of everything random.

    Returns
    -------
    Tensor
        (count, 1, y, x), -1 where there is nothing, 1 for the largest contrast.
    """
    random = torch.Generator().manual_seed(seed)
    axis = (torch.arange(image_size) + 0.5) / image_size - 0.5
    palette = _FAINTEST ** torch.rand(count, _MATERIALS, generator=random)
    number = torch.randint(1, LARGEST + 1, (count,), generator=random)
    contrast = torch.zeros(count, image_size, image_size)
    centre, size = torch.zeros(count, 2), torch.zeros(count)
    for index in range(LARGEST):
        centre, size = _place(index, centre, size, random)
        angle = 2 * math.pi * torch.rand(count, generator=random)
        distance = _distance(axis, centre, size, angle, random)
        # The share of a pixel that a straight edge at this distance leaves inside.
        cover = (0.5 - distance * image_size).clamp(0, 1) * (index < number)[:, None, None]
        material = torch.randint(0, _MATERIALS, (count, 1), generator=random)
        value = palette.gather(1, material)[:, :, None]
        contrast += cover * (value - contrast)
    return 2 * contrast[:, None] - 1


def _place(index: int, centre: Tensor, size: Tensor, random: Generator) -> tuple[Tensor, Tensor]:
    """Centres (count, 2) and half sizes, of the field's width; half of the later ones nested."""
    count = len(centre)
    smallest, largest = (0.1, 0.34) if index == 0 else (0.04, 0.2)
    free = _uniform(count, smallest, largest, random)
    inside = size * _uniform(count, 0.25, 0.7, random)
    nested = (torch.rand(count, generator=random) < 0.4) & (index > 0)
    drawn = torch.where(nested, inside, free)
    offset = 2 * torch.rand(count, 2, generator=random) - 1
    near = centre + offset * (size - inside)[:, None] * 0.7
    anywhere = offset * (0.46 - free)[:, None]
    return torch.where(nested[:, None], near, anywhere), drawn


def _distance(
    axis: Tensor, centre: Tensor, size: Tensor, angle: Tensor, random: Generator
) -> Tensor:
    """Signed distance from the edge, negative inside, (count, y, x), of one random kind each."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    dx = axis[None, None, :] - centre[:, 0, None, None]
    dy = axis[None, :, None] - centre[:, 1, None, None]
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    kind = torch.randint(0, len(KINDS), (len(size),), generator=random)
    share = torch.rand(len(size), generator=random)
    distance = torch.empty_like(along)
    for index, shape in enumerate(KINDS):
        own = kind == index
        distance[own] = shape(
            along[own], across[own], size[own, None, None], share[own, None, None]
        )
    return distance


def disc(x: Tensor, y: Tensor, size: Tensor, _share: Tensor) -> Tensor:
    """Signed distance from a disc of radius `size`."""
    return torch.hypot(x, y) - size


def rectangle(x: Tensor, y: Tensor, size: Tensor, share: Tensor) -> Tensor:
    """Signed distance from a rectangle of half length `size`, its aspect ratio from `share`."""
    return _box(x, y, size, size * (0.3 + 0.7 * share))


def ring(x: Tensor, y: Tensor, size: Tensor, share: Tensor) -> Tensor:
    """Signed distance from a ring of outer radius `size`, its thickness from `share`."""
    half = size * (0.1 + 0.2 * share)
    return (torch.hypot(x, y) - size + half).abs() - half


def u_shape(x: Tensor, y: Tensor, size: Tensor, share: Tensor) -> Tensor:
    """Signed distance from three sides of a square, their thickness from `share`."""
    half = size * (0.12 + 0.15 * share)
    bottom = _box(x, y - size + half, size, half)
    left, right = (_box(x - s * (size - half), y, half, size) for s in (-1, 1))
    return torch.minimum(bottom, torch.minimum(left, right))


KINDS: tuple[Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], ...] = (
    disc,
    rectangle,
    ring,
    u_shape,
)


def _box(x: Tensor, y: Tensor, half_x: Tensor, half_y: Tensor) -> Tensor:
    dx, dy = x.abs() - half_x, y.abs() - half_y
    outside = torch.hypot(dx.clamp(min=0), dy.clamp(min=0))
    return outside + torch.maximum(dx, dy).clamp(max=0)


def _uniform(count: int, low: float, high: float, random: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=random)

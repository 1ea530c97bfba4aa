"""Conjugate gradients for a batch of symmetric positive definite systems."""

from collections.abc import Callable

import torch
from torch import Tensor

from lmaps_science.operator import per_item


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], rhs: Tensor, tolerance: float, max_iterations: int
) -> tuple[Tensor, int, float]:
    """Solve A x = rhs for each item of a batch, from x = 0.

    Parameters
    ----------
    product : callable
        A of a batch of the shape of `rhs`; items do not mix.
    rhs : Tensor
        (batch, ...).
    tolerance : float
        Of the residual, relative to that of x = 0; an item that meets it is left as it is.
    max_iterations : int
        Products at most.

    Returns
    -------
    x : Tensor
        The shape of `rhs`.
    iterations : int
        Products taken.
    residual : float
        Largest relative residual, above `tolerance` where the iterations did not suffice.
    """
    x, residual, direction = torch.zeros_like(rhs), rhs, rhs
    energy = initial = per_item(rhs**2)
    iterations = 0
    while iterations < max_iterations:
        active = energy > tolerance**2 * initial
        if not active.any():
            break
        image = product(direction)
        step = _ratio(energy, per_item(direction * image), active)
        x = x + _expand(step, x) * direction
        residual = residual - _expand(step, x) * image
        previous, energy = energy, per_item(residual**2)
        direction = residual + _expand(_ratio(energy, previous, active), x) * direction
        iterations += 1
    everywhere = initial > 0
    worst = _ratio(energy, initial, everywhere).max().sqrt()
    return x, iterations, float(worst)


def _expand(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _ratio(a: Tensor, b: Tensor, where: Tensor) -> Tensor:
    """a / b of the items `where`, 0 of the others."""
    return torch.where(where, a / torch.where(where, b, torch.ones_like(b)), torch.zeros_like(a))

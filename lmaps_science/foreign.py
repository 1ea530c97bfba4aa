"""Arrays and linear operators of other libraries as tensors and functions of them.

Linear operators are told apart by what they offer: scipy and pylops by `rmatvec` (vectors),
deepinv by `A_adjoint` (batches of tensors), sigpy by `oshape` and `H` (arrays), ours by `adjoint`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Batched = Callable[[Tensor], Any]


def forward_and_adjoint(operator: Any) -> tuple[Batched, Batched] | None:  # noqa: ANN401
    """Data of images and images of data; None for what is no linear operator."""
    # scipy and pylops come first: their `adjoint` takes no data but returns an operator.
    if hasattr(operator, "rmatvec"):
        return per_item(operator.matvec, (-1,)), per_item(operator.rmatvec, (-1,))
    if hasattr(operator, "A_adjoint"):
        return operator.A, operator.A_adjoint
    if hasattr(operator, "oshape") and hasattr(operator, "H"):
        return per_item(operator, operator.ishape), per_item(operator.H, operator.oshape)
    if hasattr(operator, "adjoint"):
        return getattr(operator, "forward", operator), operator.adjoint
    return None


def per_item(function: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> Batched:
    """A function of one array of a shape as a function of a batch."""

    def batched(values: Tensor) -> np.ndarray:
        return np.stack([function(item.reshape(shape)) for item in values.cpu().numpy()])

    return batched


def as_tensor(value: Any, name: str) -> Tensor:  # noqa: ANN401
    """Copy `value`, so that a simulator may reuse its buffers."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{name}: expected a tensor or array, got {type(value).__name__}")
    wide = np.complex128 if array.dtype.kind == "c" else np.float64
    return torch.from_numpy(np.array(array, dtype=wide, order="C"))


def cast(value: Tensor, like: Tensor, as_complex: bool) -> Tensor:
    """`value` on the device and in the precision of `like`, real or complex as asked."""
    if value.is_complex() and not as_complex:
        value = value.real
    return value.to(like.device, like.dtype.to_complex() if as_complex else like.dtype.to_real())

"""Gradients through forward operators that autograd cannot see.

The true operator H may be any callable: quantised, outside torch, a simulator. Going
forward, H itself runs; going backward, the vector-Jacobian product of a surrogate H' does,
so the gradient of |y - H(x)|^2 becomes 2 J'^T (H(x) - y) (Zhang et al. 2025, section 4).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lmaps_science.foreign import as_tensor, cast, forward_and_adjoint

Pullback = Callable[[Tensor, Tensor], Tensor]
"""(x, cotangent of the data) to cotangent of x."""


class ProxyGradient:
    """A forward operator whose gradient is that of a surrogate.

    Parameters
    ----------
    forward : callable
        H: images (batch, ...) to data (batch, ...), a tensor or an array of any numeric
        type. It is handed a detached copy of x.
    surrogate : callable or linear operator, optional
        H': a differentiable torch callable with the output shape of `forward`; or a linear
        operator with its adjoint: ours (`adjoint`), deepinv's (`A_adjoint`), scipy's or
        pylops's (`rmatvec`, on the flattened data of one image), sigpy's (`H`). The
        identity by default.
    numpy : bool
        Hand `forward` an array instead of a tensor.

    Raises
    ------
    TypeError
        If `forward`, or `surrogate`, is not of these kinds.

    Examples
    --------
    >>> import torch
    >>> quantise = ProxyGradient(lambda x: (x * 4).round() / 4)
    >>> x = torch.tensor([[0.3, 0.9]], requires_grad=True)
    >>> quantise(x).sum().backward()
    >>> x.grad
    tensor([[1., 1.]])
    """

    def __init__(
        self,
        forward: Callable[[Any], Any],
        surrogate: Any = None,  # noqa: ANN401 - a callable or anybody's linear operator
        numpy: bool = False,
    ) -> None:
        if not callable(forward):
            raise TypeError(f"forward: expected a callable, got {type(forward).__name__}")
        self.forward = forward
        self.numpy = numpy
        self.name = getattr(forward, "__name__", type(forward).__name__)
        self.pullback = _pullback(surrogate)

    def __call__(self, x: Tensor) -> Tensor:
        """H(x), differentiable once.

        Parameters
        ----------
        x : Tensor
            Real or complex images, (batch, ...).

        Returns
        -------
        Tensor
            Data (batch, ...) on the device and in the precision of `x`; complex if those of
            `forward` are.

        Raises
        ------
        RuntimeError
            If `forward` fails.
        ValueError
            If it returns no numbers, no batch, NaN or infinity.
        """
        if not isinstance(x, Tensor) or not (x.is_floating_point() or x.is_complex()):
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"x: expected a real or complex floating-point tensor, got {kind}")
        result = _Proxy.apply(x, self._evaluate, self.pullback)
        assert isinstance(result, Tensor)  # noqa: S101 - for the type checker
        return result

    def _evaluate(self, x: Tensor) -> Tensor:
        x = x.detach()
        try:
            value = self.forward(x.cpu().numpy().copy() if self.numpy else x.clone())
        except Exception as error:
            raise RuntimeError(
                f"{self.name} failed on x of shape {tuple(x.shape)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        value = as_tensor(value, self.name)
        if value.ndim == 0 or len(value) != len(x):
            raise ValueError(
                f"{self.name}: expected data of shape ({len(x)}, ...) for x of shape "
                f"{tuple(x.shape)}, got {tuple(value.shape)}"
            )
        # Counting takes ten times as long as the sum, which is finite only if all numbers are.
        bad = 0 if value.sum().isfinite() else int((~value.isfinite()).sum())
        if bad:
            raise ValueError(f"{self.name} returned NaN or infinity in {bad} of {value.numel()}")
        return cast(value, x, value.is_complex())


class _Proxy(torch.autograd.Function):
    """Forward by one function, backward by another."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        evaluate: Callable[[Tensor], Tensor],
        pullback: Pullback,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.pullback = pullback
        return evaluate(x)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        gradient = ctx.pullback(x.detach(), cotangent.detach())
        return _Once.apply(gradient, x, cotangent), None, None


class _Once(torch.autograd.Function):
    """The gradient, which depends on x and the cotangent but refuses to say how."""

    @staticmethod
    def forward(_ctx: Any, gradient: Tensor, _x: Tensor, _cotangent: Tensor) -> Tensor:  # noqa: ANN401
        return gradient.clone()

    @staticmethod
    def backward(_ctx: Any, *_cotangents: Tensor) -> Tensor:  # noqa: ANN401
        raise RuntimeError(
            "ProxyGradient has first derivatives only: a surrogate's gradient says nothing "
            "about the curvature of H; use a solver that needs no second derivatives"
        )


def _pullback(surrogate: Any) -> Pullback:  # noqa: ANN401
    """Return the vector-Jacobian product of the surrogate."""
    if surrogate is None:
        return _identity
    pair = forward_and_adjoint(surrogate)
    if pair is not None:
        _, adjoint = pair
        return lambda x, cotangent: _adjoint_product(adjoint, x, cotangent)
    if callable(surrogate):
        return lambda x, cotangent: _vector_jacobian(surrogate, x, cotangent)
    raise TypeError(
        "surrogate: expected a torch callable or a linear operator with an adjoint, "
        f"got {type(surrogate).__name__}"
    )


def _identity(x: Tensor, cotangent: Tensor) -> Tensor:
    if cotangent.shape != x.shape:
        raise ValueError(
            f"no surrogate means the identity, but H maps {tuple(x.shape)} to "
            f"{tuple(cotangent.shape)}: give ProxyGradient a surrogate with these shapes"
        )
    return cast(cotangent, x, x.is_complex())


def _adjoint_product(adjoint: Callable[[Tensor], Any], x: Tensor, cotangent: Tensor) -> Tensor:
    gradient = as_tensor(adjoint(cotangent), "adjoint of the surrogate")
    # Adjoints that work on vectors return them.
    if gradient.shape not in (x.shape, x.flatten(1).shape):
        raise ValueError(
            f"adjoint of the surrogate: expected the shape {tuple(x.shape)} of x, "
            f"got {tuple(gradient.shape)}"
        )
    return cast(gradient.reshape(x.shape), x, x.is_complex())


def _vector_jacobian(surrogate: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        value = surrogate(x)
        if not isinstance(value, Tensor) or not value.requires_grad:
            raise ValueError("surrogate: expected a torch function of x that autograd can follow")
        if value.shape != cotangent.shape:
            raise ValueError(
                f"surrogate: expected data of shape {tuple(cotangent.shape)} as from H, "
                f"got {tuple(value.shape)}"
            )
        (gradient,) = torch.autograd.grad(
            value, x, cast(cotangent, value, value.is_complex()), materialize_grads=True
        )
    return gradient

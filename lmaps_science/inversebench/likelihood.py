"""What an operator of InverseBench computes, found out by calling it.

The host's operators differ in what they take (one image or several), in their loss (a sum of
squares, half of it, or something else) and in where their gradient comes from. `examine` asks
the operator itself, so that operators nobody here has seen work too.
"""

import copy
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmaps_science.operator import Operator, per_item, randn

KNOWN_WEIGHTS = {"BlackHoleImaging": 0.25}
"""w of losses that are not a sum of squares of the data: -log p(y | x) = w loss + const."""

_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Traits:
    """How an operator behaves.

    Attributes
    ----------
    data_shape : tuple of int
        Shape of the data of one image.
    complex_data : bool
        Whether a datum is a complex number.
    batched : bool
        Whether it treats several images at once as it treats each.
    differentiable : bool
        Whether autograd passes through it; if not, it has a gradient of its own.
    quadratic : bool
        Whether its loss is quadratic, so that its gradient is affine.
    loss_scale : float or None
        Its loss over Σ|H(x) - y|²; None where the loss is something else.
    """

    data_shape: tuple[int, ...]
    complex_data: bool
    batched: bool
    differentiable: bool
    quadratic: bool
    loss_scale: float | None


class HostOperator(Operator):
    """An operator of InverseBench with its own forward, loss and gradient.

    Parameters
    ----------
    host : object
        InverseBench's operator.
    image_shape : tuple of int
        (channels, y, x) of the images.
    traits : Traits
        What `examine` found.
    problem : str
        Whose measured defaults apply.
    """

    def __init__(
        self,
        host: Any,  # noqa: ANN401
        image_shape: tuple[int, int, int],
        traits: Traits,
        problem: str = "generic",
    ) -> None:
        super().__init__(
            image_shape,
            float(host.sigma_noise),
            host.unnorm_shift,
            host.unnorm_scale,
            host.device,
        )
        self.host, self.traits = host, traits
        self.problem, self.quadratic = problem, traits.quadratic
        # InverseBench's MRI gives a complex datum as a pair of reals.
        self.pairs = type(host).__name__ == "MultiCoilMRI"
        self.complex_data = traits.complex_data or self.pairs

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data of one image."""
        return self.traits.data_shape

    @property
    def loss_weight(self) -> float:
        """The w of -log p(y | x) = w loss(x, y) + const."""
        kind = type(self.host).__name__
        if kind in KNOWN_WEIGHTS:
            return KNOWN_WEIGHTS[kind]
        if self.traits.loss_scale is None:
            raise ValueError(
                f"{kind}: its loss is not a multiple of |H(x) - y|^2, so its weight is unknown: "
                "give algorithm.method.k1 and k2"
            )
        return super().loss_weight / self.traits.loss_scale

    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data (batch, ...)."""
        return self._each(self.host.forward, x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The host's loss, (batch,)."""
        if self.traits.loss_scale is None:
            return self._each(lambda *pair: self.host.loss(*pair).reshape(-1), x, y)
        return self.traits.loss_scale * per_item((self.forward(x) - y).abs().square())

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient with respect to x."""
        if self.traits.differentiable:
            return super().loss_and_gradient(x, y)
        return gradient_by_host(self.host, x, y.split(1))

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus noise; half the variance in each real of a pair."""
        scale = self.sigma_noise / (2**0.5 if self.pairs else 1)
        return y + scale * randn(y, generator)

    def _each(self, function: Callable[..., Tensor], *batches: Tensor) -> Tensor:
        if self.traits.batched:
            return function(*batches)
        items = zip(*(batch.split(1) for batch in batches), strict=True)
        return torch.cat([function(*item) for item in items])


@torch.no_grad()
def examine(host: Any, image_shape: tuple[int, int, int]) -> Traits:  # noqa: ANN401
    """Call an operator of InverseBench on three smooth images to learn how it behaves.

    Parameters
    ----------
    host : object
        InverseBench's operator.
    image_shape : tuple of int
        (channels, y, x) of the network's images.

    Returns
    -------
    Traits

    Raises
    ------
    ValueError
        If the operator does not take such images, or offers no gradient.
    """
    kind = type(host).__name__
    x = _smooth_images(3, image_shape, host.device)
    try:
        data = torch.cat([host.forward(one) for one in x.split(1)])
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"forward operator {kind} does not take images of the network's shape {image_shape} "
            f"({reason}): choose a pretrain of the problem's size"
        ) from error
    y = data[:1].clone()
    points = torch.stack([x[1], x[2], x[1:].mean(0)])
    differentiable, gradients = _gradients(host, points, y)
    first, second, middle = gradients
    bend = (first + second - 2 * middle).norm() / (first - second).norm()
    return Traits(
        data_shape=tuple(data.shape[1:]),
        complex_data=data.is_complex(),
        batched=_takes_batches(host, x, data),
        differentiable=differentiable,
        quadratic=bool(bend < _TOLERANCE),
        loss_scale=_loss_scale(host, x, data, y),
    )


def unwrapped(host: Any) -> Any:  # noqa: ANN401
    """A copy of an operator whose forward is not under `torch.no_grad`, so that autograd works.

    Raises
    ------
    ValueError
        If its forward is not decorated so.
    """
    inner = getattr(type(host).forward, "__wrapped__", None)
    if inner is None:
        raise ValueError(
            f"through_no_grad: the forward of {type(host).__name__} is not under torch.no_grad: "
            "leave the option out"
        )
    free = copy.copy(host)
    free.forward = types.MethodType(inner, free)
    return free


def gradient_by_host(
    host: Any,  # noqa: ANN401
    x: Tensor,
    data: Sequence[Any],
) -> tuple[Tensor, Tensor]:
    """Loss, (batch,), and gradient from the operator's own `gradient`, image by image."""
    results = []
    for one, y in zip(x.split(1), data, strict=True):
        with torch.enable_grad():
            results.append(host.gradient(one.detach(), y, return_loss=True))
    gradients, losses = zip(*results, strict=True)
    return torch.stack([loss.reshape(()) for loss in losses]), torch.cat(gradients)


def _gradients(host: Any, x: Tensor, y: Tensor) -> tuple[bool, Tensor]:  # noqa: ANN401
    """Whether autograd passes through, and the gradients at images x."""
    with torch.enable_grad():
        leaves = [one.clone().requires_grad_() for one in x.split(1)]
        data = [host.forward(one) for one in leaves]
    if not data[0].requires_grad:
        return False, _own_gradients(host, x, y)
    with torch.enable_grad():
        loss = torch.stack([host.loss(one, y).sum().real for one in leaves]).sum()
        return True, torch.stack(torch.autograd.grad(loss, leaves))


def _own_gradients(host: Any, x: Tensor, y: Tensor) -> Tensor:  # noqa: ANN401
    try:
        return gradient_by_host(host, x, [y] * len(x))[1]
    except RuntimeError:
        kind = type(host).__name__
        hint = (
            "add algorithm.method.through_no_grad=true to differentiate through its "
            "torch.no_grad, or "
            if hasattr(type(host).forward, "__wrapped__")
            else ""
        )
        raise ValueError(
            f"forward operator {kind} offers no gradient: {hint}give it a `gradient`, for "
            "example through lmaps_science.ProxyGradient"
        ) from None


def _takes_batches(host: Any, x: Tensor, data: Tensor) -> bool:  # noqa: ANN401
    try:
        together = host.forward(x)
    except (RuntimeError, ValueError, IndexError):
        return False
    if together.shape != data.shape:
        return False
    return bool((together - data).abs().norm() < _TOLERANCE**2 * data.abs().norm())


def _loss_scale(host: Any, x: Tensor, data: Tensor, y: Tensor) -> float | None:  # noqa: ANN401
    """The loss over the sum of squared residuals, where two images agree on it."""
    squares = per_item((data[1:] - y).abs().square()).double()
    losses = torch.stack([host.loss(one, y).sum().real for one in x[1:].split(1)]).double()
    first, second = (losses / squares).tolist()
    return first if abs(first - second) < _TOLERANCE * abs(first) else None


def _smooth_images(count: int, shape: tuple[int, int, int], device: Any) -> Tensor:  # noqa: ANN401
    """Random images in [-1, 1], as smooth as an eighth of their width allows."""
    generator = torch.Generator().manual_seed(0)
    channels, *size = shape
    coarse = torch.rand((count, channels, *(max(2, n // 8) for n in size)), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=True)
    return (2 * smooth - 1).to(device)

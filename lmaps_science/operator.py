"""What a forward operator offers the method, and checks for operators that users write.

An operator maps a normalised image x to data, y = H(x) + noise, and knows its likelihood:
-log p(y | x) = loss_weight * loss(x, y) + const. An affine operator, H(x) = J x + H(0),
also carries the adjoint of J and, where it can be had, the spectrum of its normal operator.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


def per_item(values: Tensor) -> Tensor:
    """Sum over all axes but the first."""
    return values.flatten(1).sum(1)


def randn(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape, dtype and device of `like`, drawn on the CPU.

    Complex noise has unit total variance, 1/2 in each of the real and imaginary parts.
    """
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


class Operator(ABC):
    """A forward operator on normalised images.

    Parameters
    ----------
    image_shape : tuple of int
        (channels, y, x) of the images.
    sigma_noise : float
        Standard deviation of the noise of a datum; of a complex datum, sqrt of its total
        variance.
    unnorm_shift, unnorm_scale : float
        Physical image = (x + unnorm_shift) * unnorm_scale.
    device : str or torch.device
        Where the operator computes.

    Attributes
    ----------
    problem : str
        Name under which the method finds the measured defaults of this kind of problem.
    quadratic : bool
        Whether `loss` is quadratic in x, so that its gradient is affine.
    complex_data : bool
        Whether a datum is a complex number.
    """

    problem = "generic"
    quadratic = False
    complex_data = False

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        sigma_noise: float = 0.0,
        unnorm_shift: float = 0.0,
        unnorm_scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        if not sigma_noise >= 0:
            raise ValueError(f"sigma_noise: expected a number >= 0, got {sigma_noise}")
        self.image_shape = tuple(image_shape)
        self.sigma_noise = float(sigma_noise)
        self.unnorm_shift = unnorm_shift
        self.unnorm_scale = unnorm_scale
        self.device = torch.device(device)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the data of one image."""
        return tuple(self.forward(torch.zeros(1, *self.image_shape, device=self.device)).shape[1:])

    @property
    def num_data(self) -> int:
        """Number of data of one image that were measured."""
        return math.prod(self.data_shape)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data H(x).

        Parameters
        ----------
        x : Tensor
            Normalised images, (batch, channels, y, x).

        Returns
        -------
        Tensor
            Data, (batch, ...).
        """

    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """H(x) as it is compared with `y`, fitted to it in what the instrument leaves open."""
        return self.forward(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of squared residuals |H(x) - y|^2, (batch,)."""
        return per_item((self.predict(x, y) - y).abs().square())

    @property
    def loss_weight(self) -> float:
        """The w of -log p(y | x) = w * loss(x, y) + const; 1 / sigma^2 for complex data.

        Raises
        ------
        ValueError
            If the operator has no noise level.
        """
        if self.sigma_noise == 0:
            raise ValueError(
                f"{type(self).__name__} has sigma_noise = 0, so the weight of the data is "
                "unknown: give the operator its noise level, or give LMAPS k1 and k2"
            )
        return 1 / (self.sigma_noise**2 * (1 if self.complex_data else 2))

    def fix_gauge(self, x: Tensor, peak: float | None) -> Tensor:
        """Images moved, along what the data cannot see, to where the prior expects them.

        Parameters
        ----------
        x : Tensor
            Normalised images, (batch, channels, y, x).
        peak : float or None
            Largest value that the prior expects of such an image, where it says.

        Returns
        -------
        Tensor
            Images of the same likelihood; here, of an operator without such freedom, `x`.
        """
        return x

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient with respect to x, which has the shape of x."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            loss = self.loss(x, y)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
        return loss.detach(), gradient

    def gradient(
        self, x: Tensor, y: Tensor, return_loss: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Gradient of `loss` with respect to x; with the loss on request."""
        loss, gradient = self.loss_and_gradient(x, y)
        return (gradient, loss) if return_loss else gradient

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus noise drawn from the likelihood that `loss_weight` states."""
        return y + self.sigma_noise * randn(y, generator)

    def __call__(
        self, data: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Tensor:
        """Measure ``data["target"]``: forward, then noise from `generator`."""
        return self.perturb(self.forward(data["target"].to(self.device)), generator)

    def normalize(self, image: Tensor) -> Tensor:
        """From physical units to the prior's range."""
        return image / self.unnorm_scale - self.unnorm_shift

    def unnormalize(self, x: Tensor) -> Tensor:
        """From the prior's range to physical units."""
        return (x + self.unnorm_shift) * self.unnorm_scale


class Spectrum(Protocol):
    """Eigen-decomposition J^T J = V diag(values) V^T of a normal operator.

    Coefficients of an image are (batch, ...) and `values` broadcasts against them; what V
    does not span, J does not see.
    """

    values: Tensor

    def analysis(self, x: Tensor) -> Tensor:
        """Coefficients V^T x of images (batch, channels, y, x)."""

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Images V c, (batch, channels, y, x)."""


class AffineOperator(Operator):
    """An operator H(x) = J x + H(0) whose loss is quadratic.

    A subclass has `forward`, which autograd follows, or `adjoint` too.
    """

    quadratic = True

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, real, (batch, channels, y, x): <J x, y> = <x, J^T y> with Re<.,.>."""
        with torch.enable_grad():
            x = y.new_zeros(len(y), *self.image_shape).abs().requires_grad_(True)
            (transposed,) = torch.autograd.grad(self.forward(x), x, y)
        return transposed

    def offset(self) -> Tensor:
        """H(0), (1, ...)."""
        return self.forward(torch.zeros(1, *self.image_shape, device=self.device))

    def normal(self, x: Tensor) -> Tensor:
        """J^T J x."""
        return self.adjoint(self.forward(x) - self.offset())

    def spectrum(self) -> Spectrum | None:
        """Spectrum of J^T J, or None where it cannot be had at a bearable cost."""
        return None


class LinearizableOperator(Operator):
    """A nonlinear operator that can be expanded to first order about any image.

    Its loss is the squared norm of H(x) - y. `forward` is the truth, however it is computed; the
    expansion may be that of a surrogate.

    Attributes
    ----------
    num_frequencies : int
        Length of the data's first axis where that goes from long waves to short ones, so that
        its first entries alone make an easier problem; 1 for any other data.
    """

    num_frequencies = 1

    @abstractmethod
    def linearize(self, x: Tensor, y: Tensor) -> AffineOperator:
        """Expansion about images `x`: equal to H there; each image has its own."""

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient, by the derivative of `linearize`."""
        return self.linearize(x, y).loss_and_gradient(x, y)

    def lowest(self, count: int) -> "LinearizableOperator":
        """The same with the first `count` frequencies only."""
        return self


def check_adjoint(operator: AffineOperator, seed: int = 0) -> float:
    """Dot-product test, |<J x, y> - <x, J^T y>| / (|J x| |y|), of an operator's adjoint.

    Parameters
    ----------
    operator : AffineOperator
        The operator to test.
    seed : int
        Of the random x and y.

    Returns
    -------
    float
        The relative mismatch; rounding level for a right adjoint.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((1, *operator.image_shape), generator=generator).to(operator.device)
    jx = operator.forward(x) - operator.offset()
    y = randn(jx, generator)
    left = (jx.conj() * y).sum().real
    right = (x * operator.adjoint(y)).sum()
    return float((left - right).abs() / (jx.abs().square().sum() * y.abs().square().sum()).sqrt())


def check_surrogate(
    operator: Operator, y: Tensor, x: Tensor, count: int = 16, step: float = 1e-2, seed: int = 0
) -> float:
    """How well `gradient`, which may be that of a surrogate, agrees with the true loss.

    Its slopes in smooth random directions against central differences of `loss`.

    Parameters
    ----------
    operator : Operator
        The operator to test.
    y : Tensor
        Data, (1, ...).
    x : Tensor
        Where to test, (1, channels, y, x).
    count : int
        Directions, each of unit mean square.
    step : float
        Of the difference; large enough for the true loss to change.
    seed : int
        Of the directions.

    Returns
    -------
    float
        Cosine between the slopes and the differences: 1 where they agree, below 0 where the
        gradient points uphill.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = randn(x.expand(count, *x.shape[1:]), generator)
    directions = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    directions = directions / directions.square().mean((1, 2, 3), keepdim=True).sqrt()
    _, gradient = operator.loss_and_gradient(x, y)
    slopes = per_item(directions * gradient)
    ahead, behind = (
        torch.cat([operator.loss(x + s * step * d, y) for d in directions.split(1)])
        for s in (1, -1)
    )
    return float(torch.nn.functional.cosine_similarity(slopes, (ahead - behind).to(slopes), dim=0))


def check_gradient(operator: Operator, y: Tensor, seed: int = 0, step: float = 1e-3) -> float:
    """Relative error of `gradient` against central differences of `loss`.

    Parameters
    ----------
    operator : Operator
        The operator to test.
    y : Tensor
        Data, (1, ...).
    seed : int
        Of the random point and direction.
    step : float
        Of the difference.

    Returns
    -------
    float
        |difference quotient - <gradient, direction>| / |difference quotient|.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (1, *operator.image_shape)
    x, direction = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(operator.device)
        for _ in range(2)
    )
    _, gradient = operator.loss_and_gradient(x, y)
    quotient = (operator.loss(x + step * direction, y) - operator.loss(x - step * direction, y)) / (
        2 * step
    )
    return float(((gradient * direction).sum() - quotient).abs() / quotient.abs())

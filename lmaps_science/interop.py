"""Forward operators of other libraries as ours: scipy, pylops, sigpy, deepinv, plain functions.

from lmaps_science import LMAPS, load_prior
from lmaps_science.interop import Linear

operator = Linear(sigpy_linop, (1, 128, 128), sigma_noise=0.01)
image = LMAPS(load_prior("cells-128"), operator)(y).mean
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lmaps_science.foreign import as_tensor, cast, forward_and_adjoint
from lmaps_science.operator import AffineOperator, Operator, check_adjoint, per_item
from lmaps_science.proxy import ProxyGradient

ADJOINT_TOLERANCE = 1e-3


class Linear(AffineOperator):
    """A linear operator with its adjoint, of scipy, pylops, sigpy, deepinv or anybody.

    The local MAP is solved exactly, by conjugate gradients.

    Parameters
    ----------
    operator : object
        scipy's or pylops's `LinearOperator` on flattened images, sigpy's `Linop`, deepinv's
        `LinearPhysics`, or anything with `forward` and `adjoint` on batches of tensors. It
        acts on physical images.
    image_shape : tuple of int
        (channels, y, x).
    sigma_noise : float
        Standard deviation of the noise of a datum; of a complex one, sqrt of its total variance.
    complex_images : bool
        Whether two channels are the real and imaginary part of what `operator` takes.
    unnorm_shift, unnorm_scale : float
        Physical image = (x + unnorm_shift) * unnorm_scale, x in the range of the prior.
    device : str or torch.device
        Where the images are.

    Raises
    ------
    TypeError
        If `operator` has no adjoint.
    ValueError
        If it does not take such images, or its adjoint is not that of its forward.
    """

    def __init__(
        self,
        operator: Any,  # noqa: ANN401
        image_shape: tuple[int, int, int],
        sigma_noise: float,
        complex_images: bool = False,
        unnorm_shift: float = 0.0,
        unnorm_scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(image_shape, sigma_noise, unnorm_shift, unnorm_scale, device)
        pair = forward_and_adjoint(operator)
        if pair is None:
            raise TypeError(
                "operator: expected a linear operator with its adjoint (scipy, pylops, sigpy, "
                f"deepinv, or forward and adjoint), got {type(operator).__name__}: for other "
                "functions take interop.Function"
            )
        if complex_images and image_shape[0] != 2:
            raise ValueError(
                f"complex_images: expected two channels, got image_shape {tuple(image_shape)}"
            )
        self.name, self.complex_images = type(operator).__name__, complex_images
        self._forward, self._adjoint = pair
        self.complex_data = self._probe().is_complex()
        mismatch = check_adjoint(self)
        if not mismatch < ADJOINT_TOLERANCE:
            raise ValueError(
                f"{self.name}: <A x, y> and <x, A^H y> differ by {mismatch:.1e} of |A x||y| for "
                "random x and y: its adjoint is not that of its forward"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data (batch, ...) of normalised images."""
        image = self.unnormalize(x)
        if self.complex_images:
            image = torch.complex(*image.unbind(1))
        value = as_tensor(self._forward(image), self.name)
        return cast(value, x, value.is_complex())

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, (batch, channels, y, x)."""
        image = as_tensor(self._adjoint(y), f"adjoint of {self.name}").to(y.device)
        if self.complex_images:
            image = torch.view_as_real(image.reshape(-1, *self.image_shape[1:]) + 0j)
            image = image.movedim(-1, 1)
        real = torch.float64 if y.dtype in (torch.float64, torch.complex128) else torch.float32
        image = image.real if image.is_complex() else image
        return self.unnorm_scale * image.reshape(-1, *self.image_shape).to(real)

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient 2 J^T (H(x) - y)."""
        residual = self.forward(x) - y
        return per_item(residual.abs().square()), 2 * self.adjoint(residual).to(x)

    def _probe(self) -> Tensor:
        try:
            return self.forward(torch.zeros(1, *self.image_shape, device=self.device))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ValueError(
                f"{self.name} does not take images of shape {self.image_shape}: "
                f"{str(error).splitlines()[0]}"
            ) from error


class Function(Operator):
    """Any forward function of images, differentiable or not, in torch or in NumPy.

    Parameters
    ----------
    forward : callable
        Physical images (batch, channels, y, x) to data (batch, ...).
    image_shape : tuple of int
        (channels, y, x).
    sigma_noise : float
        Standard deviation of the noise of a datum; of a complex one, sqrt of its total variance.
    surrogate : callable or linear operator, optional
        Whose gradient stands for that of `forward`, see `ProxyGradient`; ``"autograd"``, the
        default, differentiates `forward` itself.
    numpy : bool
        Hand `forward` arrays.
    unnorm_shift, unnorm_scale, device
        As in `Linear`.
    """

    def __init__(
        self,
        forward: Callable[[Any], Any],
        image_shape: tuple[int, int, int],
        sigma_noise: float,
        surrogate: Any = "autograd",  # noqa: ANN401
        numpy: bool = False,
        unnorm_shift: float = 0.0,
        unnorm_scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__(image_shape, sigma_noise, unnorm_shift, unnorm_scale, device)
        autograd = isinstance(surrogate, str) and surrogate == "autograd"
        if autograd and numpy:
            raise ValueError(
                "surrogate: autograd does not see NumPy: give a torch function or a linear "
                "operator like `forward`, or None for the identity"
            )
        self._forward = forward if autograd else ProxyGradient(forward, surrogate, numpy)
        probe = self.forward(torch.zeros(1, *self.image_shape, device=self.device))
        self.complex_data = probe.is_complex()

    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data (batch, ...) of normalised images."""
        result: Tensor = self._forward(self.unnormalize(x))
        return result

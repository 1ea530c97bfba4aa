"""Linear degradations with Gaussian noise: missing pixels, blur, coarse pixels.

Data are grey values from 0 to 1. Blurs see what lies beyond the edge as the reflected image.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from lmaps_science.operator import AffineOperator
from lmaps_science.problems.restoration.grey import GreyScale


class LinearDegradation(AffineOperator):
    """A linear map of grey values.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    sigma_noise : float
        Standard deviation, grey values.
    grey : GreyScale
        Of the images.
    device : str or torch.device
        Where to compute.
    """

    problem = "image"

    def __init__(
        self,
        shape: tuple[int, int],
        sigma_noise: float,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__((1, *shape), sigma_noise, grey.check().shift, grey.scale, device)
        self.grey, self.picture_shape = grey, shape

    @abstractmethod
    def apply(self, grey: Tensor) -> Tensor:
        """Degraded grey values, (batch, 1, ...), of images (batch, 1, y, x)."""

    @abstractmethod
    def transpose(self, y: Tensor) -> Tensor:
        """Transpose of `apply`, (batch, 1, y, x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Degraded grey values of normalised images."""
        return self.apply(self.unnormalize(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, (batch, 1, y, x)."""
        return self.unnorm_scale * self.transpose(y)

    @abstractmethod
    def picture(self, y: Tensor) -> Tensor:
        """Grey values to show of the data, (batch, 1, y, x)."""


class KnownPixels:
    """Spectrum of a mask: an image's known pixels are its coefficients, all of one eigenvalue."""

    def __init__(self, known: Tensor, value: float) -> None:
        self.known = known
        self.values = torch.full((int(known.sum()),), value, device=known.device)

    def analysis(self, x: Tensor) -> Tensor:
        """Known pixels of images (batch, 1, y, x), (batch, known)."""
        return x[:, 0, self.known]

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """Images that are zero elsewhere."""
        x = coefficients.new_zeros(len(coefficients), 1, *self.known.shape)
        x[:, 0, self.known] = coefficients
        return x


class Inpainting(LinearDegradation):
    """An image of which some pixels are known.

    Parameters
    ----------
    known : Tensor
        (y, x), bool. `box_mask` and `random_mask` make some.
    sigma_noise, grey, device
        As for `LinearDegradation`.
    """

    def __init__(
        self,
        known: Tensor,
        sigma_noise: float,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        if known.ndim != 2 or known.dtype != torch.bool or not known.any():
            raise ValueError(
                "known: expected a mask (y, x) of bool with known pixels, got "
                f"{tuple(known.shape)} {known.dtype}, {int(known.sum())} of them known"
            )
        super().__init__((known.shape[0], known.shape[1]), sigma_noise, grey, device)
        self.known = known.to(self.device)

    @property
    def num_data(self) -> int:
        """Known pixels."""
        return int(self.known.sum())

    def apply(self, grey: Tensor) -> Tensor:
        """Zero where pixels are missing."""
        return grey * self.known

    def transpose(self, y: Tensor) -> Tensor:
        """The same."""
        return y * self.known

    def picture(self, y: Tensor) -> Tensor:
        """Black where pixels are missing."""
        return y * self.known

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Noise on known pixels only."""
        return super().perturb(y, generator) * self.known

    def spectrum(self) -> KnownPixels:
        """Closed form: a mask is diagonal."""
        return KnownPixels(self.known, self.unnorm_scale**2)


class Blur(LinearDegradation):
    """Convolution with a kernel.

    Parameters
    ----------
    shape : tuple of int
        (y, x), larger than half of the kernel.
    kernel : Tensor
        (odd, odd); `gaussian_kernel` and `motion_kernel` make some.
    sigma_noise, grey, device
        As for `LinearDegradation`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        kernel: Tensor,
        sigma_noise: float,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        ky, kx = kernel.shape
        if not (ky % 2 and kx % 2) or ky // 2 >= shape[0] or kx // 2 >= shape[1]:
            raise ValueError(
                f"kernel: expected odd sides, at most twice the image's {shape[0]}×{shape[1]}, got "
                f"{ky}×{kx}"
            )
        super().__init__(shape, sigma_noise, grey, device)
        self.kernel = kernel.to(self.device, torch.float64)
        self._around = (kx // 2, kx // 2, ky // 2, ky // 2)

    def apply(self, grey: Tensor) -> Tensor:
        """Blurred images, (batch, 1, y, x)."""
        around = functional.pad(grey, self._around, "reflect")
        return functional.conv2d(around, self.kernel.to(grey.dtype)[None, None])

    def transpose(self, y: Tensor) -> Tensor:
        """By the chain rule of a linear function."""
        with torch.enable_grad():
            grey = y.new_zeros(len(y), *self.image_shape).requires_grad_(True)
            (result,) = torch.autograd.grad(self.apply(grey), grey, y)
        return result

    def picture(self, y: Tensor) -> Tensor:
        """The blurred image."""
        return y


class SuperResolution(LinearDegradation):
    """Coarse pixels, each the mean of `factor` × `factor` fine ones.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the fine image, multiples of `factor`.
    factor : int
        2 or more.
    sigma_noise, grey, device
        As for `LinearDegradation`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        factor: int,
        sigma_noise: float,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        if factor < 2 or shape[0] % factor or shape[1] % factor:
            raise ValueError(
                f"factor: expected 2 or more, a divisor of {shape[0]} and {shape[1]}, got {factor}"
            )
        super().__init__(shape, sigma_noise, grey, device)
        self.factor = factor

    def apply(self, grey: Tensor) -> Tensor:
        """Coarse images, (batch, 1, y / factor, x / factor)."""
        return functional.avg_pool2d(grey, self.factor)

    def transpose(self, y: Tensor) -> Tensor:
        """Each coarse pixel shared out."""
        return self.picture(y) / self.factor**2

    def picture(self, y: Tensor) -> Tensor:
        """Coarse pixels drawn large."""
        return y.repeat_interleave(self.factor, -1).repeat_interleave(self.factor, -2)


def gaussian_kernel(sigma: float) -> Tensor:
    """A Gaussian of `sigma` pixels, cut off at four of them, (n, n)."""
    if not sigma > 0:
        raise ValueError(f"sigma: expected more than 0 pixels, got {sigma}")
    x = torch.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1, dtype=torch.float64)
    profile = torch.exp(-((x / sigma) ** 2) / 2)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float = 0.0, oversampling: int = 20) -> Tensor:
    """A straight even motion.

    Parameters
    ----------
    length : float
        Pixels.
    angle : float
        Degrees from the x axis towards the top of the picture.
    oversampling : int
        Points per pixel, each shared among its four neighbours.

    Returns
    -------
    Tensor
        (n, n), sums to 1.
    """
    if not length >= 1:
        raise ValueError(f"length: expected at least 1 pixel, got {length}")
    reach = math.ceil(length / 2)
    count = max(2, round(length * oversampling))
    along = torch.linspace(-length / 2, length / 2, count, dtype=torch.float64)
    turn = math.radians(angle)
    kernel = torch.zeros(2 * reach + 3, 2 * reach + 3, dtype=torch.float64)
    y, x = (reach + 1 + part * along for part in (-math.sin(turn), math.cos(turn)))
    for dy in (0, 1):
        for dx in (0, 1):
            i, j = y.floor().long() + dy, x.floor().long() + dx
            share = (1 - (y - i).abs()) * (1 - (x - j).abs())
            kernel.index_put_((i, j), share, accumulate=True)
    return kernel / kernel.sum()


def box_mask(shape: tuple[int, int], box: tuple[int, int]) -> Tensor:
    """All pixels known but a box (y, x) in the middle, (y, x), bool."""
    if not all(0 < b < n for b, n in zip(box, shape, strict=True)):
        raise ValueError(f"box: expected one within {shape[0]}×{shape[1]}, got {box[0]}×{box[1]}")
    known = torch.ones(shape, dtype=torch.bool)
    top, left = ((n - b) // 2 for n, b in zip(shape, box, strict=True))
    known[top : top + box[0], left : left + box[1]] = False
    return known


def random_mask(shape: tuple[int, int], missing: float, generator: torch.Generator) -> Tensor:
    """A share `missing` of the pixels unknown, drawn from `generator`, (y, x), bool."""
    if not 0 <= missing < 1:
        raise ValueError(f"missing: expected a share in [0, 1), got {missing}")
    return torch.rand(shape, generator=generator) >= missing

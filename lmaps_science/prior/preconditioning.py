"""Denoisers from raw networks: the EDM and the VP preconditioning.

Both present one call, ``prior(x, sigma)`` = E[x0 | x0 + sigma * noise = x].
"""

import copy
from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmaps_science.batching import padded

if TYPE_CHECKING:
    from lmaps_science.prior.curves import ErrorCurve, PeakCurve
    from lmaps_science.prior.image_covariance import ImageCovariance

P = TypeVar("P", bound="Preconditioned")


def sigma_vector(sigma: float | Tensor, x: Tensor) -> Tensor:
    """`sigma`, a number or a tensor of one value per image, as (batch,) of the dtype of `x`."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).flatten()
    if sigma.numel() not in (1, len(x)):
        raise ValueError(f"sigma: one value or one per image ({len(x)}), got {sigma.numel()}")
    return sigma.expand(len(x))


@cache
def computes_in_bfloat16(device: str) -> bool:
    """Whether a kind of device has instructions for bfloat16.

    Emulation is several times slower than float32: on processors without AVX-512, 6 to 9 times.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu" and torch.backends.mkldnn.is_available():
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


class Preconditioned(nn.Module):
    """A denoiser D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (Karras et al. 2022, eq. 7).

    Both x and D are taken relative to `mean`, the images' mean.

    What a checkpoint knows beside the weights is set when it is loaded: `name`, `sha256`,
    `image_shape` and `sigma_max` of the training, `error_curve`, `peak_curve` and
    `image_covariance`.

    A network that tells classes of images apart is the prior of one of them, `class_label`;
    `for_class` gives the others.

    Parameters
    ----------
    network : nn.Module
        F: (images, noise label) to images.
    bfloat16 : bool
        Run the network in bfloat16 autocast where the device is made for it; the
        preconditioning stays in float32.
    """

    mean = 0.0
    class_label: int | None = None
    name = ""
    sha256 = ""
    image_shape: tuple[int, int, int] | None = None
    sigma_max: float | None = None
    error_curve: "ErrorCurve | None" = None
    peak_curve: "PeakCurve | None" = None
    image_covariance: "ImageCovariance | None" = None

    def __init__(self, network: nn.Module, bfloat16: bool = False) -> None:
        super().__init__()
        self.network = network
        self.use_bfloat16 = bfloat16

    @abstractmethod
    def coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """c_skip, c_out, c_in, c_noise at `sigma`, each (batch,)."""

    def for_class(self: P, label: int) -> P:
        """The prior of another class of images: the same weights, without the statistics.

        Error curve, peak curve and covariance are those of one class; measure them anew.
        """
        num_classes = getattr(self.network, "num_classes", 0)
        if not 0 <= label < num_classes:
            raise ValueError(f"class {label} of prior {self.name!r}: it has {num_classes}, from 0")
        other = copy.copy(self)
        if label != self.class_label:
            other.class_label = label
            other.error_curve = other.peak_curve = other.image_covariance = None
        return other

    def forward(
        self, x: Tensor, sigma: float | Tensor, class_label: Tensor | None = None
    ) -> Tensor:
        """Denoise.

        Parameters
        ----------
        x : Tensor
            Noisy images, (batch, channels, y, x). Sides that the network does not divide are
            padded by reflection.
        sigma : float or Tensor
            Standard deviation of the noise, one for all or (batch,).
        class_label : Tensor, optional
            Class of each image, (batch,), integers; the prior's own by default.

        Returns
        -------
        Tensor
            E[x0 | x], (batch, channels, y, x), float32.
        """
        batch, _, height, width = x.shape
        x = _reflected(x, getattr(self.network, "divisor", 1))
        inputs = [x, sigma_vector(sigma, x)]
        if class_label is None and self.class_label is not None:
            class_label = torch.full((batch,), self.class_label, device=x.device)
        if class_label is not None:
            inputs.append(class_label)
        if x.device.type == "cpu":
            inputs = [padded(a, torch.get_num_threads()) for a in inputs]
        x, sigma, *labels = inputs
        x = x.to(torch.float32) - self.mean
        c_skip, c_out, c_in, c_noise = self.coefficients(sigma.to(torch.float32))
        skip, out, scale = (c[:, None, None, None] for c in (c_skip, c_out, c_in))
        reduced = self.use_bfloat16 and computes_in_bfloat16(x.device.type)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=reduced):
            residual = self.network(scale * x, c_noise, *labels)
        denoised = self.mean + skip * x + out * residual.to(torch.float32)
        return denoised[:batch, :, :height, :width]


def _reflected(x: Tensor, divisor: int) -> Tensor:
    """Images whose sides are padded to multiples of `divisor`."""
    height, width = x.shape[-2:]
    missing = (0, -width % divisor, 0, -height % divisor)
    return functional.pad(x, missing, "reflect") if any(missing) else x


class EDM(Preconditioned):
    """Preconditioning of Karras et al. (2022), table 1, right column.

    Parameters
    ----------
    network, bfloat16
        As for `Preconditioned`.
    sigma_data : float
        Standard deviation of the images around `mean`.
    mean : float
        The images' mean.
    class_label : int, optional
        Of which class of images, if the network has classes.
    """

    def __init__(
        self,
        network: nn.Module,
        bfloat16: bool = False,
        sigma_data: float = 0.5,
        mean: float = 0.0,
        class_label: int | None = None,
    ) -> None:
        super().__init__(network, bfloat16)
        self.sigma_data, self.mean, self.class_label = sigma_data, mean, class_label

    def coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """c_skip, c_out, c_in, c_noise at `sigma`, each (batch,)."""
        total = sigma**2 + self.sigma_data**2
        return (
            self.sigma_data**2 / total,
            sigma * self.sigma_data / total.sqrt(),
            1 / total.sqrt(),
            sigma.log() / 4,
        )


class VP(Preconditioned):
    """Variance-preserving preconditioning (Song et al. 2021; Karras et al. 2022, table 1).

    The network predicts the noise of the rescaled image at the time t of the linear-beta
    schedule sigma(t)^2 = exp(beta_d t^2 / 2 + beta_min t) - 1.
    """

    def __init__(
        self,
        network: nn.Module,
        bfloat16: bool = False,
        beta_d: float = 19.9,
        beta_min: float = 0.1,
        num_timesteps: int = 1000,
    ) -> None:
        super().__init__(network, bfloat16)
        self.beta_d, self.beta_min, self.num_timesteps = beta_d, beta_min, num_timesteps

    def coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """c_skip, c_out, c_in, c_noise at `sigma`, each (batch,)."""
        time = (
            (self.beta_min**2 + 2 * self.beta_d * (1 + sigma**2).log()).sqrt() - self.beta_min
        ) / self.beta_d
        return (
            torch.ones_like(sigma),
            -sigma,
            1 / (1 + sigma**2).sqrt(),
            (self.num_timesteps - 1) * time,
        )

"""InverseBench's network and operators behind the package's own interfaces."""

import logging
import math
from typing import Any

import torch
from scipy.optimize import brentq
from scipy.special import hankel1
from torch import Tensor, nn

from lmaps_science.operator import Operator
from lmaps_science.problems import InverseScattering

logger = logging.getLogger(__name__)


class NetworkPrior:
    """InverseBench's network as a denoiser.

    Parameters
    ----------
    net : nn.Module
        ``net(x, sigma)`` with sigma a tensor. The statistics that the package's own priors
        carry, `error_curve` and `image_covariance`, are passed on; None where there are none.
    """

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval().requires_grad_(False)
        self.error_curve = getattr(net, "error_curve", None)
        self.image_covariance = getattr(net, "image_covariance", None)

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """E[x0 | x] of images (batch, channels, y, x) with noise of standard deviation `sigma`."""
        x = x.to(torch.float32)
        return self.net(x, torch.as_tensor(sigma, dtype=torch.float32, device=x.device))


class HostScattering(Operator):
    """InverseBench's `InverseScatter`, called image by image: it ignores all but the first.

    Parameters
    ----------
    host : InverseScatter
        InverseBench's operator.
    """

    problem = "scattering"
    quadratic = True
    complex_data = True

    def __init__(self, host: Any) -> None:  # noqa: ANN401
        super().__init__(
            (1, host.Ny, host.Nx),
            host.sigma_noise,
            host.unnorm_shift,
            host.unnorm_scale,
            host.device,
        )
        self.host = host

    def forward(self, x: Tensor) -> Tensor:
        """Noiseless data, (batch, transmitters, receivers) complex."""
        return torch.cat([self.host.forward(image[None]) for image in x])


def operator_from_host(host: Any, recognise: bool = True) -> Operator:  # noqa: ANN401
    """The package's own operator where it computes the same as the host's, else a wrapper.

    Parameters
    ----------
    host : object
        InverseBench's forward operator.
    recognise : bool
        Whether to look for an equivalent of ours, which brings the exact solvers.

    Raises
    ------
    ValueError
        If the host's operator is of a kind that the package does not know.
    """
    kind = type(host).__name__
    if kind != "InverseScatter":
        raise ValueError(
            f"forward operator {kind}: LMAPS runs in InverseBench with problem=inv-scatter "
            "(InverseScatter)"
        )
    wrapped = HostScattering(host)
    if not recognise:
        return wrapped
    native = native_scattering(host)
    if native is None:
        logger.warning("InverseScatter has pixels that are not square: keeping InverseBench's")
        return wrapped
    difference = disagreement(native, wrapped)
    if difference > TOLERANCE:
        logger.warning(
            "InverseScatter and InverseScattering differ by %.1e: keeping InverseBench's",
            difference,
        )
        return wrapped
    logger.info("InverseScatter is InverseScattering to %.0e: solving exactly", difference)
    return native


TOLERANCE = 1e-4
"""Relative difference up to which our operator stands in for the host's."""


def native_scattering(host: Any) -> InverseScattering | None:  # noqa: ANN401
    """`InverseScattering` of the geometry of an `InverseScatter`; None if that has none.

    The host keeps its fields, not its wavenumber k and sensor radius. Its first transmitter
    and its first receiver stand at the same place, where the fields differ by a factor k^2;
    and |H0(k d)|, the field in the middle pixel, falls with the distance d.
    """
    if host.Nx != host.Ny or host.dx != host.dy:
        return None
    incident = host.uinc_dom_set[:, :, 0, 0]
    green = host.sensor_greens_function_set[:, :, 0, 0]
    middle = host.Nx // 2
    field = abs(complex(incident[middle, middle]))
    wavenumber = math.sqrt(abs(complex(green[middle, middle])) / field)
    far = 1 / (8 * math.pi * field**2)  # |H0(z)|^2 -> 2 / (pi z)
    distance = brentq(lambda z: abs(hankel1(0, z)) - 4 * field, far / 2, 2 * far) / wavenumber
    offset = (middle - host.Nx / 2) * host.dx
    return InverseScattering(
        num_pixels=host.Nx,
        side_length=_rounded(host.Nx * host.dx),
        wavelength_in_pixels=_rounded(2 * math.pi / (wavenumber * host.dx)),
        num_transmitters=host.numTrans,
        num_receivers=host.numRec,
        sensor_radius=_rounded(offset + math.sqrt(distance**2 - offset**2)),
        sigma_noise=host.sigma_noise,
        contrast_scale=2 * host.unnorm_scale,
        device=host.device,
    )


def disagreement(ours: Operator, host: Operator) -> float:
    """Relative difference of the data of two operators on one random image."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand((1, *host.image_shape), generator=generator).to(host.device) - 1
    expected = host.forward(x)
    return float((ours.forward(x) - expected).abs().norm() / expected.abs().norm())


def _rounded(value: float) -> float:
    """Nine digits: the number that was meant, so that equal geometries share a cache entry."""
    return float(f"{value:.9g}")

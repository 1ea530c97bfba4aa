"""The package's own operators, rebuilt from the attributes of InverseBench's.

Where the two agree on loss and gradient, ours brings the exact solvers.
"""

import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.optimize import brentq
from scipy.special import hankel1

from lmaps_science.inversebench.likelihood import HostOperator
from lmaps_science.operator import Operator
from lmaps_science.problems import BlackHoleImaging, InverseScattering, MultiCoilMRI

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Relative difference up to which our operator stands in for the host's."""


def recognised(wrapped: HostOperator) -> Operator | None:
    """Our operator where it computes the same as the host's; None where there is none.

    Parameters
    ----------
    wrapped : HostOperator
        InverseBench's operator.
    """
    kind = type(wrapped.host).__name__
    if kind not in _NATIVE:
        return None
    try:
        native = _NATIVE[kind](wrapped.host)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        logger.warning("%s: keeping InverseBench's (%s)", kind, error)
        return None
    difference = disagreement(native, wrapped)
    name = type(native).__name__
    if not difference <= TOLERANCE:
        logger.warning("%s and ours differ by %.1e: keeping InverseBench's", kind, difference)
        return None
    logger.info("%s is our %s to %.0e: solving with ours", kind, name, difference)
    return native


def disagreement(ours: Operator, host: Operator) -> float:
    """Relative difference of loss and gradient on one random image, the larger of the two."""
    generator = torch.Generator().manual_seed(0)
    images = 2 * torch.rand((2, *host.image_shape), generator=generator).to(host.device) - 1
    x, other = images.split(1)
    y = host.forward(other).detach()
    (loss, gradient), (expected_loss, expected) = (
        operator.loss_and_gradient(x, y) for operator in (ours, host)
    )
    by_loss = (loss - expected_loss).abs() / expected_loss.abs()
    by_gradient = (gradient - expected).norm() / expected.norm()
    return max(float(by_loss), float(by_gradient))


def native_scattering(host: Any) -> InverseScattering:  # noqa: ANN401
    """`InverseScattering` of the geometry of an `InverseScatter`.

    The host keeps its fields, not its wavenumber k and sensor radius. Its first transmitter
    and its first receiver stand at the same place, where the fields differ by a factor k^2;
    and |H0(k d)|, the field in the middle pixel, falls with the distance d.
    """
    if host.Nx != host.Ny or host.dx != host.dy:
        raise ValueError("its pixels are not square")
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


def native_blackhole(host: Any) -> BlackHoleImaging:  # noqa: ANN401
    """`BlackHoleImaging` with the closures of the host's own reference observation."""
    from lmaps_science.problems.blackhole.inversebench import ClosureTable, InverseBenchClosures
    from lmaps_science.problems.blackhole.reference import Reference

    table = ClosureTable(host.cp_index.cpu(), host.cp_conjugate.cpu(), host.camp_index.cpu())
    likelihood = InverseBenchClosures(
        table,
        host.sigma.cpu(),
        w1=host.weight_amp / host.amp_dim,
        w2=host.weight_cp / host.cphase_dim,
        w3=host.weight_camp / host.logcamp_dim,
        w4=host.weight_flux,
        device=host.device,
    )
    sampling = Reference(host.ref_obs, host.ref_im).sampling(host.device)
    return BlackHoleImaging(sampling, likelihood, host.H, device=host.device)


def native_mri(host: Any) -> MultiCoilMRI:  # noqa: ANN401
    """`MultiCoilMRI` of the sensitivity maps that the host took from its last measurement."""
    maps, mask = host.maps[0], host.mask[0, 0]
    return MultiCoilMRI(maps, mask, host.sigma_noise, device=host.device)


_NATIVE: dict[str, Callable[[Any], Operator]] = {
    "BlackHoleImaging": native_blackhole,
    "InverseScatter": native_scattering,
    "MultiCoilMRI": native_mri,
}


def _rounded(value: float) -> float:
    """Nine digits: the number that was meant, so that equal geometries share a cache entry."""
    return float(f"{value:.9g}")

"""The sensors of one frequency, by the few cylindrical waves that reach the pixels from them."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import hankel1, jv
from torch import Tensor

from lmaps_science.problems.scattering.geometry import Geometry

_TOLERANCE = 1e-5


class Band:
    """The sensors at one frequency.

    Waves from outside reach the pixels as regular cylindrical waves (Graf's addition theorem):

        (i/4) H0⁽¹⁾(k|p - s|) = Σ_n b_n(p) c_n(s),   b_n ∝ J_n(kr) exp(inφ) of p,
                                                     c_n ∝ H_n⁽¹⁾(kr) exp(-inφ) of s,

    of which few matter, |n| up to about k times the grid's radius, however many sensors there
    are. Fields of the b_n give those of all transmitters and, by reciprocity, receivers.

    Parameters
    ----------
    geometry : Geometry
        Sensors, grid and wavenumber.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    basis : Tensor
        b_n on the pixels, (waves, y, x), complex128.
    transmit : Tensor
        c_n of the transmitters, (transmitters, waves).
    receive : Tensor
        k² dx² c_n of the receivers, (transmitters, waves, receivers); zero where masked.
    mask : Tensor
        Where a datum was measured, (transmitters, receivers).

    Raises
    ------
    ValueError
        If a sensor is nearer to the centre than the grid's corners.
    """

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        self.geometry = geometry
        k, pixels = geometry.wavenumber, _polar(geometry.pixels())
        transmitters, receivers = map(
            _polar, (geometry.transmitter_positions, geometry.receiver_positions)
        )
        radius = pixels[0].max()
        nearest = min(transmitters[0].min(), receivers[0].min())
        if nearest <= radius:
            raise ValueError(
                f"several frequencies or the full wave need all sensors outside the circle around "
                f"the grid, of radius {radius:.4g} m; the nearest is at {nearest:.4g} m: use a "
                "smaller grid"
            )
        orders = _orders(k * radius, k * nearest)
        scale = np.abs(jv(orders, np.linspace(0, k * radius, 200)[:, None])).max(0)
        basis = _waves(jv, orders, k, pixels, 1) / scale
        transmit = 0.25j * scale * _waves(hankel1, orders, k, transmitters, -1)
        receive = 0.25j * scale * _waves(hankel1, orders, k, receivers, -1)
        receive = np.moveaxis(receive, -1, -2) * (k * geometry.pixel_size) ** 2
        mask = geometry.receiver_mask
        mask = np.ones(geometry.data_shape, bool) if mask is None else mask
        self.mask = torch.from_numpy(mask).to(device)
        self.basis = torch.from_numpy(basis.T.reshape(-1, *geometry.grid_shape)).to(device)
        self.transmit = torch.from_numpy(transmit).to(device)
        self.receive = torch.from_numpy(receive * mask[:, None]).to(device)

    def sources(self) -> Tensor:
        """Incident fields whose total fields give the transmitters', (n, y, x): the fewest."""
        return self._incident() if self._few_transmitters else self.basis

    def transmitted(self, fields: Tensor) -> Tensor:
        """Fields of the transmitters, (batch, transmitters, y, x), of those of the `sources`."""
        return fields if self._few_transmitters else self.combined(fields)

    def combined(self, fields: Tensor) -> Tensor:
        """Fields of the transmitters, (batch, transmitters, y, x), of those of the `basis`."""
        return torch.einsum("tk,bkyx->btyx", self.transmit.to(fields.dtype), fields)

    def data(self, contrast: Tensor, transmitted: Tensor, received: Tensor) -> Tensor:
        """Scattered fields, (batch, transmitters, receivers); zero where masked.

        Parameters
        ----------
        contrast : Tensor
            (batch, 1, y, x).
        transmitted : Tensor
            Fields of the transmitters, (batch or 1, transmitters, y, x).
        received : Tensor
            Fields of the basis, (batch or 1, waves, y, x).
        """
        source = contrast.to(transmitted.real.dtype) * transmitted
        waves = source.flatten(2) @ received.flatten(2).mT
        return torch.einsum("btk,tkr->btr", waves, self.receive.to(waves.dtype))

    def adjoint(self, data: Tensor, transmitted: Tensor, received: Tensor) -> Tensor:
        """Real adjoint of `data` with respect to the contrast, (batch, 1, y, x)."""
        waves = torch.einsum("btr,tkr->btk", data, self.receive.to(data.dtype).conj())
        back = (waves @ received.flatten(2).conj()).unflatten(2, received.shape[2:])
        return (back * transmitted.conj()).real.sum(1, keepdim=True)

    def _incident(self) -> Tensor:
        return torch.tensordot(self.transmit, self.basis, 1)

    @property
    def _few_transmitters(self) -> bool:
        return len(self.transmit) <= len(self.basis)


def _orders(size: float, distance: float) -> NDArray[np.intp]:
    """Orders n = -N ... N whose share of the field of a source is not negligible."""
    n = np.arange(int(size) + 40)
    share = np.abs(jv(n, size) * hankel1(n, distance))
    last = int(n[share > _TOLERANCE * share.max()].max())
    return np.arange(-last, last + 1)


def _waves(
    radial: Callable[..., NDArray], orders: NDArray, k: float, polar: NDArray, sign: int
) -> NDArray[np.complex128]:
    """Cylindrical waves at places, (..., waves)."""
    r, angle = polar[..., None]
    return radial(orders, k * r) * np.exp(sign * 1j * orders * angle)


def _polar(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from the centre and angle, (2, ...), of positions (..., 2)."""
    x, y = np.moveaxis(positions, -1, 0)
    return np.stack([np.hypot(x, y), np.arctan2(y, x)])

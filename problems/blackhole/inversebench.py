"""InverseBench's black-hole data: their layout, loss and noise (Zheng et al., 2503.11043).

A datum vector, (batch, 1, data, 1), holds amplitudes, their sigmas, closure phases (radian),
their sigmas, log closure amplitudes, their sigmas, and the total flux, all in units of the
reference image's brightest pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lmaps_science.operator import randn
from lmaps_science.problems.blackhole.likelihood import cartesian, inverse, polar, wrap


@dataclass(frozen=True)
class ClosureTable:
    """Which visibilities make each closure quantity.

    Attributes
    ----------
    phase_index, phase_conjugate : ndarray
        (closure phases, 3): φ1 + φ2 + φ3, negative where conjugate.
    amplitude_index : ndarray
        (log closure amplitudes, 4): a1 + a2 - a3 - a4.
    """

    phase_index: ArrayLike
    phase_conjugate: ArrayLike
    amplitude_index: ArrayLike


@dataclass(frozen=True)
class Measured:
    """The parts of a datum vector, each (batch, count)."""

    amplitude: Tensor
    amplitude_sigma: Tensor
    phase: Tensor
    phase_sigma: Tensor
    log_amplitude: Tensor
    log_amplitude_sigma: Tensor
    flux: Tensor

    def joined(self) -> Tensor:
        """The vector, (batch, 1, data, 1)."""
        return torch.cat(list(vars(self).values()), 1)[:, None, :, None]


class InverseBenchClosures:
    """InverseBench's weighted χ² of amplitudes, closures and flux.

    The last visibility is that of the zero baseline: its real part is the total flux. The
    loss is 2 Σ w_k n_k χ²_k; residuals of closure phases are chords, 2 sin(Δ/2) / σ.

    Parameters
    ----------
    table : ClosureTable
        Closure quantities.
    sigma : array
        Thermal noise of the visibilities, (visibilities,), zero baseline left out.
    w1, w2, w3, w4 : float
        Weights of amplitudes, closure phases, log closure amplitudes and flux.
    device : str or torch.device
        Where to compute.
    """

    loss_weight = 0.25
    scale_free = False

    def __init__(
        self,
        table: ClosureTable,
        sigma: ArrayLike,
        w1: float = 0.0,
        w2: float = 1.0,
        w3: float = 1.0,
        w4: float = 0.5,
        device: str | torch.device = "cpu",
    ) -> None:
        weights = {"w1": w1, "w2": w2, "w3": w3, "w4": w4}
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"{name}: expected a weight >= 0, got {weight}")
        self.weights = tuple(weights.values())
        sign = 1 - 2 * torch.as_tensor(np.asarray(table.phase_conjugate))
        self.phase_sign = sign.double().to(device)
        self.phase_index = torch.as_tensor(np.asarray(table.phase_index)).to(device)
        self.amplitude_index = torch.as_tensor(np.asarray(table.amplitude_index)).to(device)
        self.amplitude_sign = torch.tensor([1.0, 1, -1, -1], dtype=torch.float64, device=device)
        self.sigma = torch.as_tensor(np.asarray(sigma), dtype=torch.float64).to(device)
        counts = len(self.sigma), len(self.phase_index), len(self.amplitude_index)
        self.counts = (*(count for count in counts for _ in range(2)), 1)
        self.data_shape = (1, sum(self.counts), 1)

    def split(self, y: Tensor) -> Measured:
        """Parts of datum vectors (batch, 1, data, 1)."""
        return Measured(*y.flatten(1).split(self.counts, 1))

    def predict(self, visibilities: Tensor) -> Tensor:
        """Data of noiseless or of noisy visibilities, (batch, 1, data, 1)."""
        return self.measure(visibilities, visibilities[:, -1:].real).joined()

    def measure(self, visibilities: Tensor, flux: Tensor) -> Measured:
        """Amplitudes and closures with their sigmas, beside a flux (batch, 1)."""
        phase, log_amplitude = self._closures(visibilities)
        amplitude = visibilities[:, :-1].abs()
        sigma = self.sigma.to(amplitude)
        squared = (sigma / amplitude).square()
        return Measured(
            amplitude,
            sigma.expand_as(amplitude),
            wrap(phase),
            squared[:, self.phase_index].sum(-1).sqrt(),
            log_amplitude,
            squared[:, self.amplitude_index].sum(-1).sqrt(),
            flux,
        )

    def residual(self, visibilities: Tensor, y: Tensor) -> Tensor:
        """r with Σ r² = loss; amplitudes only where they have a weight."""
        return self._residual_and_slope(visibilities, y)[0]

    def pull_back(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """r and G^H r."""
        r, slope = self._residual_and_slope(visibilities, y)
        amplitude, phase, log_amplitude, flux = (r * slope).split(self._sizes(), 1)
        by_phase, by_amplitude = torch.zeros(2, *visibilities.shape).to(r)
        signed = phase[..., None] * self.phase_sign.to(r)
        by_phase.index_add_(1, self.phase_index.flatten(), signed.flatten(1))
        signed = log_amplitude[..., None] * self.amplitude_sign.to(r)
        by_amplitude.index_add_(1, self.amplitude_index.flatten(), signed.flatten(1))
        if self.weights[0]:
            by_amplitude[:, :-1] += amplitude
        gradient = cartesian(by_phase, by_amplitude, visibilities)
        gradient[:, -1:] += flux
        return r, gradient

    def push_forward(
        self, visibilities: Tensor, y: Tensor, directions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """r and G times directions."""
        r, slope = self._residual_and_slope(visibilities, y)
        relative = directions * inverse(visibilities)[..., None]
        by_phase, by_amplitude = relative.imag, relative.real
        signs = self.phase_sign.to(r)[..., None], self.amplitude_sign.to(r)[:, None]
        parts = [
            by_amplitude[:, : self._sizes()[0]],
            (by_phase[:, self.phase_index] * signs[0]).sum(-2),
            (by_amplitude[:, self.amplitude_index] * signs[1]).sum(-2),
            directions[-1:].real.expand(len(r), -1, -1),
        ]
        return r, slope[..., None] * torch.cat(parts, 1)

    def chi_squared(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """χ² of closure phases, 2 <(1 - cos Δ) / σ²>, and of log closure amplitudes."""
        data = self.split(y)
        phase, log_amplitude = self._closures(visibilities)
        chord = (1 - (phase - data.phase).cos()) / data.phase_sigma.square()
        squares = ((log_amplitude - data.log_amplitude) / data.log_amplitude_sigma).square()
        return 2 * chord.mean(1), squares.mean(1)

    def perturb(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """`y` plus the independent noise whose likelihood the loss is."""
        data = self.split(y)
        flux_sigma = torch.full_like(data.flux, 2.0)
        noise = [
            randn(value, generator) * (sigma / weight**0.5 if weight else 0 * sigma)
            for value, sigma, weight in zip(
                (data.amplitude, data.phase, data.log_amplitude, data.flux),
                (data.amplitude_sigma, data.phase_sigma, data.log_amplitude_sigma, flux_sigma),
                self.weights,
                strict=True,
            )
        ]
        amplitude, phase, log_amplitude, flux = noise
        return Measured(
            data.amplitude + amplitude,
            data.amplitude_sigma,
            data.phase + phase,
            data.phase_sigma,
            data.log_amplitude + log_amplitude,
            data.log_amplitude_sigma,
            data.flux + flux,
        ).joined()

    def _closures(self, visibilities: Tensor) -> tuple[Tensor, Tensor]:
        phase, amplitude = polar(visibilities)
        return (
            (phase[:, self.phase_index] * self.phase_sign.to(phase)).sum(-1),
            (amplitude[:, self.amplitude_index] * self.amplitude_sign.to(phase)).sum(-1),
        )

    def _residual_and_slope(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """r, and its derivatives by log amplitude, closure phase, log closure amplitude, flux."""
        data = self.split(y.to(visibilities.real.dtype))
        scales = [(2 * weight) ** 0.5 for weight in self.weights]
        used = slice(self.counts[0] if self.weights[0] else 0)
        amplitude = visibilities[:, :-1].abs()[:, used]
        amplitude_scale = scales[0] / data.amplitude_sigma[:, used]
        phase, log_amplitude = self._closures(visibilities)
        half = wrap(phase - data.phase) / 2
        phase_scale = scales[1] / data.phase_sigma
        log_scale = scales[2] / data.log_amplitude_sigma
        flux = visibilities[:, -1:].real - data.flux
        residual = [
            (amplitude - data.amplitude[:, used]) * amplitude_scale,
            2 * half.sin() * phase_scale,
            (log_amplitude - data.log_amplitude) * log_scale,
            flux * scales[3] / 2,
        ]
        slope = [
            amplitude * amplitude_scale,
            half.cos() * phase_scale,
            log_scale.expand_as(log_amplitude),
            torch.full_like(flux, scales[3] / 2),
        ]
        return torch.cat(residual, 1), torch.cat([a.expand(len(flux), -1) for a in slope], 1)

    def _sizes(self) -> list[int]:
        amplitudes, _, phases, _, log_amplitudes, _, flux = self.counts
        return [amplitudes if self.weights[0] else 0, phases, log_amplitudes, flux]

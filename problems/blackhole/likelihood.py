"""The likelihood of closure quantities given visibilities, as a sum of squared residuals.

With φ = arg V and a = log |V|, a function of φ and a has the gradient

    (d/da + i d/dφ) / V*

in the real and imaginary parts of V, and dV changes a + iφ by dV / V. All that follows is
chain rule on these.
"""

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lmaps_science.operator import randn
from lmaps_science.problems.blackhole.closures import Closures

_TINY = 1e-20


class Likelihood(Protocol):
    """-log p(y | V) = loss_weight Σ r(V, y)² + const, of complex V (batch, visibilities).

    It is `scale_free` if it does not change when V is multiplied by a positive number.
    """

    loss_weight: float
    data_shape: tuple[int, ...]
    scale_free: bool

    def predict(self, visibilities: Tensor) -> Tensor:
        """Noiseless data (batch, *data_shape)."""

    def residual(self, visibilities: Tensor, y: Tensor) -> Tensor:
        """r, (batch, residuals)."""

    def pull_back(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """r, and G^H r with G = dr/dV, complex, (batch, visibilities)."""

    def push_forward(
        self, visibilities: Tensor, y: Tensor, directions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """r, and its change along each of the complex directions (visibilities, n) of V."""

    def chi_squared(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Reduced χ² of closure phases and of log closure amplitudes, each (batch,)."""

    def perturb(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """`y` plus the noise that the likelihood states."""


def polar(visibilities: Tensor) -> tuple[Tensor, Tensor]:
    """Phase and log amplitude."""
    return visibilities.angle(), visibilities.abs().clamp(min=_TINY).log()


def cartesian(phase_gradient: Tensor, amplitude_gradient: Tensor, visibilities: Tensor) -> Tensor:
    """Gradient in real and imaginary parts of a function of phase and log amplitude."""
    return torch.complex(amplitude_gradient, phase_gradient) * inverse(visibilities).conj()


def inverse(visibilities: Tensor) -> Tensor:
    """1 / V."""
    return visibilities.conj() / visibilities.abs().square().clamp(min=_TINY**2)


def wrap(angle: Tensor) -> Tensor:
    """Angle modulo 2π, in [-π, π)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


class WhitenedClosures:
    """Gaussian closure phases and log closure amplitudes with their covariances.

    Data are the closure phases (radian), then the log closure amplitudes; the residuals are
    whitened, so each has unit variance.

    Parameters
    ----------
    closures : Closures
        Which combinations of visibilities.
    device : str or torch.device
        Where to compute.
    """

    loss_weight = 0.5
    scale_free = True

    def __init__(self, closures: Closures, device: str | torch.device = "cpu") -> None:
        self.num_phases = len(closures.phase)
        self.data_shape = (self.num_phases + len(closures.log_amplitude),)
        arrays = {
            "phase": closures.phase,
            "amplitude": closures.log_amplitude,
            "phase_factor": np.linalg.cholesky(closures.phase_covariance),
            "amplitude_factor": np.linalg.cholesky(closures.log_amplitude_covariance),
        }
        arrays["phase_whitener"] = np.linalg.inv(arrays["phase_factor"])
        arrays["amplitude_whitener"] = np.linalg.inv(arrays["amplitude_factor"])
        arrays["whitened_phase"] = arrays["phase_whitener"] @ arrays["phase"]
        arrays["whitened_amplitude"] = arrays["amplitude_whitener"] @ arrays["amplitude"]
        double = {name: torch.from_numpy(a).to(device) for name, a in arrays.items()}
        self._maps = {
            torch.float64: double,
            torch.float32: {name: a.float() for name, a in double.items()},
        }

    def predict(self, visibilities: Tensor) -> Tensor:
        """Closure phases in [-π, π), then log closure amplitudes."""
        maps, (phase, amplitude) = self._maps[visibilities.real.dtype], polar(visibilities)
        return torch.cat([wrap(phase @ maps["phase"].T), amplitude @ maps["amplitude"].T], -1)

    def residual(self, visibilities: Tensor, y: Tensor) -> Tensor:
        """Whitened residuals, (batch, data)."""
        maps = self._maps[visibilities.real.dtype]
        difference = self.predict(visibilities) - y.to(visibilities.real.dtype)
        phase, amplitude = difference.tensor_split([self.num_phases], -1)
        whitened = [
            wrap(phase) @ maps["phase_whitener"].T,
            amplitude @ maps["amplitude_whitener"].T,
        ]
        return torch.cat(whitened, -1)

    def pull_back(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """r and G^H r."""
        maps = self._maps[visibilities.real.dtype]
        r = self.residual(visibilities, y)
        phase, amplitude = r.tensor_split([self.num_phases], -1)
        gradients = phase @ maps["whitened_phase"], amplitude @ maps["whitened_amplitude"]
        return r, cartesian(*gradients, visibilities)

    def push_forward(
        self, visibilities: Tensor, y: Tensor, directions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """r and G times directions, (batch, data, n)."""
        maps = self._maps[visibilities.real.dtype]
        relative = directions * inverse(visibilities)[..., None]
        changes = maps["whitened_phase"] @ relative.imag, maps["whitened_amplitude"] @ relative.real
        return self.residual(visibilities, y), torch.cat(changes, 1)

    def chi_squared(self, visibilities: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared whitened residual of each kind; NaN of a kind that has none."""
        squares = self.residual(visibilities, y).square()
        phase, amplitude = squares.tensor_split([self.num_phases], -1)
        return phase.mean(-1), amplitude.mean(-1)

    def perturb(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """`y` plus correlated noise."""
        maps, noise = self._maps[y.dtype], randn(y, generator)
        phase, amplitude = noise.tensor_split([self.num_phases], -1)
        factors = maps["phase_factor"].T, maps["amplitude_factor"].T
        return y + torch.cat([phase @ factors[0], amplitude @ factors[1]], -1)

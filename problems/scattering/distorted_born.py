"""The scattered field to first order in the contrast, about no contrast or about a given one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lmaps_science.operator import AffineOperator, per_item
from lmaps_science.problems.scattering.bands import Band


@dataclass(frozen=True, eq=False)
class Expansion:
    """One frequency's data, expanded about a contrast; noise of unit total variance.

    Attributes
    ----------
    band : Band
        The sensors.
    transmitted, received : Tensor
        Total fields of the transmitters, (batch or 1, transmitters, y, x), and of the waves
        that the receivers see, (batch or 1, waves, y, x).
    value : Tensor
        The data of that contrast, (batch or 1, transmitters, receivers).
    factor : Tensor
        Instrument's gain over the noise, (batch or 1, 1, 1).
    free_gain : bool
        Whether the gain follows the contrast: what looks like a change of gain is then taken
        out of the derivative (Kaufman's variable projection).
    """

    band: Band
    transmitted: Tensor
    received: Tensor
    value: Tensor
    factor: Tensor
    free_gain: bool = False

    def derivative(self, change: Tensor) -> Tensor:
        """Change of the data with the contrast, (batch, transmitters, receivers)."""
        return self._projected(
            self.factor * self.band.data(change, self.transmitted, self.received)
        )

    def adjoint(self, data: Tensor) -> Tensor:
        """Real adjoint of `derivative`, (batch, 1, y, x)."""
        data = self.factor.conj() * self._projected(data.to(self.received.dtype))
        return self.band.adjoint(data, self.transmitted, self.received)

    def _projected(self, data: Tensor) -> Tensor:
        if not self.free_gain:
            return data
        energy = per_item(self.value.abs().square()).clamp(min=1e-30)
        share = per_item(self.value.conj() * data) / energy
        return data - share[:, None, None] * self.value


class DistortedBorn(AffineOperator):
    """First-order expansion of the scattered fields of several frequencies.

    y_tr = y⁰_tr + dx² Σ_p (f - f⁰)(p) u_t(p) g_r(p), with u_t the total field of transmitter t
    and g_r, by reciprocity, that of a source at receiver r. About f⁰ = 0 both are the incident
    ones and this is the first Born approximation.

    Parameters
    ----------
    expansions : sequence of Expansion
        One per frequency.
    contrast : Tensor
        f⁰, (batch or 1, 1, y, x).
    contrast_scale : float
        Contrast of an image at x = 1; x = -1 is the background.

    References
    ----------
    Chew and Wang, IEEE Trans. Med. Imaging 9, 218 (1990).
    """

    problem = "scattering"
    complex_data = True

    def __init__(
        self, expansions: Sequence[Expansion], contrast: Tensor, contrast_scale: float
    ) -> None:
        super().__init__(
            (1, *contrast.shape[2:]),
            sigma_noise=1.0,
            unnorm_shift=1.0,
            unnorm_scale=0.5 * contrast_scale,
            device=contrast.device,
        )
        self.expansions, self.contrast = expansions, contrast
        self.geometry = expansions[0].band.geometry
        self.mask = torch.stack([expansion.band.mask for expansion in expansions])

    @property
    def num_data(self) -> int:
        """Number of complex data measured."""
        return int(self.mask.sum())

    def forward(self, x: Tensor) -> Tensor:
        """Data over their noise, (batch, frequencies, transmitters, receivers)."""
        change = self.unnormalize(x) - self.contrast
        return torch.stack(
            [e.factor * e.value + e.derivative(change) for e in self.expansions], dim=1
        )

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, (batch, 1, y, x)."""
        images = [e.adjoint(y[:, i]) for i, e in enumerate(self.expansions)]
        return self.unnorm_scale * torch.stack(images).sum(0)

    def normal(self, x: Tensor) -> Tensor:
        """J^T J x."""
        change = self.unnorm_scale * x
        images = [e.adjoint(e.derivative(change)) for e in self.expansions]
        return self.unnorm_scale * torch.stack(images).sum(0)

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient 2 J^T (H(x) - y)."""
        residual = self.forward(x) - y
        return per_item(residual.abs().square()), 2 * self.adjoint(residual).to(x)

"""An operator of ours behind InverseBench's interface of forward operators.

Noise comes from torch's global generator, which the host seeds.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.operator import AffineOperator, Operator, per_item

_THRESHOLD = 1e-3
_UNSEEN = 1e-12


class HostForward:
    """What every algorithm of InverseBench calls.

    Parameters
    ----------
    operator : Operator
        Of ours.
    """

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    @property
    def sigma_noise(self) -> float:
        """Noise level of a datum."""
        return self.operator.sigma_noise

    @property
    def unnorm_shift(self) -> float:
        """Physical image = (x + unnorm_shift) * unnorm_scale."""
        return self.operator.unnorm_shift

    @property
    def unnorm_scale(self) -> float:
        """Physical image = (x + unnorm_shift) * unnorm_scale."""
        return self.operator.unnorm_scale

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.operator.device

    def __call__(self, data: Mapping[str, Tensor]) -> Tensor:
        """Measure ``data["target"]``, (1, ...), in double precision as the host does."""
        return self.operator({"target": data["target"].double()})

    def forward(self, inputs: Tensor, unnormalize: bool = True) -> Tensor:
        """Noiseless data of images, normalised unless `unnormalize` is false."""
        return self.operator.forward(inputs if unnormalize else self.normalize(inputs))

    def loss(self, pred: Tensor, observation: Tensor, unnormalize: bool = True) -> Tensor:
        """Data misfit, (batch,)."""
        x = pred if unnormalize else self.normalize(pred)
        return self.operator.loss(x, self._data(observation))

    def gradient(
        self, pred: Tensor, observation: Tensor, return_loss: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Gradient of the loss; on request also the loss, summed over the batch."""
        loss, gradient = self.operator.loss_and_gradient(pred.detach(), self._data(observation))
        return (gradient, loss.sum()) if return_loss else gradient

    def loss_m(self, measurements: Tensor, observation: Tensor) -> Tensor:
        """Loss of data instead of images, (batch,)."""
        return per_item((measurements - observation).abs().square())

    def gradient_m(self, measurements: Tensor, observation: Tensor) -> Tensor:
        """Gradient of `loss_m` with respect to the data."""
        with torch.enable_grad():
            measurements = measurements.detach().requires_grad_(True)
            loss = self.loss_m(measurements, observation).sum()
            return torch.autograd.grad(loss, measurements)[0]

    def normalize(self, inputs: Tensor) -> Tensor:
        """From physical units to the prior's range."""
        return self.operator.normalize(inputs)

    def unnormalize(self, inputs: Tensor) -> Tensor:
        """From the prior's range to physical units."""
        return self.operator.unnormalize(inputs)

    def close(self) -> None:
        """Nothing to release."""

    def _data(self, observation: Tensor) -> Tensor:
        """Data (batch, ...), whatever axes of length 1 the host's repeats have put in."""
        return observation.reshape(-1, *self.operator.data_shape)


class LinearForward(HostForward):
    """The singular value decomposition A = U S V^T of an affine operator, from its spectrum.

    A acts on physical images. Coefficients are those of what the data see, then the image of
    what they do not, so that V V^T = 1 without a dense basis of it.
    """

    operator: AffineOperator
    precision = torch.float64

    @cached_property
    def A(self) -> Tensor:  # noqa: N802
        """A, (real data, pixels), of the data's precision; dense, so for small problems."""
        shape = self.operator.image_shape
        unit = torch.eye(int(np.prod(shape)), dtype=torch.float64, device=self.device)
        data = self.operator.forward(unit.view(-1, *shape)) - self.operator.offset()
        data = torch.view_as_real(data) if data.is_complex() else data
        return (data.flatten(1).T / self.unnorm_scale).to(self.precision)

    @property
    def S(self) -> Tensor:  # noqa: N802
        """Singular values; a tiny number for what the data do not see."""
        seen = self._spectrum.values.double().sqrt() / self.unnorm_scale
        return torch.cat([seen, torch.full((self._num_pixels,), _UNSEEN).to(seen)])

    @property
    def M(self) -> Tensor:  # noqa: N802
        """1 where a singular value is above 1e-3, else 0."""
        return (self.S > _THRESHOLD).float()

    def Vt(self, x: Tensor) -> Tensor:  # noqa: N802
        """Coefficients of images (batch, channels, y, x)."""
        seen = self._spectrum.analysis(x)
        unseen = (x - self._spectrum.synthesis(seen)).flatten(1)
        return torch.cat([seen.double(), unseen.double()], 1)

    def V(self, coefficients: Tensor) -> Tensor:  # noqa: N802
        """Images, (batch, channels, y, x), float32."""
        seen, unseen = coefficients.split([len(self._spectrum.values), self._num_pixels], 1)
        image = unseen.view(-1, *self.operator.image_shape)
        image = image - self._spectrum.synthesis(self._spectrum.analysis(image))
        return (image + self._spectrum.synthesis(seen)).float()

    def Ut(self, y: Tensor) -> Tensor:  # noqa: N802
        """Coefficients of data (batch, ...)."""
        correlation = self._spectrum.analysis(self.operator.adjoint(self._data(y)))
        seen = correlation.double() / self._spectrum.values.double().sqrt()
        return torch.cat([seen, seen.new_zeros(len(seen), self._num_pixels)], 1)

    def U(self, coefficients: Tensor) -> Tensor:  # noqa: N802
        """Data of coefficients; no data for what they do not see."""
        seen = coefficients[:, : len(self._spectrum.values)] / self._spectrum.values.sqrt()
        image = self._spectrum.synthesis(seen)
        return self.operator.forward(image) - self.operator.offset()

    def pseudo_inverse(self, y: Tensor) -> Tensor:
        """Normalised image of least squares, what the data do not see being 0 in its units."""
        seen = len(self._spectrum.values)
        return self.normalize(self._spectrum.synthesis(self.Ut(y)[:, :seen] / self.S[:seen]))

    @property
    def _num_pixels(self) -> int:
        return int(np.prod(self.operator.image_shape))

    @property
    def _spectrum(self) -> Any:  # noqa: ANN401
        spectrum = self.operator.spectrum()
        if spectrum is None:
            raise ValueError(f"{type(self).__name__}: no singular value decomposition to be had")
        return spectrum

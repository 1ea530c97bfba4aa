"""InverseBench's full-waveform inversion, whose observation is a list of devito's receivers."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.inversebench.likelihood import HostOperator, Traits, gradient_by_host


class HostAcousticWave(HostOperator):
    """InverseBench's `AcousticWave` with the receivers of one observation.

    Its loss is half the sum of squares; its gradient, from an adjoint wave, takes one image and
    the receivers themselves.

    Parameters
    ----------
    host : AcousticWave
        InverseBench's operator.
    image_shape : tuple of int
        (1, depth, x).
    receivers : list
        One of devito's per shot; left as they are.

    Attributes
    ----------
    y : Tensor
        Their data, (1, shots, times, receivers), float32.
    """

    def __init__(
        self,
        host: Any,  # noqa: ANN401
        image_shape: tuple[int, int, int],
        receivers: Any,  # noqa: ANN401
    ) -> None:
        if not isinstance(receivers, list) or not all(hasattr(r, "data") for r in receivers):
            raise ValueError(
                "observation: expected AcousticWave's list of receivers, got "
                f"{type(receivers).__name__}"
            )
        traces = np.stack([np.array(receiver.data) for receiver in receivers])
        self.y = torch.from_numpy(traces)[None].to(host.device)
        traits = Traits(
            data_shape=tuple(self.y.shape[1:]),
            complex_data=False,
            batched=True,
            differentiable=False,
            quadratic=False,
            loss_scale=0.5,
        )
        super().__init__(host, image_shape, traits)
        self.receivers = copy.deepcopy(receivers)

    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient with respect to x."""
        results = []
        for image, traces in zip(x.split(1), y, strict=True):
            for receiver, trace in zip(self.receivers, traces.cpu().numpy(), strict=True):
                receiver.data[:] = trace
            results.append(gradient_by_host(self.host, image, [self.receivers]))
        losses, gradients = zip(*results, strict=True)
        return torch.cat(losses), torch.cat(gradients)

"""Phase retrieval: the magnitude of an image's Fourier transform."""

import torch
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.problems.restoration.grey import GreyScale


class PhaseRetrieval(Operator):
    """Magnitudes of the oversampled Fourier transform, with Gaussian noise.

    The image, its mirror image and its shifts within the frame have the same data.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    sigma_noise : float
        Standard deviation of a magnitude, of an orthonormal transform of grey values.
    oversampling : int
        The frame around the image, in its sides; 2 makes the problem solvable in principle.
    grey, device
        As for `LinearDegradation`.
    """

    problem = "image"

    def __init__(
        self,
        shape: tuple[int, int],
        sigma_noise: float,
        oversampling: int = 2,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        if oversampling < 1:
            raise ValueError(f"oversampling: expected 1 or more, got {oversampling}")
        super().__init__((1, *shape), sigma_noise, grey.check().shift, grey.scale, device)
        self.frame = (oversampling * shape[0], oversampling * shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """Magnitudes, (batch, 1, frame y, frame x)."""
        return torch.fft.fft2(self.unnormalize(x), s=self.frame, norm="ortho").abs()

"""Visibilities of an image: the discrete Fourier transform at measured spatial frequencies."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RADIANS_PER_UAS = np.pi / 180 / 3600 * 1e-6


class FourierSampling:
    """V(u, v) = Σ I(l, m) exp(2πi (u l + v m)) P(u) P(v) of square images.

    l grows to the east, which is to the left of an image, m to the north, up; the image's
    centre is the origin. P is the Fourier transform of a triangle of two pixels, with which
    ehtim interpolates between pixels. The transform is a product of one matrix per axis.

    Parameters
    ----------
    uv : ndarray
        Spatial frequencies, (visibilities, 2), wavelengths.
    image_size : int
        Pixels along each side.
    pixel_size : float
        Radian.
    device : str or torch.device
        Where to compute.
    """

    def __init__(
        self,
        uv: NDArray[np.float64],
        image_size: int,
        pixel_size: float,
        device: str | torch.device = "cpu",
    ) -> None:
        position = pixel_size * ((image_size - 1) / 2 - np.arange(image_size))
        phase = 2j * np.pi * uv.T[:, None, :] * position[:, None]
        waves = torch.from_numpy(np.exp(phase) * np.sinc(pixel_size * uv.T[:, None, :]) ** 2)
        double = waves.to(device).unbind(0)
        self._waves = {
            torch.float64: double,
            torch.float32: (double[0].to(torch.complex64), double[1].to(torch.complex64)),
        }

    def __len__(self) -> int:
        """Number of visibilities."""
        return self._waves[torch.float64][0].shape[1]

    def forward(self, image: Tensor) -> Tensor:
        """Visibilities (batch, visibilities), complex, of images (batch, 1, y, x)."""
        along_x, along_y = self._waves[image.dtype]
        rows = image[:, 0] @ torch.view_as_real(along_x).flatten(1)
        return (torch.view_as_complex(rows.unflatten(-1, (-1, 2))) * along_y).sum(1)

    def adjoint(self, visibilities: Tensor) -> Tensor:
        """Re(A^H V), images (batch, 1, y, x), of complex V (batch, visibilities)."""
        along_x, along_y = self._waves[visibilities.real.dtype]
        rows = torch.view_as_real(visibilities[:, None] * along_y.conj()).flatten(2)
        return (rows @ torch.view_as_real(along_x).flatten(1).T)[:, None]

    def matrix(self) -> Tensor:
        """Real parts over imaginary parts of A, (2 visibilities, pixels), float64."""
        along_x, along_y = self._waves[torch.float64]
        matrix = (along_y[:, None] * along_x[None]).flatten(0, 1).T
        return torch.cat([matrix.real, matrix.imag])


def split_complex(visibilities: Tensor) -> Tensor:
    """Real parts, then imaginary parts, along the last axis."""
    return torch.cat([visibilities.real, visibilities.imag], -1)


def join_complex(parts: Tensor) -> Tensor:
    """Undo `split_complex`."""
    return torch.complex(*parts.chunk(2, -1))

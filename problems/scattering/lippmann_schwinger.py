"""Total fields inside an object: the Lippmann-Schwinger integral equation."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, bicgstab
from scipy.special import hankel1, j0, j1
from torch import Tensor

from lmaps_science.problems.scattering.geometry import Geometry

FieldSolver = Callable[[Tensor, Tensor], Tensor]
"""Total fields (batch, n, y, x) of contrasts (batch, 1, y, x) in incident fields (n, y, x).

NaN for an image that scatters too strongly for it.
"""

FieldSolverFactory = Callable[[Geometry, torch.device], FieldSolver]
"""A `FieldSolver` for the grid and wavenumber of a geometry."""

_LARGEST_RESIDUAL = 0.05


class LippmannSchwinger:
    """Solves u = u_inc + k² ∫ (i/4) H0⁽¹⁾(k|p - q|) χ(q) u(q) dq by BiCGSTAB.

    Parameters
    ----------
    geometry : Geometry
        Of its sensors nothing matters.
    device : torch.device
        Where to convolve.
    tolerance : float
        Of the residual of all incident fields together, relative to these.
    max_iterations : int
        Of two convolutions each.
    dtype : torch.dtype
        Complex.

    Raises
    ------
    ValueError
        If the pixels are too coarse for the wave.

    References
    ----------
    van der Vorst, SIAM J. Sci. Stat. Comput. 13, 631 (1992).
    """

    def __init__(
        self,
        geometry: Geometry,
        device: torch.device,
        tolerance: float = 3e-4,
        max_iterations: int = 200,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        wavelength = 2 * np.pi / geometry.wavenumber
        if wavelength < 2 * geometry.pixel_size:
            raise ValueError(
                f"full-wave scattering: a wavelength of {wavelength:.3g} m needs pixels of at most "
                f"half of it, got {geometry.pixel_size:.3g} m: use a finer grid or a lower "
                "frequency"
            )
        self.k2, self.shape = geometry.wavenumber**2, geometry.grid_shape
        self.tolerance, self.max_iterations, self.dtype = tolerance, max_iterations, dtype
        kernel = torch.from_numpy(self.k2 * truncated_kernel(geometry))
        self.kernel = torch.fft.fft2(kernel).to(device, dtype)

    @torch.no_grad()
    def __call__(self, contrast: Tensor, incident: Tensor) -> Tensor:
        """Total fields, (batch, n, y, x); NaN where none was found.

        Parameters
        ----------
        contrast : Tensor
            Permittivity contrast, real, (batch, 1, y, x).
        incident : Tensor
            Incident fields, complex, (n, y, x).
        """
        incident = incident.to(self.dtype)
        return torch.stack([self._total(c, incident) for c in contrast.to(self.dtype)])

    def _total(self, contrast: Tensor, incident: Tensor) -> Tensor:
        def equation(values: NDArray) -> NDArray:
            field = torch.from_numpy(values).to(incident).view_as(incident)
            return (field - self._convolve(contrast * field)).cpu().numpy().ravel()

        right = incident.cpu().numpy().ravel()
        operator = LinearOperator((right.size, right.size), equation, dtype=right.dtype)
        field, _ = bicgstab(
            operator, right, x0=right, rtol=self.tolerance, atol=0, maxiter=self.max_iterations
        )
        residual = np.linalg.norm(operator @ field - right) / np.linalg.norm(right)
        if not residual < _LARGEST_RESIDUAL:
            return torch.full_like(incident, torch.nan)
        return torch.from_numpy(field).to(incident).view_as(incident)

    def _convolve(self, source: Tensor) -> Tensor:
        height, width = self.shape
        spectrum = torch.fft.fft2(source, s=self.kernel.shape)
        return torch.fft.ifft2(spectrum * self.kernel)[..., :height, :width]


def truncated_kernel(geometry: Geometry) -> NDArray[np.complex128]:
    """dx² (i/4) H0⁽¹⁾(k|d|) between pixels at offsets d, (2 Ny, 2 Nx), in the order of an FFT.

    The Green's function is cut off beyond the longest offset, which makes its Fourier transform
    smooth; on a grid that resolves the field, the sum over pixels is then as exact as they are.

    References
    ----------
    Vico, Greengard, Ferrando, J. Comput. Phys. 323, 191 (2016), eq. 16.
    """
    side = max(geometry.grid_shape)
    # Off the grid's own frequencies s, at which the quotient is 0 / 0.
    k = geometry.wavenumber * (1 + 1e-9)
    cutoff = math.sqrt(2) * 1.05 * side * geometry.pixel_size
    frequencies = 2 * np.pi * np.fft.fftfreq(4 * side, geometry.pixel_size)
    s = np.hypot(frequencies[:, None], frequencies)
    at_rim = s * j1(cutoff * s) * hankel1(0, cutoff * k) - k * j0(cutoff * s) * hankel1(
        1, cutoff * k
    )
    transform = (1 + 0.5j * np.pi * cutoff * at_rim) / (s**2 - k**2)
    kernel = np.fft.ifft2(transform)
    offsets = [np.r_[:n, -n:0] for n in geometry.grid_shape]
    return kernel[np.ix_(*offsets)]

"""Total fields inside an object, with the integral kernel and the Krylov solver of deepinv."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

FieldSolver = Callable[[Tensor, Tensor], Tensor]
"""Total fields (batch, n, y, x) of contrasts (batch, 1, y, x) in incident fields (n, y, x)."""

FieldSolverFactory = Callable[[float, float, int, torch.device], FieldSolver]
"""A `FieldSolver` for a wavenumber (rad/m), pixel size (metre), pixels a side and device."""

_LARGEST_RESIDUAL = 0.05


class LippmannSchwinger:
    """Solves u = u_inc + k² ∫ (i/4) H0⁽¹⁾(k|p - q|) χ(q) u(q) dq by BiCGSTAB.

    Parameters
    ----------
    wavenumber : float
        In the background medium, rad/m.
    pixel_size : float
        Metre.
    num_pixels : int
        Along the longer side of the grid.
    device : torch.device
        Where to solve.
    tolerance : float
        Of the residual, relative to the incident fields.
    max_iterations : int
        Two products with the kernel each.
    dtype : torch.dtype
        Complex.

    Raises
    ------
    ImportError
        If deepinv is not installed.
    ValueError
        If the pixels are too coarse for the wave.

    References
    ----------
    Vico, Greengard, Ferrando, J. Comput. Phys. 323, 191 (2016), for the kernel.
    """

    def __init__(
        self,
        wavenumber: float,
        pixel_size: float,
        num_pixels: int,
        device: torch.device,
        tolerance: float = 1e-3,
        max_iterations: int = 400,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        self._deepinv = _import_deepinv()
        wavelength = 2 * torch.pi / wavenumber
        if wavelength < 2 * pixel_size:
            raise ValueError(
                f"full-wave scattering: a wavelength of {wavelength:.3g} m needs pixels of at "
                f"most half of it, got {pixel_size:.3g} m: use a finer grid or a lower frequency"
            )
        self.num_pixels, self.dtype, self.k2 = num_pixels, dtype, wavenumber**2
        self.tolerance, self.max_iterations = tolerance, max_iterations
        # In double precision, where its terms cancel, and off the grid's own frequencies, where
        # the kernel is 0 / 0.
        k = torch.tensor(wavenumber * (1 + 1e-9), dtype=torch.complex128)
        _, kernel = self._deepinv.green_fourier(num_pixels, num_pixels * pixel_size, k)
        self._kernel = kernel.to(device, dtype)

    @torch.no_grad()
    def __call__(self, contrast: Tensor, incident: Tensor) -> Tensor:
        """Total fields, (batch, n, y, x).

        Parameters
        ----------
        contrast : Tensor
            Permittivity contrast, real, (batch, 1, y, x).
        incident : Tensor
            Incident fields, complex, (n, y, x).

        Raises
        ------
        FloatingPointError
            If the equation could not be solved.
        """
        height, width = contrast.shape[2:]
        missing = (0, self.num_pixels - width, 0, self.num_pixels - height)
        incident = pad(incident.to(self.dtype), missing)
        potentials = pad(self.k2 * contrast.to(self.dtype), missing)
        return torch.stack([self._total(p, incident) for p in potentials])[..., :height, :width]

    def _total(self, potential: Tensor, incident: Tensor) -> Tensor:
        def equation(field: Tensor) -> Tensor:
            source = (potential * field)[None]
            return field - self._deepinv.apply_filter(source, self._kernel)[0]

        field: Tensor = self._deepinv.bicgstab(
            equation,
            incident,
            init=incident.clone(),
            max_iter=self.max_iterations,
            tol=self.tolerance,
            parallel_dim=None,  # one stopping rule for all fields of an image
        )
        residual = float((equation(field) - incident).norm() / incident.norm())
        if not residual < _LARGEST_RESIDUAL:
            raise FloatingPointError(
                f"full-wave scattering: the total field was not found, relative residual "
                f"{residual:.1e} after {self.max_iterations} iterations, at a largest contrast of "
                f"{float(potential.abs().max()) / self.k2:.3g}: the object scatters too strongly "
                "for this solver; lower contrast_scale or the highest frequency"
            )
        return field


class _Deepinv(NamedTuple):
    bicgstab: Callable[..., Tensor]
    green_fourier: Callable[..., Any]
    apply_filter: Callable[..., Tensor]


def _import_deepinv() -> _Deepinv:
    try:
        from deepinv.optim.linear import bicgstab
        from deepinv.physics.scattering import apply_filter, green_fourier
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            "full-wave scattering needs deepinv and a torchvision that fits the installed torch "
            f"({torch.__version__}): pip install 'lmaps-science[fullwave]'"
        ) from error
    return _Deepinv(bicgstab, green_fourier, apply_filter)

"""Linear inverse scattering: the first Born forward operator."""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lmaps_science.operator import AffineOperator, per_item
from lmaps_science.problems.scattering.fields import Fields, Tiling, compress
from lmaps_science.problems.scattering.geometry import Geometry

if TYPE_CHECKING:
    from lmaps_science.problems.scattering.spectrum import ScatteringSpectrum


class InverseScattering(AffineOperator):
    """Scattered fields of a weak scatterer: y_tr = dx² Σ_p f(p) u_t(p) g_r(p).

    f is the permittivity contrast, u_t the incident field of transmitter t and g_r the
    Green's function to receiver r. Everything follows the precision of its input: complex64
    for float32, complex128 for float64; on a GPU always complex128.

    Parameters
    ----------
    num_pixels : int
        Along each side of the object.
    side_length : float
        Of the object, metre.
    wavelength_in_pixels : float
        Wavelength over pixel size.
    num_transmitters, num_receivers : int
        On the circle, from 0 to 359 degrees, both included.
    sensor_radius : float
        Of the circle, metre.
    sigma_noise : float
        Standard deviation of the complex noise of a datum (its total variance is the square).
    convention : str
        ``"inversebench"``: conj(f u) g; ``"physical"``: f u g, time factor exp(-iωt).
    contrast_scale : float
        Contrast of an image at x = 1; x = -1 is the background.
    device : str or torch.device
        Where the operator computes.

    References
    ----------
    InverseBench, Zheng et al., arXiv 2503.11043, section 3.1.
    """

    problem = "scattering"
    complex_data = True

    def __init__(
        self,
        num_pixels: int = 128,
        side_length: float = 0.18,
        wavelength_in_pixels: float = 6,
        num_transmitters: int = 20,
        num_receivers: int = 360,
        sensor_radius: float = 1.6,
        sigma_noise: float = 1e-4,
        convention: str = "inversebench",
        contrast_scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        geometry = Geometry.on_circle(
            num_pixels,
            side_length,
            wavelength_in_pixels,
            num_transmitters,
            num_receivers,
            sensor_radius,
        )
        self._set_up(geometry, sigma_noise, convention, contrast_scale, device)

    @classmethod
    def from_geometry(
        cls,
        geometry: Geometry,
        sigma_noise: float,
        convention: str = "physical",
        contrast_scale: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> "InverseScattering":
        """Build the operator of any geometry; the other parameters are the class's.

        Parameters
        ----------
        geometry : Geometry
            Sensors and grid.
        sigma_noise, convention, contrast_scale, device
            As for the class; here the convention defaults to the physical one.

        Returns
        -------
        InverseScattering
        """
        operator = cls.__new__(cls)
        operator._set_up(geometry, sigma_noise, convention, contrast_scale, device)
        return operator

    def _set_up(
        self,
        geometry: Geometry,
        sigma_noise: float,
        convention: str,
        contrast_scale: float,
        device: str | torch.device,
    ) -> None:
        if convention not in ("inversebench", "physical"):
            raise ValueError(
                f"convention: expected 'inversebench' or 'physical', got {convention!r}"
            )
        if not (contrast_scale and math.isfinite(contrast_scale)):
            raise ValueError(
                f"contrast_scale: expected a number other than 0, got {contrast_scale}"
            )
        super().__init__(
            (1, *geometry.grid_shape),
            sigma_noise,
            unnorm_shift=1.0,
            unnorm_scale=0.5 * contrast_scale,
            device=device,
        )
        self.geometry = geometry
        self.convention = convention
        self.tiling = Tiling(geometry.grid_shape)
        double = compress(geometry, convention, self.tiling, self.device)
        self._fields = {torch.complex128: double, torch.complex64: double.to(torch.complex64)}
        mask = geometry.receiver_mask
        self.mask = None if mask is None else torch.from_numpy(mask).to(self.device)
        self._spectrum: ScatteringSpectrum | None = None

    @property
    def data_shape(self) -> tuple[int, int]:
        """(transmitters, receivers)."""
        return self.geometry.data_shape

    @property
    def num_data(self) -> int:
        """Number of complex data measured."""
        return math.prod(self.data_shape) if self.mask is None else int(self.mask.sum())

    def forward(self, x: Tensor) -> Tensor:
        """Scattered fields, (batch, transmitters, receivers), complex; zero where masked.

        Parameters
        ----------
        x : Tensor
            Normalised images, (batch, 1, y, x).

        Returns
        -------
        Tensor
        """
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"InverseScattering: expected images (batch, {expected}), got {tuple(x.shape)}"
            )
        return self._scatter(self.unnormalize(x))

    def offset(self) -> Tensor:
        """H(0), (1, transmitters, receivers), in double precision."""
        zeros = torch.zeros(1, *self.image_shape, dtype=torch.float64, device=self.device)
        return self.forward(zeros)

    def normal(self, x: Tensor) -> Tensor:
        """J^T J x, the shape of x."""
        return self.adjoint(self._scatter(self.unnorm_scale * x))

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, (batch, 1, y, x), of data (batch, transmitters, receivers)."""
        fields = self._factors(y.dtype)
        # On conj(y), so that no large factor has to be conjugated: Re(a* b) = Re(a b*).
        waves = fields.from_receivers(self._masked(y.to(fields.mix.dtype)).conj()) @ fields.mix.mT
        waves = waves.flatten(0, 1).unflatten(1, (len(fields.green), -1)).movedim(1, 0)
        waves = (waves @ fields.green.mT).unflatten(1, (len(y), -1))
        products = torch.view_as_real(waves) * torch.view_as_real(fields.incident)[:, None]
        real, imaginary = products.sum(2).unbind(-1)
        return self.unnorm_scale * self.tiling.join(real - imaginary)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of squared residuals |H(x) - y|² over the measured data, (batch,)."""
        return per_item(_squares(self._residual(x, y)))

    @torch.no_grad()
    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient 2 J^T (H(x) - y)."""
        residual = self._residual(x, y)
        return per_item(_squares(residual)), 2 * self.adjoint(residual).to(x.dtype)

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus complex noise of total variance sigma_noise², zero where masked."""
        return self._masked(super().perturb(y, generator))

    def spectrum(self) -> "ScatteringSpectrum":
        """Spectrum of J^T J; computed once per geometry and then read from the cache."""
        if self._spectrum is None:
            from lmaps_science.problems.scattering.spectrum import cached_spectrum

            fields = self._fields[torch.complex128]
            mix = fields.mix.unflatten(0, (len(fields.green), -1))
            self._spectrum = cached_spectrum(
                f"{self.geometry.digest()} {self.convention}",
                self.tiling.join(fields.incident)[:, 0],
                self.tiling.join((fields.green @ mix).mT)[:, 0],
                self._independent_data(),
                self.device,
            )
            self._spectrum.values *= self.unnorm_scale**2
        return self._spectrum

    def check_data(self, y: ArrayLike | Tensor) -> Tensor:
        """Measured data as the operator wants them.

        Parameters
        ----------
        y : array or Tensor
            Complex, (transmitters, receivers) or (cases, transmitters, receivers); anything,
            NaN included, where the mask says that nothing was measured.

        Returns
        -------
        Tensor
            (cases, transmitters, receivers), complex, on the operator's device.

        Raises
        ------
        ValueError
            If the data are real, of the wrong shape, or not finite where measured.
        """
        data = complex_tensor(y)
        if data.ndim not in (2, 3) or data.shape[-2:] != self.data_shape:
            raise ValueError(
                f"scattered field: expected shape (transmitters, receivers) = {self.data_shape}, "
                f"or with an axis of cases before, got {tuple(data.shape)}"
            )
        data = self._masked(data.reshape(-1, *self.data_shape).to(self.device))
        return finite(data)

    def _scatter(self, contrast: Tensor) -> Tensor:
        fields = self._factors(contrast.dtype)
        tiles = self.tiling.split(contrast.to(fields.incident.real.dtype))
        source = tiles[:, :, None, :, None] * torch.view_as_real(fields.incident)[:, None]
        waves = torch.view_as_complex(source).flatten(1, 2) @ fields.green
        waves = waves.movedim(0, 1).flatten(1) @ fields.mix
        return self._masked(fields.to_receivers(waves.unflatten(0, (len(contrast), -1))))

    def _independent_data(self) -> Tensor | None:
        """Factors (transmitters, rank, rank) from the common basis to independent data."""
        receive = self._fields[torch.complex128].receive
        if self.mask is None and receive.ndim == 2:
            return None
        measured = receive if self.mask is None else receive * self.mask[:, None, :]
        values, vectors = torch.linalg.eigh(measured @ receive.mH)
        return vectors * values.clamp(min=0).sqrt()[:, None, :]

    def _residual(self, x: Tensor, y: Tensor) -> Tensor:
        predicted = self.forward(x)
        return predicted - self._masked(y.to(predicted.dtype))

    def _masked(self, y: Tensor) -> Tensor:
        return y if self.mask is None else torch.where(self.mask, y, 0)

    def _factors(self, dtype: torch.dtype) -> Fields:
        single = dtype in (torch.float32, torch.complex64, torch.bfloat16, torch.float16)
        # On a GPU single precision products may silently become TF32, far too coarse here.
        use_single = single and self.device.type == "cpu"
        return self._fields[torch.complex64 if use_single else torch.complex128]


def complex_tensor(y: ArrayLike | Tensor) -> Tensor:
    """Measured fields as a tensor; raises ValueError if they are real."""
    data = y.detach() if isinstance(y, Tensor) else torch.from_numpy(np.array(y))
    if not data.is_complex():
        raise ValueError(
            f"scattered field: expected complex data, got {data.dtype} of shape "
            f"{tuple(data.shape)}: join real and imaginary parts into complex numbers"
        )
    return data


def finite(data: Tensor) -> Tensor:
    """The measured fields; raises ValueError if they hold NaN or infinity."""
    bad = int((~torch.isfinite(data)).sum())
    if bad:
        raise ValueError(
            f"scattered field: expected finite numbers, got {bad} NaN or infinite of "
            f"{data.numel()}: leave out unmeasured data with a receiver mask"
        )
    return data


def _squares(residual: Tensor) -> Tensor:
    return torch.view_as_real(residual).square()

"""Inverse scattering with the whole physics: multiple scattering, several frequencies."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lmaps_science.operator import LinearizableOperator, per_item
from lmaps_science.problems.scattering.bands import Band
from lmaps_science.problems.scattering.distorted_born import DistortedBorn, Expansion
from lmaps_science.problems.scattering.geometry import Geometry
from lmaps_science.problems.scattering.lippmann_schwinger import (
    FieldSolverFactory,
    LippmannSchwinger,
)
from lmaps_science.problems.scattering.operator import complex_tensor, finite
from lmaps_science.proxy import ProxyGradient

_TINY = 1e-30


class FullWaveScattering(LinearizableOperator):
    """Scattered fields of an object of any contrast: y_tr = dx² Σ_p f(p) u_t(p) g_r(p).

    f is the permittivity contrast, g_r the Green's function to receiver r, and u_t the total
    field of transmitter t, incident and scattered, which depends on f. `linearize` gives the
    exact derivative, so that the local MAP is a few linear problems.

    Data are divided by their noise's standard deviation, so that `loss` is chi squared.

    Parameters
    ----------
    geometries : sequence of Geometry
        One per frequency, of one grid and one number of sensors.
    sigma_noise : float or sequence of float
        Standard deviation of the complex noise of a datum, per frequency.
    contrast_scale : float
        Contrast of an image at x = 1; x = -1 is the background.
    free_gain : bool
        Whether each frequency's data have an unknown complex factor in common, which is then
        fitted to every image.
    field_solver : callable
        Makes the solver for the total fields at one frequency, see `FieldSolverFactory`.
    device : str or torch.device
        Where the operator computes.
    forward : callable, optional
        A simulator of your own for the fields: contrasts (batch, 1, y, x) to scattered fields
        (batch, frequencies, transmitters, receivers), in torch or NumPy. It is then the truth,
        and the fields of `field_solver` serve the derivative alone.
    """

    problem = "fullwave"
    complex_data = True

    def __init__(
        self,
        geometries: Sequence[Geometry],
        sigma_noise: float | Sequence[float],
        contrast_scale: float = 1.0,
        free_gain: bool = False,
        field_solver: FieldSolverFactory = LippmannSchwinger,
        device: str | torch.device = "cpu",
        forward: Callable[[Tensor], Any] | None = None,
    ) -> None:
        grids = {geometry.grid_shape for geometry in geometries}
        sensors = {geometry.data_shape for geometry in geometries}
        if len(grids) != 1 or len(sensors) != 1:
            raise ValueError(
                "geometries: expected one grid and one number of sensors at all frequencies, got "
                f"grids {sorted(grids)} and (transmitters, receivers) {sorted(sensors)}"
            )
        (grid,) = grids
        wavenumbers = [geometry.wavenumber for geometry in geometries]
        if wavenumbers != sorted(wavenumbers):
            raise ValueError(f"wavenumber: expected the lowest first, got {wavenumbers}")
        sigmas = np.ravel(sigma_noise).astype(float)
        if len(sigmas) not in (1, len(geometries)):
            raise ValueError(
                f"sigma_noise: expected one number, or one for each of {len(geometries)} "
                f"frequencies, got {len(sigmas)}"
            )
        sigmas = np.broadcast_to(sigmas, len(geometries))
        if not (np.isfinite(sigmas).all() and (sigmas > 0).all()):
            raise ValueError(f"sigma_noise: expected positive numbers, got {sigma_noise}")
        if not (contrast_scale and math.isfinite(contrast_scale)):
            raise ValueError(f"contrast_scale: expected a number not 0, got {contrast_scale}")
        super().__init__(
            (1, *grid), 1.0, unnorm_shift=1.0, unnorm_scale=0.5 * contrast_scale, device=device
        )
        self._all_data_shape = (len(geometries), *geometries[0].data_shape)
        self.sigmas, self.free_gain = tuple(sigmas.tolist()), free_gain
        self.bands = [Band(geometry, self.device) for geometry in geometries]
        self.mask = torch.stack([band.mask for band in self.bands])
        self.num_frequencies = len(self.bands)
        self._simulator = None if forward is None else ProxyGradient(forward)
        self._total_fields = [field_solver(g, self.device) for g in geometries]

    @property
    def geometry(self) -> Geometry:
        """Sensors and grid, at the first frequency."""
        return self.bands[0].geometry

    @property
    def data_shape(self) -> tuple[int, int, int]:
        """(frequencies, transmitters, receivers)."""
        frequencies, transmitters, receivers = self.mask.shape
        return frequencies, transmitters, receivers

    @property
    def num_data(self) -> int:
        """Number of complex data measured."""
        return int(self.mask.sum())

    def forward(self, x: Tensor) -> Tensor:
        """Data over their noise, (batch, frequencies, transmitters, receivers), gain 1.

        Raises
        ------
        FloatingPointError
            If an image scatters too strongly for the field solver.
        """
        return self._found(self._scattered(x), x)

    def predict(self, x: Tensor, y: Tensor) -> Tensor:
        """`forward`, with the gains that fit `y` best where they are free."""
        return self._with_gain(self.forward(x), y)

    def gain(self, value: Tensor, y: Tensor) -> Tensor:
        """Complex factors (batch, frequencies) that bring `value` closest to `y`."""
        energy = value.abs().square().sum((2, 3))
        return (value.conj() * y).sum((2, 3)) / energy.clamp(min=_TINY)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Chi squared, (batch,); NaN where an image scatters too strongly for the field solver."""
        return per_item((self._with_gain(self._scattered(x), y) - y).abs().square())

    @property
    def loss_weight(self) -> float:
        """1: the loss is chi squared of complex data of unit total variance."""
        return 1.0

    def linearize(self, x: Tensor, y: Tensor) -> DistortedBorn:
        """Expansion of `predict` about images `x`; its gains are those that fit `y`."""
        contrast = self.unnormalize(x)
        known = None if self._simulator is None else self._simulated(self._simulator, contrast)
        expansions = [
            self._expand(i, contrast, y[:, i], None if known is None else known[:, i])
            for i in range(len(self.bands))
        ]
        return DistortedBorn(expansions, contrast, 2 * self.unnorm_scale)

    def born(self) -> DistortedBorn:
        """The first Born approximation, a linear operator for the same data."""
        if self.free_gain:
            raise ValueError(
                "the Born approximation cannot tell an unknown gain from the contrast: calibrate "
                "the data, or reconstruct with the full wave (--full-wave)"
            )
        empty = torch.zeros(1, *self.image_shape, dtype=torch.float64, device=self.device)
        nothing = torch.zeros(1, *self.data_shape[1:], dtype=torch.complex128, device=self.device)
        expansions = [
            Expansion(
                band,
                band.combined(band.basis[None]),
                band.basis[None],
                nothing,
                self._factor(sigma),
            )
            for band, sigma in zip(self.bands, self.sigmas, strict=True)
        ]
        return DistortedBorn(expansions, empty, 2 * self.unnorm_scale)

    def lowest(self, count: int) -> "FullWaveScattering":
        """The same with the first `count` frequencies only, whose data come first too."""
        part = copy.copy(self)
        part.num_frequencies = count
        part.bands, part._total_fields = self.bands[:count], self._total_fields[:count]
        part.sigmas, part.mask = self.sigmas[:count], self.mask[:count]
        return part

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus complex noise of unit total variance, zero where masked."""
        return torch.where(self.mask, super().perturb(y, generator), 0)

    def check_data(self, y: ArrayLike | Tensor) -> Tensor:
        """Measured fields as the operator wants them: over their noise, zero where masked.

        Parameters
        ----------
        y : array or Tensor
            Scattered fields, complex, (frequencies, transmitters, receivers); anything, NaN
            included, where the mask says that nothing was measured.

        Returns
        -------
        Tensor
            (1, frequencies, transmitters, receivers).
        """
        data = complex_tensor(y).to(self.device)
        if tuple(data.shape) != self.data_shape:
            raise ValueError(
                "scattered field: expected shape (frequencies, transmitters, receivers) = "
                f"{self.data_shape}, got {tuple(data.shape)}"
            )
        data = finite(torch.where(self.mask, data, 0))
        sigmas = torch.tensor(self.sigmas, dtype=torch.float64, device=self.device)
        return (data / sigmas[:, None, None])[None]

    def _scattered(self, x: Tensor) -> Tensor:
        contrast = self.unnormalize(x)
        if self._simulator is None:
            fields = torch.stack([self._value(i, contrast) for i in range(len(self.bands))], dim=1)
        else:
            fields = self._simulated(self._simulator, contrast)
        return fields / torch.tensor(self.sigmas, device=self.device)[:, None, None]

    def _simulated(self, simulator: ProxyGradient, contrast: Tensor) -> Tensor:
        fields = simulator(contrast.detach())
        expected = (len(contrast), *self._all_data_shape)
        if tuple(fields.shape) != expected:
            raise ValueError(
                f"{simulator.name}: expected scattered fields (batch, frequencies, transmitters, "
                f"receivers) = {expected}, got {tuple(fields.shape)}"
            )
        return torch.where(self.mask, fields[:, : len(self.bands)], 0)

    def _with_gain(self, value: Tensor, y: Tensor) -> Tensor:
        return value * self.gain(value, y)[..., None, None] if self.free_gain else value

    def _found(self, value: Tensor, x: Tensor) -> Tensor:
        if not value.isfinite().all():
            raise FloatingPointError(
                "full-wave scattering: no total field found for a largest contrast of "
                f"{float(self.unnormalize(x).abs().max()):.3g}: it scatters too strongly for the "
                "field solver; lower contrast_scale, or leave out the highest frequencies"
            )
        return value

    def _value(self, index: int, contrast: Tensor) -> Tensor:
        band, total_field = self.bands[index], self._total_fields[index]
        transmitted = band.transmitted(total_field(contrast, band.sources()))
        return band.data(contrast, transmitted, band.basis[None].to(transmitted.dtype))

    def _expand(self, index: int, contrast: Tensor, y: Tensor, value: Tensor | None) -> Expansion:
        band, total_field = self.bands[index], self._total_fields[index]
        received = total_field(contrast, band.basis)
        transmitted = band.combined(received)
        if value is None:
            value = band.data(contrast, transmitted, band.basis[None].to(received.dtype))
        self._found(value, self.normalize(contrast))
        factor = self._factor(self.sigmas[index])
        if self.free_gain:
            factor = self.gain(value[:, None], y[:, None])[..., None].to(value.dtype)
        return Expansion(band, transmitted, received, value, factor, self.free_gain)

    def _factor(self, sigma: float) -> Tensor:
        return torch.full((1, 1, 1), 1 / sigma, dtype=torch.complex64, device=self.device)

"""Multi-coil Cartesian MRI: the forward operator."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmaps_science.operator import AffineOperator, per_item, randn
from lmaps_science.problems.mri.checks import (
    as_tensor,
    checked_maps,
    checked_mask,
    checked_weights,
)
from lmaps_science.problems.mri.masks import calibration_width
from lmaps_science.problems.mri.sampling import LineSampling, modulation, sampling_of

if TYPE_CHECKING:
    from lmaps_science.problems.mri.spectrum import RowSpectrum


class MultiCoilMRI(AffineOperator):
    """Undersampled k-space of each coil: y_c = M W^(1/2) F (S_c x).

    x is the complex image as two channels (real, imaginary), S_c the sensitivity map of coil
    c, F the centred orthonormal Fourier transform, M the sampling mask and W the weights. Data
    are complex numbers as pairs of reals, (batch, coils, y, x, 2), zero where not sampled;
    `observation` makes them of k-space. Everything follows the precision of its input.

    A mask (and weights) constant along one axis samples whole lines. The transform along them
    then cancels in J^T J, which needs one-dimensional transforms only and has a spectrum.

    Parameters
    ----------
    sensitivity_maps : array or Tensor
        S, complex, (coils, y, x).
    mask : array or Tensor
        M, true or 1 where k-space is sampled, (y, x) or broadcastable to it: (1, x) if the
        phase is encoded along x, (y, 1) if along y. The centre of k-space is at (y // 2, x // 2).
    sigma_noise : float
        Standard deviation of the complex noise of a datum (its total variance is the square).
    weights : array or Tensor, optional
        W, the precision of each sample relative to sigma_noise: the variance of k-space noise
        is sigma_noise² / W. (y, x) or broadcastable to it; ones by default. The data are then
        whitened, and the loss is Σ W |residual of k-space|².
    device : str or torch.device
        Where the operator computes.
    scale : float
        Image in the units of k-space = scale * x: `observation` divides k-space by it, and
        sigma_noise is that of the quotient.

    Attributes
    ----------
    sensitivity_maps : Tensor
        (coils, y, x), complex.
    mask : Tensor
        (y, x), bool.
    weights : Tensor or None
        (y, x), float64.

    References
    ----------
    Pruessmann et al., SENSE, Magn. Reson. Med. 42, 952 (1999); InverseBench, Zheng et al.,
    arXiv 2503.11043, section 3.2.
    """

    problem = "mri"
    complex_data = True

    def __init__(
        self,
        sensitivity_maps: ArrayLike | Tensor,
        mask: ArrayLike | Tensor,
        sigma_noise: float = 0.0,
        weights: ArrayLike | Tensor | None = None,
        device: str | torch.device = "cpu",
        scale: float = 1.0,
    ) -> None:
        if not 0 < scale < np.inf:
            raise ValueError(f"scale: expected a positive number, got {scale}")
        maps = checked_maps(as_tensor(sensitivity_maps))
        _, ny, nx = maps.shape
        shape = (ny, nx)
        super().__init__((2, ny, nx), sigma_noise, unnorm_scale=scale, device=device)
        self.sensitivity_maps = maps.to(self.device)
        self.mask = checked_mask(as_tensor(mask), shape).to(self.device)
        self.weights = (
            None if weights is None else checked_weights(as_tensor(weights), self.mask.cpu())
        )
        amplitudes = self.mask.double()
        if self.weights is not None:
            self.weights = self.weights.to(self.device)
            amplitudes = torch.where(self.mask, self.weights.sqrt(), 0)
        self._amplitudes = amplitudes
        self.sampling = sampling_of(amplitudes)
        modulated = self._stored(self.sensitivity_maps * modulation(shape).to(self.device))
        # Conjugates are kept too: a lazy one would be copied at every product.
        self._maps = {
            dtype: (modulated.to(dtype), modulated.conj().to(dtype).resolve_conj())
            for dtype in (torch.complex64, torch.complex128)
        }
        self._spectrum: RowSpectrum | None = None

    @property
    def data_shape(self) -> tuple[int, ...]:
        """(coils, y, x, 2)."""
        return (*self.sensitivity_maps.shape, 2)

    @property
    def num_data(self) -> int:
        """Number of complex data measured."""
        return len(self.sensitivity_maps) * int(self.mask.sum())

    @property
    def acceleration(self) -> float:
        """Samples of the full k-space over those measured."""
        return self.mask.numel() / int(self.mask.sum())

    @property
    def num_calibration_lines(self) -> int:
        """Contiguous fully sampled lines around the centre of k-space.

        Of a mask that does not sample whole lines, the side of the fully sampled square.
        """
        by_lines = isinstance(self.sampling, LineSampling)
        return calibration_width(self.lines if by_lines else self.mask.cpu().numpy())

    @property
    def num_lines(self) -> int | None:
        """Number of lines sampled; None of a mask that samples points."""
        return len(self.sampling.lines) if isinstance(self.sampling, LineSampling) else None

    @property
    def lines(self) -> NDArray[np.bool_]:
        """Which lines are sampled, (lines,), of a mask that samples whole lines."""
        mask = self.mask.cpu().numpy()
        return mask[:, 0] if self.sampling.swapped else mask[0]

    def forward(self, x: Tensor) -> Tensor:
        """Data of images (batch, 2, y, x), (batch, coils, y, x, 2); zero where not sampled."""
        return torch.view_as_real(self.sampling.place(self._encode(x)))

    def offset(self) -> Tensor:
        """H(0) = 0, (1, coils, y, x, 2)."""
        return torch.zeros(1, *self.data_shape, device=self.device)

    def adjoint(self, y: Tensor) -> Tensor:
        """J^T y, (batch, 2, y, x), of data (batch, coils, y, x, 2)."""
        return self._decode(self._samples(y))

    def normal(self, x: Tensor) -> Tensor:
        """J^T J x, the shape of x."""
        return self._decode(self._encode(x)).to(x.dtype)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of squared residuals |H(x) - y|² over the measured data, (batch,)."""
        return per_item(_squares(self._residual(x, y)))

    @torch.no_grad()
    def loss_and_gradient(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """`loss` and its gradient 2 J^T (H(x) - y)."""
        residual = self._residual(x, y)
        return per_item(_squares(residual)), 2 * self._decode(residual).to(x.dtype)

    def perturb(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`y` plus noise, sigma_noise² / 2 in each of a datum's two reals; none if not sampled."""
        noise = self.sigma_noise / np.sqrt(2) * randn(y, generator)
        return y + noise * self.mask[..., None]

    def spectrum(self) -> "RowSpectrum | None":
        """Spectrum of J^T J where whole lines are sampled, computed once; else None.

        On a CPU it has the precision of the sensitivity maps.
        """
        if self._spectrum is None and isinstance(self.sampling, LineSampling):
            from lmaps_science.problems.mri.spectrum import decompose

            # On a GPU products in single precision may silently mean TF32.
            cpu = self.device.type == "cpu"
            dtype = self.sensitivity_maps.dtype if cpu else torch.complex128
            self._spectrum = decompose(self._maps[torch.complex128][0], self.sampling, dtype)
        return self._spectrum

    def mvue(self, y: Tensor) -> Tensor:
        """Zero-filled estimate Σ_c conj(S_c) F^H k_c / sqrt(Σ_c |S_c|²), (batch, 2, y, x).

        Of minimum variance among the unbiased where k-space is fully sampled; zero where no
        coil is sensitive.

        Parameters
        ----------
        y : Tensor
            Data, (batch, coils, y, x, 2).

        Returns
        -------
        Tensor
        """
        if self.weights is not None:
            y = y / self.weights.to(y.dtype)[..., None]
        sensitivity = self.sensitivity_maps.abs().square().sum(0).sqrt().to(y.dtype)
        return self.adjoint(y) / sensitivity.where(sensitivity > 0, torch.inf)

    def observation(self, kspace: ArrayLike | Tensor) -> Tensor:
        """Measured k-space as the data of this operator: masked, scaled, whitened, in pairs.

        Parameters
        ----------
        kspace : array or Tensor
            Complex, (coils, y, x) or (cases, coils, y, x), or pairs of reals with a last axis
            of 2; anything, NaN included, where the mask says that nothing was measured.

        Returns
        -------
        Tensor
            (cases, coils, y, x, 2), on the operator's device.

        Raises
        ------
        ValueError
            If the k-space is neither complex nor pairs of reals, of the wrong shape, not finite
            where measured, or zero.
        """
        data = as_tensor(kspace).to(self.device)
        shape = tuple(self.sensitivity_maps.shape)
        if data.is_floating_point() and tuple(data.shape[-4:]) == self.data_shape:
            data = torch.view_as_complex(data.contiguous())
        if not data.is_complex():
            raise ValueError(
                f"k-space: expected complex numbers, or pairs of reals (..., 2), got {data.dtype} "
                f"of shape {tuple(data.shape)}: join the real and imaginary parts"
            )
        if data.ndim not in (3, 4) or tuple(data.shape[-3:]) != shape:
            raise ValueError(
                f"k-space: expected shape (coils, y, x) = {shape} as the sensitivity maps, or "
                f"with an axis of cases before, got {tuple(data.shape)}"
            )
        data = torch.where(self.mask, data.reshape(-1, *shape), 0)
        bad = int((~torch.isfinite(data)).sum())
        if bad:
            raise ValueError(
                f"k-space: expected finite numbers, got {bad} NaN or infinite of {data.numel()}: "
                "leave out what is not measured with the mask"
            )
        if not data.any(-1).any(-1).any(-1).all():
            raise ValueError("k-space: expected a signal, got zeros at all that the mask samples")
        amplitudes = self._amplitudes / self.unnorm_scale
        return torch.view_as_real(data * amplitudes.to(data.real.dtype))

    def kspace(self, y: Tensor) -> Tensor:
        """K-space whose `observation` is `y`, zero where not sampled.

        Parameters
        ----------
        y : Tensor
            Data, (batch, coils, y, x, 2).

        Returns
        -------
        Tensor
            Complex, (batch, coils, y, x).
        """
        amplitudes = torch.where(self.mask, self._amplitudes / self.unnorm_scale, torch.inf)
        return torch.view_as_complex(y.contiguous()) / amplitudes.to(y.dtype)

    def _encode(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"MultiCoilMRI: expected images (batch, {expected}), got {tuple(x.shape)}"
            )
        real = torch.float64 if x.dtype == torch.float64 else torch.float32
        image = torch.view_as_complex(x.movedim(1, -1).to(real).contiguous())
        maps, _ = self._maps[image.dtype]
        return self.sampling.encode(maps * self._stored(image)[:, None])

    def _decode(self, samples: Tensor) -> Tensor:
        _, conjugates = self._maps[samples.dtype]
        image = self._stored((conjugates * self.sampling.decode(samples)).sum(1))
        return torch.view_as_real(image).movedim(-1, 1).contiguous()

    def _residual(self, x: Tensor, y: Tensor) -> Tensor:
        predicted = self._encode(x)
        return predicted - self._samples(y.to(predicted.real.dtype))

    def _samples(self, y: Tensor) -> Tensor:
        return self.sampling.take(torch.view_as_complex(y.contiguous()))

    def _stored(self, image: Tensor) -> Tensor:
        """Images with the phase-encode axis last, as the sampling wants them, or back."""
        return image.mT.contiguous() if self.sampling.swapped else image


def _squares(residual: Tensor) -> Tensor:
    return torch.view_as_real(residual).square()

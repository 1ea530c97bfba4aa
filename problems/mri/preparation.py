"""From a slice's k-space to an operator with maps, noise and scale, and data for it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmaps_science.problems.mri.checks import checked_kspace, given_maps, kept_by
from lmaps_science.problems.mri.coils import (
    combine,
    compression,
    root_sum_of_squares,
    whitening,
)
from lmaps_science.problems.mri.espirit import (
    calibration_image,
    calibration_region,
    espirit,
    with_phase_of,
)
from lmaps_science.problems.mri.fourier import to_kspace
from lmaps_science.problems.mri.masks import calibration_shape, is_complete, sampled
from lmaps_science.problems.mri.noise import Noise, estimate_noise
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling
from lmaps_science.problems.mri.sense import sense

_SCALE_QUANTILE = 0.99
_LARGEST_ARRAY = 16
_FEWEST_CALIBRATION = 3
_PHASE_WINDOW = 8
_UPDATE_LINES, _UPDATE_READOUT, _UPDATE_POINTS = 24, 48, 32


@dataclass(frozen=True)
class PreparedSlice:
    """A slice ready to be reconstructed.

    Attributes
    ----------
    operator : MultiCoilMRI
        With phase-referenced maps, noise level, weights and scale.
    y : Tensor
        Its data, (1, coils, y, x, 2).
    kspace : Tensor
        What they were made of, (coils, y, x), complex64: white and compressed coils.
    noise : Noise or None
        As found in the data; None if the noise level was given.
    calibration : tuple of int
        Height and width of the centre of k-space that gave the maps; (0, 0) if they were given.
    truth : Tensor or None
        Root sum of squares of k-space that was complete before a mask took some of it away, as an
        image (1, 2, y, x).
    """

    operator: MultiCoilMRI
    y: Tensor
    kspace: Tensor
    noise: Noise | None
    calibration: tuple[int, int]
    truth: Tensor | None = None

    @property
    def phase_axis(self) -> str | None:
        """``"x"`` or ``"y"``, along which the phase is encoded, or None for both."""
        sampling = self.operator.sampling
        if not isinstance(sampling, LineSampling):
            return None
        return "y" if sampling.swapped else "x"


def prepare(
    kspace: ArrayLike | Tensor,
    mask: ArrayLike | Tensor | None = None,
    maps: ArrayLike | Tensor | None = None,
    noise_covariance: ArrayLike | Tensor | None = None,
    sigma_noise: float | None = None,
    num_coils: int | None = None,
    device: str | torch.device = "cpu",
) -> PreparedSlice:
    """Find what a reconstruction needs in the k-space of a slice.

    Parameters
    ----------
    kspace : array or Tensor
        Complex, (coils, y, x), its centre at (y // 2, x // 2), zero where not sampled.
    mask : array or Tensor, optional
        Keeps a part of what was sampled, (y, x) or broadcastable to it.
    maps : array or Tensor, optional
        Sensitivity maps, complex, (coils, y, x); by default those of ESPIRiT.
    noise_covariance : array or Tensor, optional
        Of the noise between coils, (coils, coils), to make it white.
    sigma_noise : float, optional
        Standard deviation of the complex noise of k-space, in its units and with white coils;
        by default that of each line is found in the data.
    num_coils : int, optional
        Virtual coils to compress to; by default 16 of a larger array.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    PreparedSlice

    Raises
    ------
    ValueError
        If something cannot be used; the message says what and why.
    """
    if sigma_noise is not None and not 0 < sigma_noise < np.inf:
        raise ValueError(f"sigma_noise: expected a finite number above 0, got {sigma_noise}")
    full = checked_kspace(kspace).to(device)
    if len(full) == 1 and (maps is None or sigma_noise is None):
        raise ValueError(
            "k-space: expected several coils, got one, which tells neither its map nor its noise: "
            "give maps (ones of shape (1, y, x) will do) and the noise level"
        )
    measured = sampled(full.cpu().numpy())
    kept = measured if mask is None else measured & kept_by(mask, tuple(full.shape[1:]))
    if not kept.any():
        raise ValueError("mask: expected to keep some of what was sampled, got a mask without")
    keep = torch.from_numpy(kept).to(full.device)
    given = None if maps is None else given_maps(maps, tuple(full.shape)).to(full)
    full, given = _white(full, given, noise_covariance)
    measured_kspace, given = _compressed(full * keep, given, num_coils)
    sensitivity, calibration = _phased_maps(measured_kspace, kept, given)
    operator = MultiCoilMRI(sensitivity, keep, device=device)
    image = sense(operator, operator.observation(measured_kspace))
    scale = float(torch.linalg.vector_norm(image, dim=1).quantile(_SCALE_QUANTILE))
    known = mask is not None and is_complete(measured)
    truth = _real_image(root_sum_of_squares(full) / scale) if known else None
    noise_level = None if sigma_noise is None else sigma_noise / scale
    return _assembled(measured_kspace, keep, sensitivity, scale, noise_level, calibration, truth)


def update_maps(prepared: PreparedSlice, image: Tensor) -> PreparedSlice:
    """The slice with maps from a wider centre of k-space, filled by a reconstruction.

    Parameters
    ----------
    prepared : PreparedSlice
        A slice.
    image : Tensor
        Normalised image of it, (1, 2, y, x); of several, the mean.

    Returns
    -------
    PreparedSlice
        With new maps and, unless it was given, new noise; the same scale and phase.
    """
    operator = prepared.operator
    complex_image = torch.view_as_complex(image.mean(0).movedim(0, -1).contiguous())
    coils = operator.sensitivity_maps.to(torch.complex64) * complex_image * operator.unnorm_scale
    filled = torch.where(operator.mask, prepared.kspace, to_kspace(coils))
    ny, nx = operator.mask.shape
    wanted = {
        "x": (_UPDATE_READOUT, _UPDATE_LINES),
        "y": (_UPDATE_LINES, _UPDATE_READOUT),
        None: (_UPDATE_POINTS, _UPDATE_POINTS),
    }[prepared.phase_axis]
    height, width = (
        min(max(pair), n) for *pair, n in zip(wanted, prepared.calibration, (ny, nx), strict=True)
    )
    maps = espirit(calibration_region(filled, height, width), (ny, nx))
    maps = with_phase_of(maps, operator.sensitivity_maps.to(maps.dtype))
    given = operator.sigma_noise if prepared.noise is None else None
    return _assembled(
        prepared.kspace,
        operator.mask,
        maps,
        operator.unnorm_scale,
        given,
        (height, width),
        prepared.truth,
    )


def _assembled(
    kspace: Tensor,
    mask: Tensor,
    maps: Tensor,
    scale: float,
    sigma_noise: float | None,
    calibration: tuple[int, int],
    truth: Tensor | None,
) -> PreparedSlice:
    """The slice with its noise, which is found unless it is given in normalised units."""
    if sigma_noise is not None:
        operator = MultiCoilMRI(maps, mask, sigma_noise, device=kspace.device, scale=scale)
        y = operator.observation(kspace)
        return PreparedSlice(operator, y, kspace, None, calibration, truth)
    plain = MultiCoilMRI(maps, mask, device=kspace.device, scale=scale)
    noise = estimate_noise(plain, plain.observation(kspace))
    operator = MultiCoilMRI(maps, mask, noise.sigma, noise.weights, kspace.device, scale)
    return PreparedSlice(operator, operator.observation(kspace), kspace, noise, calibration, truth)


def _phased_maps(
    kspace: Tensor, mask: NDArray[np.bool_], given: Tensor | None
) -> tuple[Tensor, tuple[int, int]]:
    """Maps that see the image's smooth phase as real, and the calibration that gave them."""
    shape = tuple(kspace.shape[1:])
    height, width = calibration_shape(mask)
    if given is not None:
        height, width = (
            max(n, min(_PHASE_WINDOW, size)) for n, size in zip((height, width), shape, strict=True)
        )
        images = calibration_image(calibration_region(kspace, height, width), shape)
        return with_phase_of(given, images), (0, 0)
    if min(height, width) < _FEWEST_CALIBRATION:
        raise ValueError(
            f"k-space: expected at least {_FEWEST_CALIBRATION} fully sampled lines around its "
            f"centre to find sensitivity maps in, got {min(height, width)}: give maps"
        )
    return espirit(calibration_region(kspace, height, width), shape), (height, width)


def _compressed(
    kspace: Tensor, maps: Tensor | None, num_coils: int | None
) -> tuple[Tensor, Tensor | None]:
    if num_coils is None:
        num_coils = min(len(kspace), _LARGEST_ARRAY)
        if num_coils == len(kspace):
            return kspace, maps
    matrix = compression(kspace, num_coils)
    return combine(matrix, kspace), None if maps is None else combine(matrix, maps)


def _real_image(magnitude: Tensor) -> Tensor:
    """A magnitude (y, x) as an image (1, 2, y, x)."""
    return torch.stack([magnitude, torch.zeros_like(magnitude)])[None]


def _white(
    kspace: Tensor, maps: Tensor | None, covariance: ArrayLike | Tensor | None
) -> tuple[Tensor, Tensor | None]:
    if covariance is None:
        return kspace, maps
    covariance = torch.as_tensor(covariance).to(kspace.device)
    if tuple(covariance.shape) != (len(kspace), len(kspace)):
        raise ValueError(
            f"noise covariance: expected ({len(kspace)}, {len(kspace)}) as there are coils, got "
            f"{tuple(covariance.shape)}"
        )
    matrix = whitening(covariance)
    return combine(matrix, kspace), None if maps is None else combine(matrix, maps)

"""How well an image predicts k-space that it was not made from: a check without a truth."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lmaps_science.problems.mri.fourier import centre
from lmaps_science.problems.mri.masks import calibration_interval
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling

Method = Callable[[MultiCoilMRI, Tensor, float], Tensor]
"""From operator, data and strength to images (batch, 2, y, x)."""

STRENGTHS = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3)


def hold_out(operator: MultiCoilMRI, share: float = 0.1, seed: int = 0) -> Tensor:
    """Samples to leave out: whole lines, or points, outside the calibration region.

    Parameters
    ----------
    operator : MultiCoilMRI
        What was sampled.
    share : float
        Of the lines or points outside the calibration region; at least one.
    seed : int
        Which.

    Returns
    -------
    Tensor
        True where left out, (y, x), bool.

    Raises
    ------
    ValueError
        If nothing was sampled outside the calibration region.
    """
    mask = operator.mask.cpu()
    outside = mask & ~_calibration_region(operator)
    shape = _units(operator)
    units = outside.any(shape.index(1), keepdim=True) if 1 in shape else outside
    (index,) = units.flatten().nonzero(as_tuple=True)
    if not len(index):
        raise ValueError("k-space: expected samples outside its fully sampled centre, got none")
    count = max(1, round(share * len(index)))
    chosen = index[torch.randperm(len(index), generator=torch.Generator().manual_seed(seed))]
    held = torch.zeros(units.numel(), dtype=torch.bool)
    held[chosen[:count]] = True
    return (held.view(shape) & mask).to(operator.device)


def without(operator: MultiCoilMRI, held: Tensor) -> MultiCoilMRI:
    """The operator of the other samples, without noise level and weights."""
    return MultiCoilMRI(
        operator.sensitivity_maps,
        operator.mask & ~held,
        device=operator.device,
        scale=operator.unnorm_scale,
    )


def prediction_error(operator: MultiCoilMRI, x: Tensor, y: Tensor, held: Tensor) -> float:
    """|F S x - k| / |k| over samples that were left out, of an image x (1, 2, y, x)."""
    wrong = operator.kspace(operator.forward(x) - y)[..., held]
    return float(
        torch.linalg.vector_norm(wrong) / torch.linalg.vector_norm(operator.kspace(y)[..., held])
    )


def best_image(
    method: Method, operator: MultiCoilMRI, y: Tensor, strengths: Sequence[float] = STRENGTHS
) -> Tensor:
    """The image of a method at the strength that predicts samples best that were left out.

    Parameters
    ----------
    method : callable
        Such as those of `baselines`.
    operator : MultiCoilMRI
        Of all samples.
    y : Tensor
        Data of one case, (1, coils, y, x, 2).
    strengths : sequence of float
        To choose from.

    Returns
    -------
    Tensor
        (1, 2, y, x), from all samples.
    """
    held = hold_out(operator)
    others = without(operator, held)
    seen = others.observation(operator.kspace(y))

    def error(strength: float) -> float:
        return prediction_error(operator, method(others, seen, strength), y, held)

    return method(operator, y, min(strengths, key=error))


def _units(operator: MultiCoilMRI) -> tuple[int, int]:
    """Shape of what is sampled as one: (1, x) or (y, 1) of lines, (y, x) of points."""
    ny, nx = operator.mask.shape
    if not isinstance(operator.sampling, LineSampling):
        return ny, nx
    return (ny, 1) if operator.sampling.swapped else (1, nx)


def _calibration_region(operator: MultiCoilMRI) -> Tensor:
    """The fully sampled centre, (y, x), bool."""
    region = torch.zeros(operator.mask.shape, dtype=torch.bool)
    if isinstance(operator.sampling, LineSampling):
        first, end = calibration_interval(operator.lines)
        (region[first:end] if operator.sampling.swapped else region[:, first:end]).fill_(True)
    elif side := operator.num_calibration_lines:
        ny, nx = region.shape
        region[centre(ny, side), centre(nx, side)] = True
    return region

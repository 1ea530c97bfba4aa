"""Noise of k-space from the data themselves: what a least-squares image leaves unexplained.

More coils than needed make the fit redundant; its residual holds the thermal noise and the
error of the sensitivity maps, which in practice is the larger. Both differ between lines.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.sampling import LineSampling
from lmaps_science.problems.mri.sense import sense

_RIDGE = {True: 1e-5, False: 1e-3}
_RINGS = 16
_SMALLEST = 0.01
_FLOOR = 1e-4
_REDUNDANCY = 1.05
_PROBES = 4
_LEAST_LEFT = 0.05


@dataclass(frozen=True)
class Noise:
    """Noise of k-space, in units of the operator's normalised data.

    Attributes
    ----------
    sigma : float
        Standard deviation of a complex datum, over all.
    levels : Tensor
        The same for each line, or ring around the centre of k-space, (groups,), float64;
        NaN where it has no sample.
    weights : Tensor
        (sigma / level of its group)² of each sample of k-space, (y, x), for `MultiCoilMRI`.
    redundancy : float
        Data for each unknown that the fit used.
    floored : int
        Groups whose level was raised to the smallest that is believed.
    """

    sigma: float
    levels: Tensor
    weights: Tensor
    redundancy: float
    floored: int


@torch.no_grad()
def estimate_noise(operator: MultiCoilMRI, y: Tensor) -> Noise:
    """σ_l² = mean|r_l|² / (1 - h_l) from the residual r of a nearly unregularised fit.

    The leverage h_l is the share of a line's noise that the fit takes for signal, estimated
    with data of random signs (Hutchinson, Commun. Stat. 18, 1059, 1989). A level is at least
    0.01 of sigma, and sigma at least 1e-4 of the data's root mean square.

    Parameters
    ----------
    operator : MultiCoilMRI
        Without weights.
    y : Tensor
        Data of one case, (1, coils, y, x, 2).

    Returns
    -------
    Noise

    Raises
    ------
    ValueError
        If the data are not redundant enough to tell noise from signal.
    """
    mask, groups = operator.mask, _groups(operator)
    signs = _signs(operator, y)
    ridge = _RIDGE[isinstance(operator.sampling, LineSampling)]
    predicted = operator.forward(sense(operator, torch.cat([y, signs]), ridge))
    taken = _per_sample(predicted[1:] * signs, operator) / (2 * _PROBES)
    redundancy = float(1 / taken[mask].mean())
    if redundancy < _REDUNDANCY:
        raise ValueError(
            f"noise: expected more data than unknowns, got {redundancy:.2f} data for each with "
            f"{len(operator.sensitivity_maps)} coils at acceleration {operator.acceleration:.1f}: "
            "give sigma_noise, in units of k-space"
        )
    left = (1 - _mean_of_groups(taken, operator)).clamp(min=_LEAST_LEFT)
    residual = _per_sample((predicted[:1] - y).square(), operator)
    levels = (_mean_of_groups(residual, operator) / left).sqrt()
    floor = _FLOOR * y[:, :, mask].double().square().sum(-1).mean().sqrt()
    sigma = levels[groups][mask].square().mean().sqrt().clamp(min=floor)
    smallest = _SMALLEST * sigma
    believed = levels.clamp(min=smallest)
    return Noise(
        float(sigma),
        believed,
        (sigma / believed[groups]).square().where(mask, 1),
        redundancy,
        int((levels < smallest).sum()),
    )


def _signs(operator: MultiCoilMRI, like: Tensor) -> Tensor:
    """Data of random signs, (probes, coils, y, x, 2)."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (_PROBES, *operator.data_shape), generator=generator)
    return (2 * signs - 1).to(like) * operator.mask[..., None]


def _per_sample(values: Tensor, operator: MultiCoilMRI) -> Tensor:
    """Sums over the batch and both reals, means over coils, (y, x), float64."""
    return values.sum((0, 1, 4)).double() / len(operator.sensitivity_maps)


@torch.no_grad()
def misfit_by_line(operator: MultiCoilMRI, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared residual in units of the noise's variance: 1 where the fit is that of noise.

    Parameters
    ----------
    operator : MultiCoilMRI
        With a noise level.
    x : Tensor
        Image, (1, 2, y, x).
    y : Tensor
        Its data, (1, coils, y, x, 2).

    Returns
    -------
    Tensor
        Of each phase-encode line, or ring around the centre of k-space, (groups,), float64; NaN
        where it has no sample.
    """
    squares = _per_sample((operator.forward(x) - y).square(), operator)
    return _mean_of_groups(operator.loss_weight * squares, operator)


def _mean_of_groups(values: Tensor, operator: MultiCoilMRI) -> Tensor:
    """Means over the sampled values (y, x) of each group; NaN where it has none."""
    groups, mask = _groups(operator), operator.mask
    count = int(groups.max()) + 1
    sums = torch.bincount(groups[mask], values[mask], minlength=count)
    return sums / torch.bincount(groups[mask], minlength=count)


def _groups(operator: MultiCoilMRI) -> Tensor:
    """Line, or ring, of each sample of k-space, (y, x)."""
    by_lines = isinstance(operator.sampling, LineSampling)
    return _lines(operator) if by_lines else _rings(operator)


def _lines(operator: MultiCoilMRI) -> Tensor:
    """Phase-encode line of each sample of k-space, (y, x)."""
    ny, nx = operator.mask.shape
    if operator.sampling.swapped:
        return torch.arange(ny, device=operator.device)[:, None].expand(ny, nx)
    return torch.arange(nx, device=operator.device).expand(ny, nx)


def _rings(operator: MultiCoilMRI) -> Tensor:
    """Ring around the centre of each sample of k-space, (y, x); the last holds the corners."""
    y, x = (
        (torch.arange(n, device=operator.device) - n // 2) / (n / 2) for n in operator.mask.shape
    )
    radius = (y[:, None].square() + x.square()).sqrt()
    return (radius * (_RINGS - 1)).long().clamp(max=_RINGS - 1)

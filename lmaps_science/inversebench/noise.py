"""Noise levels estimated from data that come without one."""

import torch
from torch import Tensor

from lmaps_science.operator import per_item
from lmaps_science.problems import MultiCoilMRI

FLOOR = 1e-3
"""Least noise level, relative to the data's root mean square: nothing is measured better."""


def noise_of_images(y: Tensor) -> float:
    """σ of data that are images, from the median of their finest diagonal differences.

    Parameters
    ----------
    y : Tensor
        Real, (..., y, x).

    Returns
    -------
    float
        An upper bound where the images themselves are rough.

    References
    ----------
    Donoho & Johnstone, Biometrika 81, 425 (1994).
    """
    ny, nx = (n - n % 2 for n in y.shape[-2:])
    even, odd = y[..., :ny:2, :nx], y[..., 1:ny:2, :nx]
    detail = (even[..., ::2] - even[..., 1::2] - odd[..., ::2] + odd[..., 1::2]) / 2
    spread = float(detail.abs().median()) / 0.6745
    return max(spread, FLOOR * float(y.square().mean().sqrt()))


@torch.no_grad()
def noise_of_kspace(operator: MultiCoilMRI, y: Tensor) -> float:
    """σ of a complex datum from the residual of a fit that generalised cross-validation picks.

    Ridge regression leaves |r|² with M - dof degrees of freedom; the penalty is the one that
    minimises |r|² / (M - dof)². What the sensitivity maps do not explain counts as noise, as it
    should: it is what a reconstruction must not fit.

    Parameters
    ----------
    operator : MultiCoilMRI
        Whole lines sampled, so that it has a spectrum.
    y : Tensor
        Data, (1, coils, y, x, 2).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the operator has no spectrum.

    References
    ----------
    Golub, Heath & Wahba, Technometrics 21, 215 (1979).
    """
    spectrum = operator.spectrum()
    if spectrum is None:
        raise ValueError(
            "k-space that does not sample whole lines comes without a noise level: give "
            "algorithm.method.sigma_noise"
        )
    e = spectrum.values.double()
    energies = (spectrum.analysis(operator.adjoint(y)).double() ** 2 / e)[0]
    total = float(per_item(y.double().square()))
    unexplained = max(total - float(energies.sum()), 0.0)
    num_real = 2 * operator.num_data
    best = torch.inf, 0.0
    for ridge in torch.logspace(-6, 1, 71).tolist():
        kept = ridge * float(e.max()) / (e + ridge * float(e.max()))
        residual = unexplained + float((energies * kept**2).sum())
        freedom = num_real - len(e) + float(kept.sum())
        best = min(best, (residual / freedom**2, residual / freedom))
    return max((2 * best[1]) ** 0.5, FLOOR * (total / operator.num_data) ** 0.5)

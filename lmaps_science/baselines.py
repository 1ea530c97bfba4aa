"""Reconstructions without a learned prior, to compare with: Tikhonov and total variation."""

import math

import torch
from torch import Tensor

from lmaps_science.methods import largest_curvature
from lmaps_science.operator import AffineOperator


@torch.no_grad()
def tikhonov(operator: AffineOperator, y: Tensor, strength: float | None = None) -> Tensor:
    """Minimise loss(x, y) + strength |x - x_b|^2, with x_b the empty image, in closed form.

    Parameters
    ----------
    operator : AffineOperator
        With a spectrum.
    y : Tensor
        Data, (cases, ...).
    strength : float, optional
        Weight of the penalty; by default, for each case, the one that minimises the unbiased
        estimate of the predictive risk, which the noise level gives (Vogel, *Computational
        Methods for Inverse Problems*, 2002, section 7.1).

    Returns
    -------
    Tensor
        Normalised images, (cases, channels, y, x).

    Raises
    ------
    ValueError
        If the operator has no spectrum.
    """
    spectrum = operator.spectrum()
    if spectrum is None:
        raise ValueError(f"tikhonov: {type(operator).__name__} has no spectrum")
    empty = _empty_image(operator)
    correlation = spectrum.analysis(operator.adjoint(y - operator.forward(empty)).float())
    values = spectrum.values.to(correlation.device)
    if strength is None:
        chosen = torch.stack(
            [_least_risk(values, c.to(values), operator.loss_weight) for c in correlation]
        )
    else:
        chosen = torch.full((len(y),), float(strength), dtype=values.dtype, device=values.device)
    coefficients = correlation / (values + chosen.view(-1, *[1] * (correlation.ndim - 1)))
    return (empty + spectrum.synthesis(coefficients)).float()


@torch.no_grad()
def total_variation(
    operator: AffineOperator, y: Tensor, strength: float, num_steps: int = 200
) -> Tensor:
    """Minimise loss(x, y) / L + strength TV(x) by FISTA, with L the loss's largest curvature.

    Parameters
    ----------
    operator : AffineOperator
        Forward operator.
    y : Tensor
        Data, (cases, ...).
    strength : float
        Weight of the isotropic total variation.
    num_steps : int
        Iterations.

    Returns
    -------
    Tensor
        Normalised images, (cases, channels, y, x).

    References
    ----------
    Beck & Teboulle, *IEEE Trans. Image Processing* 18, 2419 (2009).
    """
    step = 1 / largest_curvature(operator, y[:1])
    x = _empty_image(operator).expand(len(y), *operator.image_shape)
    z, momentum = x, 1.0
    for _ in range(num_steps):
        gradient = operator.gradient(z, y)
        assert isinstance(gradient, Tensor)  # noqa: S101 - for the type checker
        following = _denoise_variation(z - step * gradient, strength)
        growth = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        z = following + (momentum - 1) / growth * (following - x)
        x, momentum = following, growth
    return x


def _empty_image(operator: AffineOperator) -> Tensor:
    """Image whose physical value is zero, (1, channels, y, x)."""
    return operator.normalize(torch.zeros(1, *operator.image_shape, device=operator.device))


def _least_risk(values: Tensor, correlation: Tensor, weight: float) -> Tensor:
    """Strength of the least predictive risk, on a logarithmic grid of strengths."""
    values, energy = values.flatten(), (correlation.square() / values).flatten()
    strengths = values.max() * torch.logspace(-9, 1, 101, dtype=values.dtype).to(values.device)
    misfit = [weight * ((s / (s + values)).square() * energy).sum() for s in strengths]
    freedom = [(values / (values + s)).sum() for s in strengths]
    return strengths[torch.stack(misfit).add(torch.stack(freedom)).argmin()]


def _denoise_variation(images: Tensor, weight: float) -> Tensor:
    from skimage.restoration import denoise_tv_chambolle

    denoised = [
        denoise_tv_chambolle(channel, weight, eps=1e-5, max_num_iter=100)
        for channel in images.cpu().double().flatten(0, 1).numpy()
    ]
    return torch.stack([torch.from_numpy(d) for d in denoised]).view(images.shape).to(images)

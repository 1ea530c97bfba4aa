"""The covariance of p(x0 | x_t) ~ N(m, Sigma(sigma)) at a noise level, as a part with a name.

========== ====================================== =============================================
name       Sigma(sigma)                           source
========== ====================================== =============================================
isotropic  sigma^2 I                              Zhang et al., arXiv 2510.07343
saturating sigma^2 s^2 / (sigma^2 + s^2) I        Song et al., PiGDM, ICLR 2023
calibrated v(sigma) I                             the prior's own mean squared denoising error
gaussian   U diag(e sigma^2 / (e + sigma^2)) U^T  exact for a Gaussian prior with the images'
           + the same scalar on the rest          covariance
========== ====================================== =============================================
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmaps_science.operator import Operator, per_item

NAMES = ("isotropic", "saturating", "calibrated", "gaussian")


@dataclass(frozen=True)
class ScaledIdentity:
    """v I.

    Attributes
    ----------
    variance : float
        v, in squared units of the normalised image; may be infinite (no prior term).
    """

    variance: float

    def sqrt(self, x: Tensor) -> Tensor:
        """Sigma^(1/2) x."""
        return math.sqrt(self.variance) * x

    def scaled(self, factor: float) -> "ScaledIdentity":
        """Sigma times `factor`."""
        return ScaledIdentity(factor * self.variance)

    def half_energy(self, x: Tensor) -> Tensor:
        """1/2 x^T Sigma^-1 x, (batch,)."""
        return 0.5 * per_item(x**2) / self.variance


@dataclass(frozen=True)
class LowRank:
    """U diag(d) U^T + r (I - U U^T).

    Attributes
    ----------
    basis : Tensor
        U, orthonormal, (pixels, components).
    variances : Tensor
        d, (components,).
    rest : float
        r.
    """

    basis: Tensor
    variances: Tensor
    rest: float

    def sqrt(self, x: Tensor) -> Tensor:
        """Sigma^(1/2) x."""
        coefficients = x.flatten(1) @ self.basis
        change = coefficients * (self.variances.sqrt() - math.sqrt(self.rest))
        return math.sqrt(self.rest) * x + (change @ self.basis.T).view_as(x)

    def scaled(self, factor: float) -> "LowRank":
        """Sigma times `factor`."""
        return LowRank(self.basis, factor * self.variances, factor * self.rest)

    def half_energy(self, x: Tensor) -> Tensor:
        """1/2 x^T Sigma^-1 x, (batch,)."""
        coefficients = x.flatten(1) @ self.basis
        known = per_item(coefficients**2 * (1 / self.variances - 1 / self.rest))
        return 0.5 * (per_item(x**2) / self.rest + known)


Covariance = ScaledIdentity | LowRank
CovarianceOfLevel = Callable[[float], Covariance]


def isotropic(scale: float = 1.0) -> CovarianceOfLevel:
    """k sigma^2 I."""
    return lambda sigma: ScaledIdentity(scale * sigma**2)


def saturating(data_variance: float) -> CovarianceOfLevel:
    """sigma^2 s^2 / (sigma^2 + s^2) I, with s^2 the variance of the images."""
    return lambda sigma: ScaledIdentity(_shrink(data_variance, sigma))


def calibrated(error_curve: Callable[[float], float]) -> CovarianceOfLevel:
    """v(sigma) I, with v the mean squared denoising error per component."""
    return lambda sigma: ScaledIdentity(error_curve(sigma))


def gaussian(basis: Tensor, eigenvalues: Tensor, rest: float) -> CovarianceOfLevel:
    """Posterior covariance of a Gaussian prior U diag(e) U^T + rest (I - U U^T).

    Parameters
    ----------
    basis : Tensor
        U, orthonormal, (pixels, components).
    eigenvalues : Tensor
        e, (components,).
    rest : float
        Variance outside the basis.
    """

    def at_level(sigma: float) -> LowRank:
        variances = eigenvalues * sigma**2 / (eigenvalues + sigma**2)
        return LowRank(basis, variances, _shrink(rest, sigma))

    return at_level


def _shrink(variance: float, sigma: float) -> float:
    return variance * sigma**2 / (variance + sigma**2)


def covariance_by_name(name: str, prior: Any, operator: Operator) -> CovarianceOfLevel:  # noqa: ANN401
    """The covariance called `name`, from the statistics that `prior` carries.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    prior : object
        The denoiser; ``prior.error_curve`` and ``prior.image_covariance`` where it has them.
    operator : Operator
        Whose images and device it is for.

    Raises
    ------
    ValueError
        If the name is unknown, the prior lacks the statistics it needs, or they are of images
        of another size.
    """
    curve = getattr(prior, "error_curve", None)
    images = getattr(prior, "image_covariance", None)
    if name == "isotropic":
        return isotropic()
    if name == "calibrated" and curve is not None:
        return calibrated(curve)
    if name == "saturating" and images is not None:
        return saturating(images.mean_variance)
    if name == "gaussian" and images is not None:
        if tuple(images.shape) != operator.image_shape:
            raise ValueError(
                f"covariance 'gaussian': the prior's images are {tuple(images.shape)}, the "
                f"operator's {operator.image_shape}; use another covariance or another prior"
            )
        on_device = {"device": operator.device, "dtype": torch.float32}
        basis = torch.linalg.qr(images.basis.T.to(**on_device)).Q
        return gaussian(basis, images.eigenvalues.to(**on_device), images.rest)
    if name not in NAMES:
        raise ValueError(f"covariance: expected one of {', '.join(NAMES)}, got {name!r}")
    missing = "error_curve" if name == "calibrated" else "image_covariance"
    raise ValueError(
        f"covariance {name!r} needs prior.{missing}, which this prior does not carry: use "
        "covariance='isotropic', or a prior made by `lmaps train`, which measures it"
    )

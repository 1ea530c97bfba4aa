"""Priors whose every answer is known in closed form, to test a whole solver against.

Both give the one call of all priors, ``prior(x, sigma)`` = E[x0 | x0 + sigma n = x], and
stay in their families when conditioned on an affine measurement with Gaussian noise.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from lmaps_science.prior.curves import ErrorCurve, measure_error_curve
from lmaps_science.prior.image_covariance import ImageCovariance
from lmaps_science.prior.preconditioning import sigma_vector

SIGMAS = torch.logspace(-4, 3, 700)
"""Noise levels of the analytic error curves; interpolation is then good to 1e-4."""


class GaussianPrior:
    """Images from N(mean, covariance).

    Parameters
    ----------
    mean : Tensor
        (channels, y, x).
    covariance : float or Tensor or ImageCovariance
        A variance for all components; one each, (channels, y, x); a full matrix
        (pixels, pixels), of small images; or a low-rank one.
    """

    def __init__(self, mean: Tensor, covariance: float | Tensor | ImageCovariance) -> None:
        self.mean = mean
        self.image_covariance = _image_covariance(covariance, mean)

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """E[x0 | x], m + C (C + sigma^2 I)^-1 (x - m).

        Parameters
        ----------
        x : Tensor
            Noisy images, (batch, channels, y, x).
        sigma : float or Tensor
            Standard deviation of the noise, one for all or (batch,).

        Returns
        -------
        Tensor
            (batch, channels, y, x).
        """
        noise = _variances(x, sigma)
        mean = self.mean.to(x)
        return mean + self.image_covariance.apply(lambda e: e / (e + noise), x - mean)

    def log_prob(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Log density of images with noise `sigma` added, (batch,)."""
        noise = _variances(x, sigma)
        centred = x - self.mean.to(x)
        whitened = self.image_covariance.apply(lambda e: 1 / (e + noise), centred)
        levels = noise.double().cpu()
        log_determinant = self.image_covariance.trace(lambda e: (2 * math.pi * (e + levels)).log())
        return -((centred * whitened).flatten(1).sum(1) + log_determinant.to(x)) / 2

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw images, (count, channels, y, x)."""
        noise = torch.randn(
            (count, *self.mean.shape), generator=generator, dtype=self.mean.dtype
        ).to(self.mean.device)
        return self.mean + self.image_covariance.apply(torch.sqrt, noise)

    def posterior(
        self, jacobian: Tensor, offset: Tensor, y: Tensor, noise_variance: float
    ) -> "GaussianPrior":
        """Condition on y = J x + offset + noise.

        Parameters
        ----------
        jacobian : Tensor
            J, real or complex, (data, pixels).
        offset, y : Tensor
            As many elements as J has rows, of any shape.
        noise_variance : float
            Of a datum; the total of its real and imaginary parts if it is complex.

        Returns
        -------
        GaussianPrior
            N(posterior mean, posterior covariance); ``.image_covariance.matrix()`` is the
            covariance in full.
        """
        return self._condition(jacobian, offset, y, noise_variance)[0]

    def _condition(
        self, jacobian: Tensor, offset: Tensor, y: Tensor, noise_variance: float
    ) -> tuple["GaussianPrior", Tensor]:
        """Posterior, and the log evidence of y up to a constant."""
        offset, y = offset.flatten(), y.flatten()
        if y.is_complex() or jacobian.is_complex():
            jacobian, offset, y = (_stack_parts(a) for a in (jacobian, offset, y))
            noise_variance = noise_variance / 2
        covariance = self.image_covariance.matrix()
        if jacobian.shape != (len(y), len(covariance)):
            raise ValueError(
                f"jacobian: expected shape {(len(y), len(covariance))}, got {tuple(jacobian.shape)}"
            )
        jacobian, residual = jacobian.to(covariance), (y - offset).to(covariance)
        residual = residual - jacobian @ self.mean.to(covariance).flatten()
        unit = torch.eye(len(y), dtype=covariance.dtype, device=covariance.device)
        cross = covariance @ jacobian.T
        factor = torch.linalg.cholesky(jacobian @ cross + noise_variance * unit)
        whitened = torch.linalg.solve_triangular(
            factor, torch.cat([cross.T, residual[:, None]], dim=1), upper=False
        )
        gain, innovation = whitened[:, :-1], whitened[:, -1]
        mean = self.mean + (gain.T @ innovation).view(self.mean.shape).to(self.mean)
        log_evidence = -innovation.square().sum() / 2 - factor.diagonal().log().sum()
        return GaussianPrior(mean, covariance - gain.T @ gain), log_evidence

    @cached_property
    def error_curve(self) -> ErrorCurve:
        """Exact mean squared denoising error per component, tabulated."""
        noise = SIGMAS.double()[:, None] ** 2
        trace = self.image_covariance.trace(lambda e: e * noise / (e + noise))
        return ErrorCurve(SIGMAS, (trace / self.mean.numel()).float())


class GaussianMixturePrior:
    """Images from a mixture of Gaussians.

    Parameters
    ----------
    means : Tensor
        (components, channels, y, x).
    covariances : sequence
        One per component, each as `GaussianPrior` takes it; a tensor (components,) of
        variances makes isotropic components.
    weights : Tensor
        Probabilities of the components, (components,); normalised if they are not.
    """

    def __init__(
        self,
        means: Tensor,
        covariances: Sequence[float | Tensor | ImageCovariance] | Tensor,
        weights: Tensor,
    ) -> None:
        if not len(means) == len(covariances) == len(weights):
            raise ValueError(
                f"mixture: expected as many means, covariances and weights, got {len(means)}, "
                f"{len(covariances)} and {len(weights)}"
            )
        if not ((weights >= 0).all() and weights.sum() > 0):
            raise ValueError("mixture: expected weights that are not negative, and not all 0")
        self.components = [
            GaussianPrior(mean, covariance)
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        self.weights = weights / weights.sum()

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """E[x0 | x], the components' denoised images weighted by their responsibilities.

        Parameters
        ----------
        x : Tensor
            Noisy images, (batch, channels, y, x).
        sigma : float or Tensor
            Standard deviation of the noise, one for all or (batch,).

        Returns
        -------
        Tensor
            (batch, channels, y, x).
        """
        responsibilities = self.log_joint(x, sigma).softmax(0)
        denoised = torch.stack([component(x, sigma) for component in self.components])
        return torch.einsum("kb,kbcyx->bcyx", responsibilities, denoised)

    def log_prob(self, x: Tensor, sigma: float | Tensor = 0.0) -> Tensor:
        """Log density of images with noise `sigma` added, (batch,)."""
        return self.log_joint(x, sigma).logsumexp(0)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw images, (count, channels, y, x)."""
        index = torch.multinomial(self.weights.cpu(), count, True, generator=generator)
        drawn = torch.stack([component.sample(count, generator) for component in self.components])
        return drawn[index, torch.arange(count)]

    def posterior(
        self, jacobian: Tensor, offset: Tensor, y: Tensor, noise_variance: float
    ) -> "GaussianMixturePrior":
        """Condition on y = J x + offset + noise; arguments as of `GaussianPrior.posterior`."""
        conditioned = [
            component._condition(jacobian, offset, y, noise_variance)
            for component in self.components
        ]
        log_evidence = torch.stack([evidence for _, evidence in conditioned])
        return GaussianMixturePrior(
            torch.stack([component.mean for component, _ in conditioned]),
            [component.image_covariance for component, _ in conditioned],
            (self.weights.log().to(log_evidence) + log_evidence).softmax(0),
        )

    @property
    def mean(self) -> Tensor:
        """Mean image, (channels, y, x)."""
        means = torch.stack([component.mean for component in self.components])
        return torch.einsum("k,kcyx->cyx", self.weights.to(means), means)

    @cached_property
    def image_covariance(self) -> ImageCovariance:
        """Exact covariance of the images, in full: for small images."""
        matrix = torch.zeros(())
        for weight, component in zip(self.weights.tolist(), self.components, strict=True):
            shift = (component.mean - self.mean).flatten()
            matrix = matrix + weight * (
                component.image_covariance.matrix() + torch.outer(shift, shift)
            )
        return ImageCovariance.from_matrix(matrix, self.components[0].image_covariance.shape)

    @cached_property
    def error_curve(self) -> ErrorCurve:
        """Mean squared denoising error per component, measured on 1,000 of its images."""
        images = self.sample(1000, torch.Generator().manual_seed(0))
        return measure_error_curve(self, images, SIGMAS[::20], batch_size=1000)

    def log_joint(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Log of weight times density, (components, batch)."""
        return torch.stack(
            [
                weight.log().to(x) + component.log_prob(x, sigma)
                for weight, component in zip(self.weights, self.components, strict=True)
            ]
        )


def _variances(x: Tensor, sigma: float | Tensor) -> Tensor:
    """Noise variances as a column, (batch, 1), to broadcast against eigenvalues."""
    return sigma_vector(sigma, x).to(x.dtype)[:, None] ** 2


def _stack_parts(array: Tensor) -> Tensor:
    """Real rows, then imaginary rows."""
    array = array.to(array.dtype.to_complex())
    return torch.cat([array.real, array.imag])


def _image_covariance(
    covariance: float | Tensor | ImageCovariance, mean: Tensor
) -> ImageCovariance:
    if mean.ndim != 3:
        raise ValueError(f"mean: expected shape (channels, y, x), got {tuple(mean.shape)}")
    shape = (mean.shape[0], mean.shape[1], mean.shape[2])
    if isinstance(covariance, ImageCovariance):
        return covariance
    if isinstance(covariance, Tensor) and covariance.ndim > 0:
        if covariance.shape not in (mean.shape, (mean.numel(), mean.numel())):
            raise ValueError(
                f"covariance: expected a variance, or shape {shape} or "
                f"{(mean.numel(), mean.numel())}, got {tuple(covariance.shape)}"
            )
        is_diagonal = covariance.ndim == 3
        matrix = covariance.flatten().diag() if is_diagonal else covariance
        return ImageCovariance.from_matrix(matrix, shape)
    empty = mean.new_zeros(0, mean.numel())
    return ImageCovariance(empty, mean.new_zeros(0), float(covariance), shape)

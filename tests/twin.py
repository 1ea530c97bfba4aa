"""A problem with a known answer: affine operator, Gaussian noise, Gaussian prior."""

from types import SimpleNamespace

import torch
from torch import Tensor

from lmaps_science.operator import AffineOperator

SHAPE = (1, 4, 4)
PIXELS = 16


class MatrixOperator(AffineOperator):
    """y = A x + b with real data; the spectrum can be withheld."""

    def __init__(self, A: Tensor, b: Tensor, sigma_noise: float, spectral: bool = True) -> None:
        super().__init__(SHAPE, sigma_noise)
        self.A, self.b, self.spectral = A, b, spectral

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).to(self.A.dtype) @ self.A.T + self.b

    def adjoint(self, y: Tensor) -> Tensor:
        return (y @ self.A).view(-1, *self.image_shape)

    def spectrum(self) -> SimpleNamespace | None:
        if not self.spectral:
            return None
        e, V = torch.linalg.eigh(self.A.T @ self.A)
        e, V = e[e > 1e-12 * e.max()], V[:, e > 1e-12 * e.max()]
        return SimpleNamespace(
            values=e,
            analysis=lambda x: x.flatten(1).to(V.dtype) @ V,
            synthesis=lambda c: (c @ V.T).view(-1, *SHAPE),
        )


class GaussianTwin:
    """The twin problem: `prior`, `operator`, data `y`, posterior `mean` and `covariance`."""

    def __init__(self, spectral: bool = True, num_data: int = 10, sigma_noise: float = 0.1) -> None:
        generator = torch.Generator().manual_seed(1)

        def randn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.operator = MatrixOperator(
            randn(num_data, PIXELS), randn(num_data), sigma_noise, spectral
        )
        root = randn(PIXELS, PIXELS)
        self.prior_mean = randn(PIXELS)
        self.prior_covariance = root @ root.T / PIXELS + 0.05 * torch.eye(PIXELS)
        truth = self.prior_mean + torch.linalg.cholesky(self.prior_covariance) @ randn(PIXELS)
        A, b = self.operator.A, self.operator.b
        self.y = A @ truth + b + sigma_noise * randn(num_data)

        precision = torch.linalg.inv(self.prior_covariance)
        self.covariance = torch.linalg.inv(precision + A.T @ A / sigma_noise**2)
        self.mean = self.covariance @ (
            precision @ self.prior_mean + A.T @ (self.y - b) / sigma_noise**2
        )

    def prior(self, x: Tensor, sigma: float) -> Tensor:
        total = self.prior_covariance + sigma**2 * torch.eye(PIXELS)
        gain = torch.linalg.solve(total, self.prior_covariance)
        centred = x.flatten(1).double() - self.prior_mean
        return (self.prior_mean + centred @ gain).view_as(x).float()

"""A problem whose every answer is known: a Gaussian mixture prior, y = J x + noise.

The posterior is a mixture too, its weights and its modes are at hand, and so is the best of them,
the global MAP. Images are vectors, (1, 1, dimension).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.benchmark.cases import Source, generator_of, numbered
from lmaps_science.operator import AffineOperator
from lmaps_science.prior.analytic import GaussianMixturePrior
from lmaps_science.problem import Measurement, Problem
from lmaps_science.samplers import Sampler
from lmaps_science.solver import Reconstruction, generator_of_sample

if TYPE_CHECKING:
    from lmaps_science.result import Result

_CLIMB, _SAME = 1000, 1e-3
_DIRECTIONS, _DRAWS = 200, 20000
_NO_FILES = "problem 'mixture' is for benchmarks: lmaps benchmark run paper-mixture"
_LEAST_WEIGHT = 0.15
"""Of the second mode, so that there is something to miss."""


class KnownPrior(GaussianMixturePrior):
    """A mixture with what the benchmark asks of a prior."""

    name, sha256, sigma_max, peak_curve, batch_size = "known", None, None, None, 1000

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(1, 1, dimension)."""
        return tuple(self.components[0].mean.shape)

    @property
    def mean(self) -> Tensor:
        """In single precision, as samplers take it, (1, 1, dimension)."""
        return super().mean.float()


class MatrixOperator(AffineOperator):
    """H(x) = J x.

    Parameters
    ----------
    matrix : Tensor
        J, (data, dimension).
    sigma_noise : float
        Standard deviation of the noise of a datum.
    """

    def __init__(self, matrix: Tensor, sigma_noise: float) -> None:
        super().__init__((1, 1, matrix.shape[1]), sigma_noise)
        self.matrix = matrix

    def forward(self, x: Tensor) -> Tensor:
        """(batch, data)."""
        return x.flatten(1) @ self.matrix.to(x).T

    def adjoint(self, y: Tensor) -> Tensor:
        """(batch, 1, 1, dimension)."""
        return (y @ self.matrix.to(y)).view(-1, *self.image_shape)


@dataclass(frozen=True)
class KnownMeasurement:
    """Data of a vector of a known prior.

    Attributes
    ----------
    prior : KnownPrior
        Of `truth`.
    operator : MatrixOperator
        That made `y`.
    y, truth : Tensor
        (1, data) and (1, 1, 1, dimension).
    """

    prior: KnownPrior
    operator: MatrixOperator
    y: Tensor
    truth: Tensor

    @property
    def posterior(self) -> GaussianMixturePrior:
        """Of x given y."""
        return posterior_of(self.prior, self.operator, self.y)


@dataclass(frozen=True)
class Mixture(Source):
    """Random mixtures and random measurements of them that leave two modes or more.

    Attributes
    ----------
    dimension, num_data, components : int
        Of x, of y, of the mixture.
    sigma_noise : float
        Standard deviation of the noise of a datum; J has rows of unit length.
    count : int
        Cases.
    """

    dimension: int = 2
    num_data: int = 1
    components: int = 6
    sigma_noise: float = 0.2
    count: int = 10

    def cases(self) -> list[str]:
        """`count` of them."""
        return numbered("mixture", self.count)

    def tuning_cases(self) -> list[str]:
        """Others."""
        return numbered("tuning-mixture", 3)

    def measure(self, case: str, device: str) -> Measurement:
        """By the case's name; drawn anew until the second mode counts."""
        if device != "cpu":
            raise ValueError(f"data 'mixture': expected device cpu, got {device!r}")
        generator = generator_of(case)
        while True:
            drawn = self._draw(generator)
            found = drawn.posterior
            if found.weights.sort().values[-2] > _LEAST_WEIGHT and len(modes(found)) > 1:
                return drawn

    def _draw(self, generator: torch.Generator) -> KnownMeasurement:
        size, kinds = self.dimension, self.components

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(shape, generator=generator).double()

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).double()

        rotations = torch.linalg.qr(normal(kinds, size, size)).Q
        variances = uniform(0.1, 0.5, kinds, 1, size) ** 2
        prior = KnownPrior(
            uniform(-2, 2, kinds, 1, 1, size),
            list(rotations * variances @ rotations.mT),
            uniform(0.5, 1.5, kinds),
        )
        matrix = normal(self.num_data, size)
        matrix = matrix / matrix.norm(dim=1, keepdim=True)
        operator = MatrixOperator(matrix, self.sigma_noise)
        truth = prior.sample(1, generator)
        return KnownMeasurement(prior, operator, operator({"target": truth}, generator), truth)


class KnownMixture(Problem):
    """Samples of a known posterior, judged as such."""

    name = "mixture"
    title = "Gaussian mixture"
    quantity = "x"
    default_prior = "known"

    def read(self, paths: Sequence[Path], device: str) -> Measurement:  # noqa: ARG002
        """There are no files of it."""
        raise ValueError(_NO_FILES)

    def misfit_scale(self, operator: MatrixOperator) -> float:
        """Chi squared per datum."""
        return 1 / (len(operator.matrix) * operator.sigma_noise**2)

    def residuals(self, operator: MatrixOperator, x: Tensor, y: Tensor) -> NDArray[np.float64]:
        """Residuals in units of the noise."""
        return ((y - operator.forward(x.to(y))) / operator.sigma_noise).flatten().numpy()

    def metrics(self, operator: Any, image: NDArray, truth: NDArray) -> dict[str, float]:  # noqa: ANN401, ARG002
        """None of the mean: what is judged is all samples, in `describe`."""
        return {}

    def describe(self, measurement: KnownMeasurement, x: Tensor) -> dict[str, Any]:  # type: ignore[override]
        """How far samples (count, 1, 1, dimension) are from the posterior and its best mode."""
        return {"of_samples": figures(measurement.posterior, x)}

    def save_figure(self, result: "Result", path: Path) -> None:  # noqa: ARG002
        """There is none of one result."""
        raise ValueError(_NO_FILES)

    def write(self, path: Path, measurement: Measurement) -> None:  # noqa: ARG002
        """There are no files of it."""
        raise ValueError(_NO_FILES)


def posterior_of(
    prior: GaussianMixturePrior, operator: MatrixOperator, y: Tensor
) -> GaussianMixturePrior:
    """Posterior of data (1, data)."""
    return prior.posterior(operator.matrix, torch.zeros_like(y), y, operator.sigma_noise**2)


def exact_sampler(prior: Any, operator: MatrixOperator, _steps: None, seed: int) -> Sampler:  # noqa: ANN401
    """Samples of the exact posterior: what a sampler can reach at best."""

    def solve(y: Tensor, num_samples: int, _callback: object) -> Reconstruction:
        generator = generator_of_sample(seed, 0)
        drawn = posterior_of(prior.prior, operator, y).sample(num_samples, generator)
        return Reconstruction.without_levels(drawn[None].float(), 0.0)

    return solve


def figures(posterior: GaussianMixturePrior, x: Tensor) -> dict[str, float]:
    """Figures of merit of samples (count, 1, 1, dimension).

    Returns
    -------
    dict
        ``sliced_wasserstein`` to as many exact samples; ``weight_error``, total variation between
        the shares of the components; ``at_global_map``, share of the samples from which the density
        rises to the global MAP; ``below_map``, mean log density below that of the global MAP.
    """
    x = x.double()
    exact = posterior.sample(_DRAWS, torch.Generator().manual_seed(0))
    peaks = modes(posterior)
    top = climb(posterior, x)
    distance = (top - peaks[:1]).flatten(1).norm(dim=1)
    below = posterior.log_prob(peaks[:1]) - posterior.log_prob(x)
    return {
        "sliced_wasserstein": sliced_wasserstein(x, exact[: len(x)]),
        "weight_error": float((shares(posterior, x) - shares(posterior, exact)).abs().sum() / 2),
        "at_global_map": float((distance < _SAME).double().mean()),
        "below_map": float(below.mean()),
    }


def shares(mixture: GaussianMixturePrior, x: Tensor) -> Tensor:
    """Share of the samples that each component is most responsible for, (components,)."""
    index = mixture.log_joint(x, 0.0).argmax(0)
    return torch.bincount(index, minlength=len(mixture.components)) / len(x)


def sliced_wasserstein(x: Tensor, other: Tensor) -> float:
    """Root mean square over directions of the 2-Wasserstein distance of equally many samples."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(x[0].numel(), _DIRECTIONS, generator=generator).to(x)
    directions = directions / directions.norm(dim=0)
    a, b = ((s.flatten(1) @ directions).sort(0).values for s in (x, other))
    return math.sqrt(float((a - b).square().mean()))


def climb(mixture: GaussianMixturePrior, x: Tensor) -> Tensor:
    """The modes to which the density rises from points (count, 1, 1, dimension).

    Each step solves sum_k r_k(x) C_k^-1 (x' - m_k) = 0 with the responsibilities r_k, which never
    lowers the density (Carreira-Perpinan, IEEE TPAMI 2000).
    """
    precisions, means = _parts(mixture)
    pulls = torch.einsum("kij,kj->ki", precisions, means)
    for _ in range(_CLIMB):
        weights = mixture.log_joint(x, 0.0).softmax(0)
        curvature = torch.einsum("kb,kij->bij", weights, precisions)
        higher = torch.linalg.solve(curvature, weights.T @ pulls).view_as(x)
        step, x = float((higher - x).abs().max()), higher
        if step < 1e-9:
            break
    return x


def modes(mixture: GaussianMixturePrior) -> Tensor:
    """All modes found from the means of the components, best first, (modes, 1, 1, dimension)."""
    found = climb(mixture, torch.stack([c.mean for c in mixture.components]))
    found = found[mixture.log_prob(found).argsort(descending=True)]
    distinct: list[Tensor] = []
    for point in found:
        if all((point - other).norm() > _SAME for other in distinct):
            distinct.append(point)
    return torch.stack(distinct)


@lru_cache(maxsize=8)
def _parts(mixture: GaussianMixturePrior) -> tuple[Tensor, Tensor]:
    """Precisions (components, dimension, dimension) and means (components, dimension)."""
    precisions = [torch.linalg.inv(c.image_covariance.matrix()) for c in mixture.components]
    return torch.stack(precisions), torch.stack([c.mean.flatten() for c in mixture.components])

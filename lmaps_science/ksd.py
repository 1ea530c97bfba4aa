"""Do samples come from the posterior? Checks that need no truth, only the posterior's score.

Both rest on Stein's identity, E[trace grad f + f . score] = 0 for samples of the distribution that
has the score. With the score of a learned prior the kernel Stein discrepancy is proposed for
diffusion solvers by Qiu et al., "Beyond Accuracy: Evaluating Posterior Fidelity of Diffusion
Inverse Solvers", arXiv 2602.04189; kernel, scale and `stein_width` are choices made here.
"""

import math

import torch
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.solver import Prior


@torch.no_grad()
def posterior_score(prior: Prior, operator: Operator, x: Tensor, y: Tensor, sigma: float) -> Tensor:
    """Score of p_sigma(x) p(y | x), the posterior under the prior blurred by noise `sigma`.

    (prior(x, sigma) - x) / sigma^2 - w grad loss(x, y), the first term by Tweedie's formula.

    Parameters
    ----------
    prior, operator
        Denoiser, ``prior(x, sigma)`` = E[x0 | x], and operator with its noise level.
    x, y : Tensor
        Normalised images, (count, channels, y, x), and data, (1, ...).
    sigma : float
        Small beside what the samples are to be distinguished by.
    """
    _, gradient = operator.loss_and_gradient(x, y.expand(len(x), *y.shape[1:]))
    return (prior(x, sigma) - x) / sigma**2 - operator.loss_weight * gradient.to(x)


def stein_width(samples: Tensor, score: Tensor) -> float:
    """How many times too wide samples are: 1 if they are right, 0 if they are all the same.

    The root of trace cov(x, -score) / dimension, Stein's identity for f(x) = x - E[x]. Of a
    Gaussian scaled about its mean it is the factor; it does not see a shift. Few samples do.

    Parameters
    ----------
    samples, score
        As for `kernel_stein_discrepancy`.
    """
    x, s = _checked(samples, score)
    return math.sqrt(max(0.0, -float((x * (s - s.mean(0))).sum()) / (len(x) - 1) / x.shape[1]))


def kernel_stein_discrepancy(samples: Tensor, score: Tensor) -> float:
    """Squared kernel Stein discrepancy per dimension, without bias: about 0 if all is well.

    The kernel is (1 + |a - b|^2 / l^2)^(-1/2) with l the median distance of the samples, in the
    metric of their covariance if they are more than their dimensions. It sees samples that are
    shifted, too narrow or too wide, hardly that a mode far from the others has none. It takes
    many: of eight images it tells nothing.

    Parameters
    ----------
    samples : Tensor
        (count, ...), at least two.
    score : Tensor
        Gradient of the target's log density at the samples, of their shape.

    References
    ----------
    Liu, Lee & Jordan, ICML 2016; Gorham & Mackey, ICML 2017 (the inverse multiquadric kernel).
    """
    x, s = _checked(samples, score)
    count, dimension = x.shape
    if count > dimension:
        root = torch.linalg.cholesky(x.T @ x / (count - 1))
        x, s = torch.linalg.solve_triangular(root, x.T, upper=False).T, s @ root
    squared = torch.cdist(x, x).square()
    others = ~torch.eye(count, dtype=torch.bool, device=x.device)
    scale = squared[others].median()
    q = 1 + squared / scale
    products, own = s @ x.T, (s * x).sum(1)
    drift = own[:, None] + own[None] - products - products.T  # (s_i - s_j) . (x_i - x_j)
    stein = (
        s @ s.T / q.sqrt()
        + (drift + dimension) / (scale * q**1.5)
        - 3 * squared / (scale**2 * q**2.5)
    )
    return float(stein[others].mean() / dimension)


def _checked(samples: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Centred samples and their score as rows."""
    if samples.shape != score.shape or len(samples) < 2:
        raise ValueError(
            "Stein's identity: expected at least two samples and a score of their shape, got "
            f"{tuple(samples.shape)} and {tuple(score.shape)}"
        )
    x = samples.flatten(1).double()
    return x - x.mean(0), score.flatten(1).double()

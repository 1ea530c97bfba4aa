"""Do samples come from the posterior? A check that needs no truth, only the posterior's score.

The kernel Stein discrepancy of samples is zero in expectation exactly if their distribution has
the score that it is given. As a check of diffusion solvers, with the score of a learned prior, it
is proposed in Qiu et al., "Beyond Accuracy: Evaluating Posterior Fidelity of Diffusion Inverse
Solvers", arXiv 2602.04189; the kernel and its scale are choices made here.
"""

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
    prior : callable
        Denoiser, ``prior(x, sigma)`` = E[x0 | x].
    operator : Operator
        With its noise level.
    x : Tensor
        Normalised images, (count, channels, y, x).
    y : Tensor
        Data, (1, ...).
    sigma : float
        Small beside what the samples are to be distinguished by.

    Returns
    -------
    Tensor
        The shape of `x`.
    """
    _, gradient = operator.loss_and_gradient(x, y.expand(len(x), *y.shape[1:]))
    return (prior(x, sigma) - x) / sigma**2 - operator.loss_weight * gradient.to(x)


def kernel_stein_discrepancy(samples: Tensor, score: Tensor) -> float:
    """Squared kernel Stein discrepancy per dimension, without bias; about 0 if all is well.

    The kernel is (1 + |a - b|^2 / l^2)^(-1/2) with l the median distance of the samples. It sees
    samples that are shifted, too narrow or too wide. As any local check it hardly sees that a
    whole mode, far from the others, has no samples or too many.

    Parameters
    ----------
    samples : Tensor
        (count, ...), at least two.
    score : Tensor
        Gradient of the target's log density at the samples, of their shape.

    Returns
    -------
    float
        In squared units of the score; may be slightly below 0.

    References
    ----------
    Liu, Lee & Jordan, ICML 2016; Gorham & Mackey, ICML 2017 (the inverse multiquadric kernel).
    """
    if samples.shape != score.shape or len(samples) < 2:
        raise ValueError(
            "kernel Stein discrepancy: expected at least two samples and a score of their shape, "
            f"got {tuple(samples.shape)} and {tuple(score.shape)}"
        )
    x, s = samples.flatten(1).double(), score.flatten(1).double()
    count, dimension = x.shape
    squared = torch.cdist(x, x).square()
    others = ~torch.eye(count, dtype=torch.bool, device=x.device)
    scale = squared[others].median()
    q = 1 + squared / scale
    # (s_i - s_j) . (x_i - x_j) of every pair
    cross = s @ x.T
    own = cross.diagonal()
    drift = own[:, None] + own[None] - cross - cross.T
    stein = (
        s @ s.T / q.sqrt()
        + drift / (scale * q**1.5)
        + dimension / (scale * q**1.5)
        - 3 * squared / (scale**2 * q**2.5)
    )
    return float(stein[others].mean() / dimension)

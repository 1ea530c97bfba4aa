"""Which samples of a source fit its closure quantities, and why the others are dropped."""

import torch
from torch import Tensor

from lmaps_science.problems.blackhole.operator import BlackHoleImaging

MAX_CHI_SQUARED = 1.8
"""Of either kind of closure quantity: a sample above it does not fit the data."""
MAX_CHI_SQUARED_DENOISED = 6.0
"""The same of the last denoised image: above it the data contradict the prior."""
MAX_EXCESS = 1.3
"""Of a sample's misfit over the median of those that fit: above it is a worse optimum."""


def objections(
    operator: BlackHoleImaging, y: Tensor, x: Tensor, denoised: Tensor | None = None
) -> list[str]:
    """Why each sample is to be dropped; empty where it is not.

    Parameters
    ----------
    operator : BlackHoleImaging
        What was measured.
    y : Tensor
        Data, (1, ...).
    x : Tensor
        Samples, (count, 1, y, x) in [-1, 1].
    denoised : Tensor, optional
        The prior's last images behind them, where it made any.
    """
    reasons = [""] * len(x)
    if denoised is not None:
        _object(reasons, operator.chi_squared(denoised, y), MAX_CHI_SQUARED_DENOISED, " denoised")
    _object(reasons, operator.chi_squared(x, y), MAX_CHI_SQUARED, "")
    misfit = operator.loss(x, y)
    passed = torch.tensor([not why for why in reasons], device=misfit.device)
    if passed.any():
        excess = misfit / misfit[passed].median()
        for k in torch.nonzero(passed & (excess > MAX_EXCESS))[:, 0].tolist():
            reasons[k] = f"misfit {float(excess[k]):.2f} times that of most"
    return reasons


def _object(
    reasons: list[str], chi_squared: tuple[Tensor, Tensor], limit: float, which: str
) -> None:
    """Note, for each sample without an objection yet, the first χ² above the limit."""
    for name, values in zip(("closure phases", "log closure amplitudes"), chi_squared, strict=True):
        for k, value in enumerate(values.tolist()):
            # False of NaN: a file without one of the kinds.
            if not reasons[k] and value > limit:
                reasons[k] = f"χ² of {name} of the{which} image {value:.2f} > {limit:g}"

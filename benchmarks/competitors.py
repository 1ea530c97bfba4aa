"""Methods that do not fit the loop, on our operator and our prior, batched over cases.

DPS, DAPS and RED-diff are InverseBench's own code, loaded from a checkout that the user
has. Its PiGDM and its linear DiffPIR invert dense matrices of the size of the data or of the
image at every level; here the same formulas are evaluated in the eigenbasis of J^T J.
"""

import importlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor

from lmaps_science import LMAPS
from lmaps_science.covariance import isotropic
from lmaps_science.operator import Operator
from lmaps_science.schedule import ve_discretization

Method = Callable[[Tensor], Tensor]
"""From data (cases, transmitters, receivers) to images (cases, 1, y, x)."""


class SimulatedStudy(Protocol):
    """Objects (cases, 1, y, x), an operator and its data."""

    @property
    def truth(self) -> Tensor:  # noqa: D102
        ...

    @property
    def operator(self) -> Operator:  # noqa: D102
        ...

    @property
    def y(self) -> Tensor:  # noqa: D102
        ...


class HostNetwork(torch.nn.Module):
    """The prior with the attributes that InverseBench's algorithms read."""

    def __init__(self, prior: torch.nn.Module, channels: int, pixels: int) -> None:
        super().__init__()
        self.prior, self.img_channels, self.img_resolution = prior, channels, pixels

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoise."""
        return self.prior(x, sigma)


class Cases(SimpleNamespace):
    """Data of many cases that the algorithms' `repeat` for one case leaves alone."""

    def repeat(self, *_: int) -> "Cases":
        """The same data."""
        return self


class HostOperator:
    """Our operator with a loss per case where the algorithms expect a scalar for one case."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.device = operator, operator.device

    def loss(self, x: Tensor, cases: Cases) -> Tensor:
        """Loss of each case."""
        return self.operator.loss(x, cases.y)

    def gradient(self, x: Tensor, cases: Cases, return_loss: bool = False) -> Any:  # noqa: ANN401
        """Gradient, and the loss shaped to divide it."""
        loss, gradient = self.operator.loss_and_gradient(x, cases.y)
        shaped = loss.to(x.dtype)[:, None, None, None]
        return (gradient, shaped) if return_loss else gradient


class Quiet:
    """A progress bar that shows nothing; the algorithms format their loss as one number."""

    def __init__(self, steps: Any) -> None:  # noqa: ANN401
        self.steps = steps

    def __iter__(self) -> Any:  # noqa: ANN401
        return iter(self.steps)

    def set_description(self, _: str) -> None:
        """Nothing."""


def host_method(
    checkout: Path | None,
    algorithm: tuple[str, str],
    prior: torch.nn.Module,
    s: SimulatedStudy,
    **settings: Any,  # noqa: ANN401
) -> Method:
    """InverseBench's algorithm, (module, class), as a `Method`."""
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    sys.modules.setdefault("wandb", SimpleNamespace(run=None))  # type: ignore[arg-type]
    module = importlib.import_module(f"algo.{algorithm[0]}")
    if hasattr(module, "tqdm"):
        quiet = SimpleNamespace(trange=lambda n: Quiet(range(n)))
        module.tqdm = quiet if hasattr(module.tqdm, "trange") else Quiet  # type: ignore[attr-defined]
    solver = getattr(module, algorithm[1])(
        net=HostNetwork(prior, s.truth.shape[1], s.truth.shape[-1]),
        forward_op=HostOperator(s.operator),
        **settings,
    )

    def run(y: Tensor) -> Tensor:
        torch.manual_seed(0)
        return solver.inference(Cases(y=y), num_samples=len(y), verbose=True).detach()

    return run


def diffpir(
    prior: torch.nn.Module,
    s: SimulatedStudy,
    strength: float,
    sigma_n: float,
    sigma_max: float = 100.0,
) -> Method:
    """DiffPIR with xi = 1: the proximal step's rho = 2 lambda sigma_n^2 / sigma^2 on the image
    in [0, 1] is Sigma = sigma^2 sigma_y^2 / (sigma_n^2 lambda) I in our terms.
    """  # noqa: D205
    scale = 1 / (s.operator.loss_weight * strength * sigma_n**2)

    def run(y: Tensor) -> Tensor:
        return LMAPS(
            prior,
            s.operator,
            num_steps=100,
            sigma_max=sigma_max,
            covariance=isotropic(scale),
        )(y).samples[:, 0]

    return run


def pigdm(
    prior: torch.nn.Module,
    s: SimulatedStudy,
    num_steps: int = 100,
    eta: float = 0.2,
    sigma_max: float = 100.0,
) -> Method:
    """PiGDM: DDIM plus the network's vector-Jacobian product of the regularised inverse.

    InverseBench takes the inverse and the product in [0, 1] units of an image in [-1, 1], which
    makes its guidance a quarter of this.
    """
    operator, spectrum = s.operator, s.operator.spectrum()
    sigmas = ve_discretization(num_steps, sigma_max).sigma

    def run(y: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        b = spectrum.analysis(operator.adjoint(y - operator.offset()))
        x = sigmas[0] * torch.randn(len(y), *operator.image_shape, generator=generator)
        for sigma, following in itertools.pairwise(sigmas):
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                m = prior(x, float(sigma))
                # J^T (J J^T + s I)^-1 (y - J m), s in InverseBench's units of [0, 1] images.
                damping = operator.sigma_noise**2 * (sigma**2 + 1) / sigma**2
                residual = b - spectrum.values * spectrum.analysis(m.detach())
                vector = spectrum.synthesis(residual / (spectrum.values + damping / 4))
                (guidance,) = torch.autograd.grad((vector.to(m.dtype) * m).sum(), x)
            m, x = m.detach(), x.detach()
            noise = torch.randn(x.shape, generator=generator)
            drift = (1 - eta**2) ** 0.5 * following / sigma * (x - m)
            x = m + drift + eta * following * noise + guidance
        return x.float()

    return run

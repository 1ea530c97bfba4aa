"""deepinv's DPS, DiffPIR, DDRM and PiGDM on our operators and priors, where deepinv is installed.

An affine operator with a spectrum is to deepinv one with a singular value decomposition of unit
U: the data y become S^-1 V^T J^T (y - H(0)), of the same likelihood up to a constant.
"""

import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lmaps_science.inversebench.forward import LinearForward
from lmaps_science.operator import AffineOperator, Operator
from lmaps_science.samplers import Sampler
from lmaps_science.solver import Reconstruction

Solver = Callable[[Any, Any], Tensor]
"""From data and physics of deepinv to an image in [0, 1]."""


def require_deepinv() -> ModuleType:
    """The module, or an ImportError that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import deepinv.sampling
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises the latter
        raise ImportError(
            "deepinv's methods need deepinv and torchvision: pip install 'lmaps-science[fullwave]'"
        ) from error
    return deepinv


def factory(make_solver: Callable[..., Solver]) -> Callable[..., Sampler]:
    """Factory of samplers of one of the functions below."""

    def make(
        prior: Any,  # noqa: ANN401
        operator: Operator,
        steps: int | None,
        seed: int,
        **options: float,
    ) -> Sampler:
        if not isinstance(operator, AffineOperator):
            raise ValueError("deepinv's methods are for linear problems here")
        dinv, forward = require_deepinv(), LinearForward(operator)
        solve = make_solver(dinv, _Denoiser(prior), steps or 100, **options)

        def run(y: Tensor, num_samples: int, _callback: object) -> Reconstruction:
            start = time.perf_counter()
            z, physics = _decomposed(dinv, forward, y)
            images = []
            for sample in range(num_samples):
                with torch.random.fork_rng(), torch.enable_grad():
                    torch.manual_seed(1000 * seed + sample)
                    images.append(2 * solve(z, physics).detach().float() - 1)
            seconds = time.perf_counter() - start
            return Reconstruction.without_levels(torch.stack(images, 1), seconds)

        return run

    return make


def dps(dinv: ModuleType, denoiser: nn.Module, steps: int, weight: float = 1.0) -> Solver:
    """Chung et al., ICLR 2023."""
    return dinv.sampling.DPS(denoiser, num_steps=steps, weight=weight)


def diffpir(
    dinv: ModuleType, denoiser: nn.Module, steps: int, zeta: float = 0.3, lambda_: float = 7.0
) -> Solver:
    """Zhu et al., CVPR Workshops 2023."""
    fidelity = dinv.optim.data_fidelity.L2()
    return dinv.sampling.DiffPIR(denoiser, fidelity, max_iter=steps, zeta=zeta, lambda_=lambda_)


def ddrm(dinv: ModuleType, denoiser: nn.Module, steps: int, eta: float = 0.85) -> Solver:
    """Kawar et al., NeurIPS 2022."""
    sigmas = torch.linspace(1, 0, steps + 1)[:-1].tolist()
    return dinv.sampling.DDRM(denoiser, sigmas=sigmas, eta=eta)


def pigdm(dinv: ModuleType, denoiser: nn.Module, steps: int, weight: float = 1.0) -> Solver:
    """Song et al., ICLR 2023."""
    sampling = dinv.sampling
    solver = sampling.EulerSolver(timesteps=torch.linspace(1, 0.001, steps))
    return sampling.PosteriorDiffusion(
        data_fidelity=sampling.PiGDMDataFidelity(weight=weight),
        denoiser=denoiser,
        sde=sampling.VariancePreservingDiffusion(),
        solver=solver,
    )


class _Denoiser(nn.Module):
    """A prior of images in [-1, 1] as a denoiser of images in [0, 1]."""

    def __init__(self, prior: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.prior = prior

    def forward(self, u: Tensor, sigma: Tensor | float, *_: object, **__: object) -> Tensor:
        """All noise levels of a call are the same."""
        level = 2 * float(torch.as_tensor(sigma).flatten()[0])
        return (self.prior((2 * u - 1).float(), level).to(u.dtype) + 1) / 2


def _decomposed(dinv: ModuleType, forward: LinearForward, y: Tensor) -> tuple[Tensor, Any]:
    """Data and physics of images in [0, 1]: x = 2 u - 1."""
    operator = forward.operator
    values = forward.S * forward.unnorm_scale
    seen = values > values.max() * 1e-9
    scale = torch.where(seen, values, 0.0).float()
    z = forward.Ut(y - operator.offset()).float()
    ones = torch.ones(1, *operator.image_shape, device=y.device)
    physics = dinv.physics.DecomposablePhysics(
        U=lambda c: c,
        U_adjoint=lambda c: c,
        V_adjoint=lambda u: forward.Vt(u.float()).float(),
        V=lambda c: forward.V(c),
        img_size=operator.image_shape,
        mask=2 * scale[None],
        noise_model=dinv.physics.GaussianNoise(1 / (2 * operator.loss_weight) ** 0.5),
        device=y.device,
    )
    return z + scale * forward.Vt(ones).float(), physics

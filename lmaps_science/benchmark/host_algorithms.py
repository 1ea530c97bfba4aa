"""InverseBench's algorithms as methods, from a checkout that the user has.

The checkout is named by the environment variable ``INVERSEBENCH``; an algorithm by its YAML in
``configs/algorithm``, of which a suite's options change keys, as ``guidance_scale`` or
``lgvd_config.lr``. They see our operator and prior through the host's interfaces.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lmaps_science.operator import AffineOperator, Operator
from lmaps_science.samplers import Sampler
from lmaps_science.solver import Reconstruction

PREFIX = "inversebench:"
VARIABLE = "INVERSEBENCH"


def checkout() -> Path:
    """The user's checkout.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    from lmaps_science.inversebench.checkout import check_checkout

    folder = os.environ.get(VARIABLE)
    if not folder:
        raise FileNotFoundError(
            f"InverseBench's algorithms need its checkout: set {VARIABLE}=DIR "
            "(git clone https://github.com/devzhk/InverseBench)"
        )
    try:
        return check_checkout(folder).absolute()
    except ValueError as error:
        raise FileNotFoundError(f"{VARIABLE}: {error}") from error


def factory(algorithm: str) -> Callable[..., Sampler]:
    """Factory of samplers of an algorithm by the name of its YAML."""

    def make(
        prior: Any,  # noqa: ANN401
        operator: Operator,
        _steps: int | None,
        seed: int,
        **options: Any,  # noqa: ANN401
    ) -> Sampler:
        config = _config(algorithm, options)

        def run(y: Tensor, num_samples: int, _callback: object) -> Reconstruction:
            from hydra.utils import instantiate

            start = time.perf_counter()
            with _imported(checkout()), _seeded(seed), redirect_stderr(StringIO()):
                solver = instantiate(
                    config, forward_op=_forward(operator), net=_Network(prior, operator)
                )
                samples = [_sample(solver, y, operator) for _ in range(num_samples)]
            x = torch.cat(samples)[None].float().detach()
            seconds = time.perf_counter() - start
            return Reconstruction.without_levels(x, seconds)

        return run

    return make


class _Network(nn.Module):
    """A prior with the attributes that the algorithms read."""

    label_dim = 0
    sigma_min = 0.0

    def __init__(self, prior: Any, operator: Operator) -> None:  # noqa: ANN401
        super().__init__()
        self.prior = prior
        self.img_channels, self.img_resolution = operator.image_shape[0], operator.image_shape[-1]
        self.sigma_max = prior.sigma_max or float("inf")

    def forward(self, x: Tensor, sigma: Tensor | float, *_: object, **__: object) -> Tensor:
        """Denoised images; all noise levels of a call are the same."""
        return self.prior(x.float(), float(torch.as_tensor(sigma).flatten()[0])).to(x.dtype)

    def round_sigma(self, sigma: Any) -> Tensor:  # noqa: ANN401
        """Any noise level is as good as another."""
        return torch.as_tensor(sigma)


def _forward(operator: Operator) -> Any:  # noqa: ANN401
    from lmaps_science.inversebench.forward import HostForward, LinearForward

    return (
        LinearForward(operator) if isinstance(operator, AffineOperator) else HostForward(operator)
    )


def _config(algorithm: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    folder = checkout() / "configs" / "algorithm"
    path = folder / f"{algorithm}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ValueError(f"method {PREFIX + algorithm!r}: expected {PREFIX} and one of {known}")
    config = OmegaConf.load(path).method
    OmegaConf.set_struct(config, True)
    try:
        for key, value in options.items():
            OmegaConf.update(config, key, value, force_add=False)
    except OmegaConfBaseException as error:
        raise ValueError(f"method {PREFIX + algorithm!r}: {_first_line(error)}") from error
    return config


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


@contextmanager
def _imported(folder: Path) -> Iterator[None]:
    """The checkout's modules can be imported, without wandb."""
    sys.path.insert(0, str(folder))
    if "wandb" not in sys.modules:
        sys.modules["wandb"] = _WithoutRun("wandb")
    try:
        yield
    finally:
        sys.path.remove(str(folder))


class _WithoutRun(ModuleType):
    """What the algorithms ask of wandb: whether there is a run to log to."""

    run = None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators of torch and NumPy, which the algorithms draw from."""
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def _sample(solver: Any, y: Tensor, operator: Operator) -> Tensor:  # noqa: ANN401
    found = solver.inference(y, num_samples=1)
    return torch.as_tensor(found).reshape(-1, *operator.image_shape)[:1]

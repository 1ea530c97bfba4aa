"""The methods that a suite can name: those of the package, and what users would pick instead."""

import inspect
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from lmaps_science import methods as relatives
from lmaps_science import samplers
from lmaps_science.baselines import total_variation
from lmaps_science.benchmark import deepinv_methods, guidance, host_algorithms
from lmaps_science.benchmark.mixture import exact_sampler
from lmaps_science.operator import AffineOperator, Operator
from lmaps_science.samplers import Sampler
from lmaps_science.solver import LMAPS, Prior

_OF_THE_SUITE = {"prior", "operator", "num_steps", "seed"}
"""Arguments that a suite gives in another way."""


ANY = ("…",)
"""Options whose names are not known here."""


@dataclass(frozen=True)
class MethodKind:
    """What the benchmark knows of a method.

    Attributes
    ----------
    make : callable
        Makes a sampler of (prior, operator, steps, seed) and options.
    options : tuple of str
        Names of the options; `ANY` where the method itself checks them.
    uses_prior : bool
        Whether it has one.
    random : bool
        Whether its result depends on the seed.
    problems : tuple of str
        Problems that it is for; any if empty.
    needs : callable, optional
        Raises ImportError or FileNotFoundError where what it needs is not installed.
    """

    make: Callable[..., Sampler]
    options: tuple[str, ...] = ()
    uses_prior: bool = False
    random: bool = False
    problems: tuple[str, ...] = ()
    needs: Callable[[], object] | None = None


def find_method(name: str) -> MethodKind:
    """What is known of a method.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name.startswith(host_algorithms.PREFIX):
        return _of_host(name.removeprefix(host_algorithms.PREFIX))
    if name not in METHODS:
        close = get_close_matches(name, METHODS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"method {name!r}: expected one of {', '.join(METHODS)}{hint}")
    return METHODS[name]


def check_method(name: str, options: Iterable[str]) -> None:
    """Raise ValueError if there is no such method, or it has no such options."""
    kind = find_method(name)
    if kind.options is ANY:
        return
    if unknown := sorted(set(options) - set(kind.options)):
        raise ValueError(
            f"{', '.join(unknown)}: not an option of method {name!r}, which has "
            f"{', '.join(kind.options) or 'none'}"
        )


def _of_host(algorithm: str) -> MethodKind:
    return MethodKind(
        host_algorithms.factory(algorithm),
        ANY,
        uses_prior=True,
        random=True,
        needs=host_algorithms.checkout,
    )


def _of_deepinv(make_solver: Callable[..., deepinv_methods.Solver]) -> MethodKind:
    names = list(inspect.signature(make_solver).parameters)[3:]
    return MethodKind(
        deepinv_methods.factory(make_solver),
        tuple(names),
        uses_prior=True,
        random=True,
        needs=deepinv_methods.require_deepinv,
    )


def _of_package(name: str, signature: Callable[..., object]) -> MethodKind:
    names = [p for p in inspect.signature(signature).parameters if p not in _OF_THE_SUITE]
    return MethodKind(samplers.METHODS[name], tuple(names), uses_prior=True, random=True)


def _guided(make: Callable[..., Sampler]) -> MethodKind:
    """A method of `guidance`, with its own number of steps by default."""

    def sampler(
        prior: Prior, operator: Operator, steps: int | None, seed: int, **options: float
    ) -> Sampler:
        given = {} if steps is None else {"num_steps": steps}
        return make(prior, operator, seed=seed, **given, **options)

    names = [p for p in inspect.signature(make).parameters if p not in _OF_THE_SUITE]
    return MethodKind(sampler, tuple(names), uses_prior=True, random=True)


def _solves(solve: Callable[..., Tensor]) -> Callable[..., Sampler]:
    """Sampler factory of a function of (operator, y) and options."""

    def make(
        _prior: None, operator: Operator, _steps: int | None, _seed: int, **options: float
    ) -> Sampler:
        return samplers.baseline(lambda y: solve(operator, y, **options))

    return make


def _total_variation(operator: Operator, y: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
    if not isinstance(operator, AffineOperator):
        raise ValueError("method 'tv' is for linear problems")
    return total_variation(operator, y, **options)


def _rml(operator: Any, _y: Tensor, **options: float) -> Tensor:  # noqa: ANN401
    from lmaps_science.problems.blackhole.rml import rml

    return rml(operator, **options).to(operator.device)


def _of_mri(name: str) -> Callable[..., Tensor]:
    def solve(operator: Any, y: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
        from lmaps_science.problems.mri import baselines

        return getattr(baselines, name)(operator, y, **options)

    return solve


def _sigpy() -> None:
    from lmaps_science.problems.mri.baselines import require_sigpy

    require_sigpy()


def _ehtim() -> None:
    from importlib.util import find_spec

    if find_spec("ehtim") is None:
        raise ImportError("method 'rml' needs ehtim: pip install 'lmaps-science[eht]'")


def _bart() -> None:
    if shutil.which("bart") is None:
        raise FileNotFoundError("method 'bart' needs BART on the path (mrirecon.github.io)")


def _empty(operator: Operator, y: Tensor) -> Tensor:
    """The image whose physical value is zero: what a method has to beat."""
    return operator.normalize(torch.zeros(len(y), *operator.image_shape, device=y.device))


METHODS: dict[str, MethodKind] = {
    "lmaps": _of_package("lmaps", LMAPS),
    "paper": _of_package("paper", LMAPS),
    "diffpir": _of_package("diffpir", relatives.diffpir),
    "daps": _of_package("daps", relatives.daps),
    "dps": _guided(guidance.dps),
    "pigdm": _guided(guidance.pigdm),
    "sitcom": _guided(guidance.sitcom),
    "exact-posterior": MethodKind(
        exact_sampler, uses_prior=True, random=True, problems=("mixture",)
    ),
    "tikhonov": MethodKind(
        samplers.METHODS["tikhonov"], ("strength",), problems=("scattering", "mri")
    ),
    "tv": MethodKind(
        _solves(_total_variation), ("strength", "num_steps"), problems=("scattering",)
    ),
    "rml": MethodKind(
        _solves(_rml),
        ("entropy", "total_variation", "squared_variation", "prior_fwhm_uas"),
        problems=("blackhole",),
        needs=_ehtim,
    ),
    "sense": MethodKind(_solves(_of_mri("sense")), ("strength",), problems=("mri",), needs=_sigpy),
    "l1-wavelet": MethodKind(
        _solves(_of_mri("l1_wavelet")), ("strength",), problems=("mri",), needs=_sigpy
    ),
    "mri-tv": MethodKind(
        _solves(_of_mri("total_variation")), ("strength",), problems=("mri",), needs=_sigpy
    ),
    "bart": MethodKind(
        _solves(_of_mri("bart_pics")), ("strength",), problems=("mri",), needs=_bart
    ),
    "empty": MethodKind(_solves(_empty)),
    "deepinv-dps": _of_deepinv(deepinv_methods.dps),
    "deepinv-diffpir": _of_deepinv(deepinv_methods.diffpir),
    "deepinv-ddrm": _of_deepinv(deepinv_methods.ddrm),
    "deepinv-pigdm": _of_deepinv(deepinv_methods.pigdm),
}
"""By name."""

"""What is asked of a reconstruction, checked before the work."""

import inspect
import os
from pathlib import Path
from typing import Any

import torch

from lmaps_science.operator import Operator
from lmaps_science.prior.registry import list_priors
from lmaps_science.problem import Problem
from lmaps_science.samplers import METHODS, Batched
from lmaps_science.settings import settings_of


def check_writable(folder: Path) -> None:
    """Raise OSError now if `folder` cannot be made or written into later."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"out: {existing} is a file; give a folder to write into")
    if not os.access(existing, os.W_OK):
        raise PermissionError(f"out: the folder {existing} cannot be written to")


def check_options(
    method: str, samples: int, batch_size: int, spread: bool | None, device: str
) -> None:
    """Raise ValueError if an option that all problems share is wrong."""
    if method not in METHODS:
        raise ValueError(f"method {method!r}: expected one of {', '.join(METHODS)}")
    for name, value in (("samples", samples), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    if spread and method != "lmaps":
        raise ValueError(f"spread: only the method 'lmaps' draws one, not {method!r}")
    check_device(device)


def check_device(device: str) -> None:
    """Raise ValueError if it is none, or not usable here."""
    try:
        usable = torch.device(device).type != "cuda" or torch.cuda.is_available()
    except RuntimeError as error:
        raise ValueError(f"device {device!r}: expected cpu, cuda, cuda:1, ...") from error
    if not usable:
        raise ValueError(f"device {device!r}: PyTorch finds no CUDA device here; use cpu")


def check_problem_options(kind: Problem, options: dict[str, Any]) -> None:
    """Raise ValueError if the problem has no such options."""
    known = list(inspect.signature(kind.read).parameters)[2:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)}: not an option of problem {kind.name!r}, which has "
            f"{', '.join(known) or 'none of its own'}"
        )


def check_prior(prior: Any, operator: Operator, kind: Problem) -> list[str]:  # noqa: ANN401
    """Check that the prior can make images of the file's grid; what to tell if it is another."""
    trained, wanted = prior.image_shape, operator.image_shape
    if trained == wanted:
        return []
    # The images' covariance is of one size.
    any_size = settings_of(operator.problem).mode_covariance != "gaussian"
    if any_size and trained[0] == wanted[0]:
        grids = [_times(trained[1:]), _times(wanted[1:])]
        return [f"prior {prior.name} trained at {grids[0]}, used at {grids[1]}"]
    known = [f"{record.name} ({_times(record.image_shape)})" for record in list_priors()]
    size = "" if any_size else f" and {_times(trained[1:])} pixels"
    raise ValueError(
        f"prior {prior.name!r} makes images of {trained[0]} channel(s){size}, the file needs "
        f"{_times(wanted)} (channels×y×x): choose another "
        f"(installed: {', '.join(known) or 'none'}), or train one: "
        f"lmaps train {kind.name} IMAGES --out FILE.safetensors"
    )


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def wants_spread(
    spread: bool | None, method: str, samples: int, prior: Batched, notes: list[str]
) -> bool:
    """Whether to draw it; says why not where the prior is the reason."""
    if spread is not None:
        return spread
    if method != "lmaps" or samples == 1:
        return False
    if prior.error_curve is None:
        notes.append("no spread: the prior carries no error curve, which `lmaps train` measures")
    return prior.error_curve is not None

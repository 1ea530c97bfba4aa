"""Reading and writing priors: safetensors of our own, and InverseBench's ``.pt``.

Nothing is ever unpickled: a file that would run code is refused before it runs.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lmaps_science.files import atomic_path
from lmaps_science.prior.card import HEADER_KEY, PriorCard, read_header
from lmaps_science.prior.curves import ErrorCurve, PeakCurve
from lmaps_science.prior.image_covariance import ImageCovariance
from lmaps_science.prior.inversebench_weights import infer_card, read_state_dict
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.prior.registry import file_sha256, verified_path

STATISTICS = {
    "error_curve": ErrorCurve,
    "peak_curve": PeakCurve,
    "image_covariance": ImageCovariance,
}
PREFIX = "statistics."

Statistic = ErrorCurve | PeakCurve | ImageCovariance
Statistics = Mapping[str, Statistic | None]


class Checkpoint(NamedTuple):
    """What a file of weights holds."""

    prior: Preconditioned
    card: PriorCard
    statistics: Statistics
    sha256: str


def load_prior(
    name_or_path: str | Path,
    config: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
) -> Preconditioned:
    """Load a trained prior.

    Parameters
    ----------
    name_or_path : str or Path
        Name of an installed prior (`list_priors`), a ``.safetensors`` file of this package, or
        a ``.pt`` of InverseBench.
    config : mapping, optional
        For a ``.pt``: the mapping under ``model:`` in InverseBench's pretrain YAML. Without it
        the architecture is inferred from the weights; a DhariwalUNet is then taken as EDM
        with sigma_data 0.5, a SongUNet as VP with the published schedule, and the training
        images as square with the side that the weights' names give.
    device : str or torch.device
        Where the network computes; the statistics stay on the CPU.

    Returns
    -------
    Preconditioned
        ``prior(x, sigma)`` = E[x0 | x], in evaluation mode and without gradients of its
        weights. It carries `card`, `name`, `sha256` (of the file), `image_shape`, `sigma_max`,
        `error_curve`, `peak_curve` and `image_covariance` (None where the file has none).

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If there is no prior of that name, the file's hash is not the manifest's, the file is
        not such a prior or would run code, or the weights do not fit the architecture.
    """
    checkpoint = read_checkpoint(name_or_path, config)
    attach(checkpoint.prior, checkpoint.card, checkpoint.statistics, checkpoint.sha256)
    return checkpoint.prior.to(device)


def read_checkpoint(
    name_or_path: str | Path, config: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Read what `load_prior` puts together, in its parts; arguments and errors are the same."""
    path = _resolve(name_or_path)
    sha256 = file_sha256(path)
    if path.suffix == ".safetensors":
        if config is not None:
            raise ValueError(f"{path}: its header says what it is; leave out config")
        card, scalars = read_header(path)
        tensors = load_file(path)
    else:
        tensors, scalars = read_state_dict(path), {}
        card = infer_card(tensors, path.stem, config)
    weights = {key: value for key, value in tensors.items() if not key.startswith(PREFIX)}
    prior = card.build()
    load_weights(prior, weights, str(path))
    statistics = join_statistics(tensors, scalars)
    return Checkpoint(prior.eval().requires_grad_(False), card, statistics, sha256)


def save_prior(prior: Preconditioned, path: str | Path, card: PriorCard) -> None:
    """Write a prior, its card and the statistics it carries as safetensors.

    A prior that computes in bfloat16 is stored in float16, which costs it nothing and halves
    the file; so is the basis of the images' covariance.

    Parameters
    ----------
    prior : Preconditioned
        With `error_curve`, `peak_curve` and `image_covariance` where they have been measured.
    path : str or Path
        File to write; ``.safetensors``.
    card : PriorCard
        What `load_prior` builds the network from.

    Raises
    ------
    ValueError
        If the card does not describe this prior.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: expected a file name that ends in .safetensors")
    weights = {
        key: value.detach().cpu().contiguous() for key, value in prior.network.state_dict().items()
    }
    check = card.build()
    load_weights(check, weights, f"card of {card.name!r}")
    if not _same_preconditioning(check, prior):
        raise ValueError(
            f"card of {card.name!r}: the preconditioning {dict(card.preconditioning)} is not that "
            f"of the prior, a {type(prior).__name__} with bfloat16={prior.use_bfloat16}"
        )
    if prior.use_bfloat16:
        weights = {key: v.half() if v.ndim > 1 else v for key, v in weights.items()}
    statistics, scalars = split_statistics(prior)
    header = json.dumps({"card": json.loads(card.to_json()), "statistics": scalars})
    with atomic_path(path) as temporary:
        save_file({**weights, **statistics}, temporary, {HEADER_KEY: header})


def convert(
    source: str | Path, target: str | Path, config: Mapping[str, Any] | None = None
) -> PriorCard:
    """Convert an InverseBench ``.pt`` to safetensors, with a model card beside it.

    Parameters
    ----------
    source, target : str or Path
        Files to read and to write; the target's name is the prior's.
    config : mapping, optional
        As for `load_prior`.
    """
    target = Path(target)
    checkpoint = read_checkpoint(source, config)
    card = replace(checkpoint.card, name=target.stem)
    attach(checkpoint.prior, card, checkpoint.statistics, checkpoint.sha256)
    save_prior(checkpoint.prior, target, card)
    with atomic_path(target.with_suffix(".md")) as page:
        page.write_text(card.to_markdown(), encoding="utf-8")
    return card


def load_weights(prior: Preconditioned, weights: Mapping[str, Tensor], source: str) -> None:
    """Load `weights` into the network, with one clear line where they do not fit."""
    expected = {key: tuple(value.shape) for key, value in prior.network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    wrong = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
    if wrong:
        key = wrong[0]
        raise ValueError(
            f"{source}: the weights do not fit a {type(prior.network).__name__} of this "
            f"architecture; {key} is expected as {expected.get(key, 'absent')} and found as "
            f"{found.get(key, 'absent')} ({len(wrong)} such in all)"
        )
    prior.network.load_state_dict(weights)


def attach(prior: nn.Module, card: PriorCard, statistics: Statistics, sha256: str) -> None:
    """Set what is known of a prior as its attributes."""
    prior.__dict__.update(
        card=card,
        name=card.name,
        image_shape=card.image_shape,
        sigma_max=card.sigma_max,
        sha256=sha256,
        **statistics,
    )


def split_statistics(prior: object) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """Tensors, by their names in the file, and scalars, by statistic, of what a prior carries."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for name in STATISTICS:
        statistic = getattr(prior, name, None)
        if statistic is None:
            continue
        scalars[name] = {}
        for field in fields(statistic):
            value = getattr(statistic, field.name)
            if isinstance(value, Tensor):
                # A copy: statistics may share their noise levels, which safetensors refuses.
                value = value.detach().cpu().clone(memory_format=torch.contiguous_format)
                tensors[f"{PREFIX}{name}.{field.name}"] = value.half() if value.ndim > 1 else value
            else:
                scalars[name][field.name] = value
    return tensors, scalars


def join_statistics(
    tensors: Mapping[str, Tensor], scalars: Mapping[str, Mapping[str, Any]]
) -> Statistics:
    """Statistics by name, from what `split_statistics` made; None for those that are absent."""
    joined: dict[str, Statistic | None] = {}
    for name, kind in STATISTICS.items():
        prefix = f"{PREFIX}{name}."
        values: dict[str, Any] = {
            key.removeprefix(prefix): value.float()
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
        for key, value in scalars.get(name, {}).items():
            values[key] = tuple(value) if isinstance(value, list) else value
        joined[name] = kind(**values) if values else None
    return joined


def _same_preconditioning(a: Preconditioned, b: Preconditioned) -> bool:
    sigma = torch.tensor([0.01, 1.0, 100.0])
    pairs = zip(a.coefficients(sigma), b.coefficients(sigma), strict=True)
    return a.use_bfloat16 == b.use_bfloat16 and all(torch.equal(*pair) for pair in pairs)


def _resolve(name_or_path: str | Path) -> Path:
    """File of an installed prior, verified, or the file itself."""
    path = Path(name_or_path)
    if path.suffix in (".safetensors", ".pt", ".pth"):
        if not path.is_file():
            raise FileNotFoundError(f"prior: there is no file {path}")
        return path
    return path if path.is_file() else verified_path(str(name_or_path))

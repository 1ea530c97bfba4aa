"""InverseBench's checkpoints: read without running anything, and recognised by their weights."""

import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from lmaps_science.prior.card import PriorCard

StateDict = Mapping[str, Tensor]

NETWORK_KEYS = {
    "img_channels": "image_channels",
    "img_resolution": "image_size",
    "model_channels": "model_channels",
    "channel_mult": "channel_mult",
    "num_blocks": "num_blocks",
    "attn_resolutions": "attention_sizes",
}
PRECONDITIONING_KEYS = {
    "EDM": {"sigma_data": "sigma_data"},
    "VP": {"beta_d": "beta_d", "beta_min": "beta_min", "M": "num_timesteps"},
}
IGNORED_KEYS = {"dropout", "use_fp16", "epsilon_t", "sigma_min", "sigma_max"}
PRECONDITIONING_OF = {"DhariwalUNet": "EDM", "SongUNet": "VP"}

# EDM: three standard deviations above the mean of the host's log-normal(-1.2, 1.2) noise
# levels. VP: sigma at the end t = 1 of its schedule, up to which it is trained uniformly.
SIGMA_MAX = {"EDM": math.exp(-1.2 + 3 * 1.2), "VP": math.sqrt(math.expm1(19.9 / 2 + 0.1))}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Weights of the network in a ``.pt`` file, under the network's own names.

    Parameters
    ----------
    path : Path
        ``{'ema': state dict}`` as InverseBench writes it, ``{'net': ...}`` or a bare state dict.

    Raises
    ------
    ValueError
        If reading the file would run code, or it does not hold such weights.
    """
    content = _load_tensors(path)
    for key in ("ema", "net"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    items = content.items() if isinstance(content, Mapping) else ()
    names = [name for name, value in items if isinstance(name, str) and torch.is_tensor(value)]
    marks = [name for name in names if name.endswith("map_layer0.weight")]
    if not marks:
        found = ", ".join(names[:3]) or type(content).__name__
        raise ValueError(
            f"{path}: expected the weights of a DhariwalUNet or SongUNet of InverseBench, under "
            f"'ema', 'net' or bare; found {found}"
        )
    prefix = marks[0].removesuffix("map_layer0.weight")
    return {name.removeprefix(prefix): content[name] for name in names if name.startswith(prefix)}


def _load_tensors(path: Path) -> Any:  # noqa: ANN401
    """Read a checkpoint of tensors and plain containers; anything else is refused unread."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle protocol
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        raise ValueError(
            f"{path}: refused, because it holds {culprit[1] if culprit else 'objects'}, not plain "
            "weights, and reading it would run code. Where you trust it, save its weights alone "
            "with torch.save({'ema': net.state_dict()}, 'weights.pt'), and give that file"
        ) from error
    except Exception as error:  # whatever a damaged file makes the reader stumble over
        raise ValueError(f"{path}: not a readable PyTorch checkpoint; is it complete?") from error


def infer_card(state: StateDict, name: str, config: Mapping[str, Any] | None = None) -> PriorCard:
    """Card of the network that a state dict of InverseBench belongs to.

    The names and shapes of the weights give everything but the preconditioning: a
    DhariwalUNet is taken as EDM with sigma_data 0.5, a SongUNet as VP with the published
    schedule. The training images are taken as square.

    Parameters
    ----------
    state : mapping
        From `read_state_dict`.
    name : str
        Of the prior.
    config : mapping, optional
        The mapping under ``model:`` in InverseBench's pretrain YAML; it wins over what is
        inferred, and `load_prior` then checks that the weights fit.

    Raises
    ------
    ValueError
        If the config names something else than these networks.
    """
    network = _infer_network(state)
    kind = PRECONDITIONING_OF[network["type"]]
    preconditioning: dict[str, Any] = {"type": kind}
    if config is not None:
        config = dict(config)
        _check_config(config, network["type"], kind)
        network |= {ours: config[key] for key, ours in NETWORK_KEYS.items() if key in config}
        keys = PRECONDITIONING_KEYS[kind]
        preconditioning |= {ours: config[key] for key, ours in keys.items() if key in config}
    size = network["image_size"]
    return PriorCard(
        name=name,
        network={k: list(v) if k.endswith(("mult", "sizes")) else v for k, v in network.items()},
        preconditioning=preconditioning,
        image_shape=(network["image_channels"], size, size),
        sigma_max=SIGMA_MAX[kind],
        description="A prior of InverseBench (arXiv 2503.11043).",
    )


def _infer_network(state: StateDict) -> dict[str, Any]:
    """Type and constructor's arguments, from the names and shapes of the weights."""
    convolutions = (re.fullmatch(r"enc\.(\d+)x\1_block0\.conv1\.weight", key) for key in state)
    sizes = sorted((int(match[1]) for match in convolutions if match), reverse=True)
    stem = f"enc.{sizes[0]}x{sizes[0]}_conv.weight" if sizes else ""
    if stem not in state:
        raise ValueError("state dict: no encoder of a DhariwalUNet or SongUNet in it")
    at = {size: f"enc.{size}x{size}_block" for size in sizes}
    model_channels = state["map_layer0.weight"].shape[1]
    return {
        "type": "DhariwalUNet" if "out_conv.weight" in state else "SongUNet",
        "image_channels": state[stem].shape[1],
        "image_size": sizes[0],
        "model_channels": model_channels,
        "channel_mult": [
            state[f"{at[size]}0.conv1.weight"].shape[0] // model_channels for size in sizes
        ],
        "num_blocks": sum(
            key.startswith(at[sizes[0]]) and key.endswith("conv1.weight") for key in state
        ),
        "attention_sizes": [size for size in sizes if f"{at[size]}0.qkv.weight" in state],
    }


def _check_config(config: Mapping[str, Any], network: str, kind: str) -> None:
    """Refuse a config of another network, of another preconditioning or with unknown keys."""
    known = {"_target_", "model_type", "label_dim"}
    allowed = {*known, *NETWORK_KEYS, *PRECONDITIONING_KEYS[kind], *IGNORED_KEYS}
    if unknown := sorted(set(config) - allowed):
        raise ValueError(
            f"config: unknown {', '.join(unknown)} for a {network} with {kind} preconditioning"
        )
    expected = {"model_type": network, "label_dim": 0}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ValueError(
                f"config: {key} is {config[key]!r}, but the weights are those of a {network} "
                "without labels"
            )
    target = str(config.get("_target_", f"{kind}Precond")).rsplit(".", 1)[-1]
    if target != f"{kind}Precond":
        raise ValueError(f"config: _target_ is {target}, but a {network} takes {kind}Precond")

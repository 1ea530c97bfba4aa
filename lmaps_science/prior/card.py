"""What is known of a trained prior: enough to build it, to use it well and to cite it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from lmaps_science.prior.adm import DhariwalUNet, SongUNet
from lmaps_science.prior.preconditioning import EDM, VP, Preconditioned
from lmaps_science.prior.unet import ShuffleUNet

NETWORKS: dict[str, type[nn.Module]] = {
    "ShuffleUNet": ShuffleUNet,
    "DhariwalUNet": DhariwalUNet,
    "SongUNet": SongUNet,
}
PRECONDITIONINGS: dict[str, type[Preconditioned]] = {"EDM": EDM, "VP": VP}

HEADER_KEY = "lmaps_science"


@dataclass(frozen=True)
class PriorCard:
    """Model card of a prior, in the header of its safetensors file.

    Attributes
    ----------
    name : str
        Name of the prior.
    network : mapping
        ``type``, one of `NETWORKS`, and the arguments of its constructor.
    preconditioning : mapping
        ``type``, one of `PRECONDITIONINGS`, and the arguments of its constructor but the
        network, ``bfloat16`` among them.
    image_shape : tuple of int
        (channels, y, x) of the images it was trained on, whose values are about -1 to 1.
    sigma_max : float
        Noise level up to which it was trained well.
    description, data, license : str
        What it is of, what it was trained on, and under which licence its weights are.
    training : mapping
        How it was trained: steps, minutes, machine, held-out error and the like.
    """

    name: str
    network: Mapping[str, Any]
    preconditioning: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    sigma_max: float
    description: str = ""
    data: str = "unknown"
    license: str = "unknown"
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.image_shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"image_shape: expected (channels, y, x), got {self.image_shape}")
        object.__setattr__(self, "image_shape", shape)

    def build(self) -> Preconditioned:
        """Build the prior, with weights still to be loaded.

        Raises
        ------
        ValueError
            If the card names an unknown network or preconditioning, or wrong arguments.
        """
        network = _construct("network", NETWORKS, self.network)
        prior = _construct("preconditioning", PRECONDITIONINGS, self.preconditioning, network)
        # A third faster on a CPU than the default layout.
        return prior.to(memory_format=torch.channels_last)

    def to_json(self) -> str:
        """The card as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "PriorCard":
        """Card from what `to_json` wrote; raises ValueError if it does not fit."""
        required = {"name", "network", "preconditioning", "image_shape", "sigma_max"}
        known = {f.name for f in fields(cls)}
        if missing := required - set(values):
            raise ValueError(f"model card: lacks {', '.join(sorted(missing))}")
        if unknown := set(values) - known:
            raise ValueError(
                f"model card: unknown {', '.join(sorted(unknown))}; was the prior made by a "
                "newer lmaps-science? Upgrade it"
            )
        return cls(**values)

    def to_markdown(self) -> str:
        """The card as a page for readers."""
        channels, height, width = self.image_shape
        rows = {
            "Images": f"{channels} × {height} × {width}, values about −1 to 1",
            "Noise levels": f"trained well up to σ = {self.sigma_max:.3g}",
            "Network": _call(self.network),
            "Preconditioning": _call(self.preconditioning),
            "Training data": self.data,
            "Licence of the weights": self.license,
            **{key.replace("_", " ").capitalize(): v for key, v in self.training.items()},
        }
        table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
        intro = f"{self.description}\n\n" if self.description else ""
        return f"# {self.name}\n\n{intro}| | |\n|---|---|\n{table}\n"


def read_header(path: Path) -> tuple[PriorCard, dict[str, dict[str, Any]]]:
    """Card and the scalar statistics in the header of a prior's safetensors file.

    Raises
    ------
    ValueError
        If the file is not a prior of this package.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error})") from error
    if HEADER_KEY not in metadata:
        raise ValueError(
            f"{path}: safetensors without a model card of lmaps-science; a prior is written by "
            "`lmaps train` or `lmaps priors convert`"
        )
    header = json.loads(metadata[HEADER_KEY])
    return PriorCard.from_mapping(header["card"]), header["statistics"]


def _construct(
    kind: str,
    classes: Mapping[str, type[Any]],
    spec: Mapping[str, Any],
    *args: nn.Module,
) -> Any:  # noqa: ANN401
    arguments = {key: value for key, value in spec.items() if key != "type"}
    name = str(spec.get("type"))
    if name not in classes:
        raise ValueError(f"{kind}: expected a type among {', '.join(classes)}, got {name!r}")
    try:
        return classes[name](*args, **arguments)
    except TypeError as error:
        raise ValueError(f"{kind} {name}: wrong arguments {arguments} ({error})") from error


def _call(spec: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{key}={value}" for key, value in spec.items() if key != "type")
    return f"`{spec['type']}({arguments})`"

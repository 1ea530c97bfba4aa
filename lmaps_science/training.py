"""From a collection of images to a prior's file: what ``lmaps train`` does."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmaps_science.files import atomic_path
from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import save_prior
from lmaps_science.prior.curves import measure_error_curve, measure_peak_curve
from lmaps_science.prior.image_covariance import measure_image_covariance
from lmaps_science.prior.images import load_images
from lmaps_science.prior.preconditioning import EDM, Preconditioned
from lmaps_science.prior.train import ImageSource, Trainer, TrainingConfig
from lmaps_science.problem import find_problem

NETWORK: Mapping[str, Any] = {
    "type": "ShuffleUNet",
    "channels": [48, 96, 128, 128],
    "num_blocks": 2,
}
SIGMA_DATA = 0.5
HELD_OUT = 20
"""Every how manyth image is held out to measure the error curve."""
MAX_HELD_OUT = 200


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What the prior of a problem is trained on and measured with.

    Attributes
    ----------
    source : Tensor or ImageSource
        Of training images.
    held_out : Tensor
        Images that are never trained on, (count, channels, y, x), for the error curve.
    examples : Tensor
        Training images, (count, channels, y, x), for the covariance.
    max_components : int, optional
        Of the covariance.
    description : str
        What they are, for the card.
    network, preconditioning : mapping
        As in `PriorCard`, where they differ from the defaults.
    """

    source: Tensor | ImageSource
    held_out: Tensor
    examples: Tensor
    description: str
    max_components: int | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    preconditioning: Mapping[str, Any] = field(default_factory=dict)


def stored_images(data: str | Path, image_size: int | None) -> TrainingSet:
    """Images as `load_images` reads them, every `HELD_OUT`-th held out."""
    training, held_out = split(load_images(data, image_size))
    return TrainingSet(training, held_out, training, f"{len(training)} images")


def train_prior(
    problem: str,
    data: str | Path,
    out: str | Path,
    *,
    config: TrainingConfig | None = None,
    image_size: int | None = None,
    license: str = "unknown",  # noqa: A002
    device: str = "cpu",
    network: Mapping[str, Any] = NETWORK,
    callback: Callable[[int, float, float], None] | None = None,
) -> PriorCard:
    """Train a prior on images and write it with its statistics and its card.

    A run that was cut off goes on from ``<out>.checkpoint.pt`` beside the output, which is
    removed at the end.

    Parameters
    ----------
    problem : str
        For which problem, ``"scattering"``, ``"blackhole"``, ``"mri"`` or ``"image"``.
    data : str or Path
        Images, as for `lmaps_science.prior.images.load_images`, at least 40; of MRI, as for
        `lmaps_science.problems.mri.magnitudes.read_magnitudes`.
    out : str or Path
        ``.safetensors`` file to write; its name is the prior's. The model card goes beside it.
    config : TrainingConfig, optional
        What to do.
    image_size : int, optional
        Scale the images to this many pixels along each side.
    license : str
        Of the weights, for the card.
    device : str
        Where to compute.
    network : mapping
        Type and arguments of the network, as in `PriorCard`.
    callback : callable, optional
        Receives step, loss and progress in [0, 1].

    Returns
    -------
    PriorCard

    Raises
    ------
    FileNotFoundError
        If there are no images at `data`.
    ValueError
        If the images do not suit, or `out` is not such a file.
    """
    kind, out, config = find_problem(problem), Path(out), config or TrainingConfig()
    if out.suffix != ".safetensors":
        raise ValueError(f"out: expected a file name that ends in .safetensors, got {out}")
    images = kind.training_set(data, image_size)
    channels, height, width = images.examples.shape[1:]
    card = PriorCard(
        name=out.stem,
        network={"image_channels": channels, **network, **images.network},
        preconditioning={
            "type": "EDM",
            "bfloat16": True,
            "sigma_data": SIGMA_DATA,
            **images.preconditioning,
        },
        image_shape=(channels, height, width),
        sigma_max=trained_sigma_max(config),
        description=f"Prior for {problem}, trained on {images.description}.",
        data=str(data),
        license=license,
    )
    checkpoint = checkpoint_path(out)
    trainer = fit(card, images.source, config, checkpoint, device, callback)
    prior, held_out = trainer.denoiser, images.held_out.to(device)

    curve = prior.error_curve = measure_error_curve(prior, held_out)
    prior.peak_curve = measure_peak_curve(prior, held_out)
    prior.image_covariance = measure_image_covariance(images.examples, images.max_components)
    errors = (f"{curve(sigma):.2e} at σ = {sigma:g}" for sigma in (0.01, 0.1, 1.0))
    settings = (f"{name} {value:g}" for name, value in asdict(config).items())
    record = {
        "steps": trainer.step,
        "minutes": round(trainer.elapsed / 60, 1),
        "images": images.description,
        "held_out_images": len(held_out),
        "held_out_mean_squared_error": ", ".join(errors),
        "configuration": ", ".join(settings),
    }
    card = write_prior(prior, card, record, out)
    checkpoint.unlink(missing_ok=True)
    return card


def fit(
    card: PriorCard,
    images: Tensor | ImageSource,
    config: TrainingConfig,
    checkpoint: str | Path,
    device: str = "cpu",
    callback: Callable[[int, float, float], None] | None = None,
    start: Preconditioned | None = None,
) -> Trainer:
    """Build the prior of a card and train it, from the checkpoint if that is there.

    Parameters
    ----------
    card : PriorCard
        Of an EDM prior.
    images, config, checkpoint
        As for `Trainer`.
    device : str
        Where to compute.
    callback : callable, optional
        Receives step, loss and progress in [0, 1].
    start : Preconditioned, optional
        A prior of the same network whose weights to begin with.

    Returns
    -------
    Trainer
        Its `denoiser` is the prior, without gradients of its weights.
    """
    torch.manual_seed(config.seed)
    prior = card.build().to(device)
    if not isinstance(prior, EDM):
        raise ValueError(f"training: expected an EDM prior, got {type(prior).__name__}")
    if start is not None:
        prior.network.load_state_dict(start.network.state_dict())
    trainer = Trainer(prior, images, config, Path(checkpoint))
    trainer.run(callback)
    prior.requires_grad_(False)
    return trainer


def write_prior(
    prior: Preconditioned, card: PriorCard, record: Mapping[str, Any], out: Path
) -> PriorCard:
    """Write a trained prior and, beside it, its card with the record of its training."""
    card = PriorCard.from_mapping({**asdict(card), "training": dict(record)})
    save_prior(prior, out, card)
    with atomic_path(out.with_suffix(".md")) as page:
        page.write_text(card.to_markdown(), encoding="utf-8")
    return card


def checkpoint_path(out: Path) -> Path:
    """Where a run that writes `out` keeps its state."""
    return out.with_suffix(".checkpoint.pt")


def split(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images for training, and every `HELD_OUT`-th for measuring, at most `MAX_HELD_OUT`."""
    if len(images) < 2 * HELD_OUT:
        raise ValueError(f"expected at least {2 * HELD_OUT} images to train on, got {len(images)}")
    chosen = torch.arange(len(images)) % HELD_OUT == HELD_OUT - 1
    return images[~chosen], images[chosen][:MAX_HELD_OUT]


def trained_sigma_max(config: TrainingConfig) -> float:
    """Noise level two standard deviations above the mean of those that training draws."""
    log_sigma = torch.tensor(config.log_sigma_mean + 2 * config.log_sigma_std)
    return round(float(log_sigma.exp()), 3)

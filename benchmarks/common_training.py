"""What the scripts behind the shipped priors share: a run with a bar, and its record."""

from pathlib import Path
from typing import Any

from rich.progress import Progress
from torch import Tensor

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.curves import measure_error_curve, measure_peak_curve
from lmaps_science.prior.image_covariance import measure_image_covariance
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.prior.registry import write_manifest
from lmaps_science.prior.train import ImageSource, Trainer, TrainingConfig
from lmaps_science.training import fit, write_prior


def trained(
    card: PriorCard,
    images: Tensor | ImageSource,
    config: TrainingConfig,
    checkpoint: Any,  # noqa: ANN401
    start: Preconditioned | None = None,
) -> Trainer:
    """Train with a progress bar; the trainer's denoiser is the prior."""
    with Progress() as bar:
        task = bar.add_task("training", total=1.0)
        return fit(
            card,
            images,
            config,
            checkpoint,
            callback=lambda _step, _loss, done: bar.update(task, completed=done),
            start=start,
        )


def finished(
    trainer: Trainer, card: PriorCard, training: Tensor, unseen: Tensor, folder: Path, peaks: bool
) -> None:
    """Measure what travels with the weights, and write the prior into `folder`.

    `training` images give the covariance, `unseen` ones the error curve and, with `peaks`, that of
    the brightest pixel.
    """
    prior = trainer.denoiser
    curve = prior.error_curve = measure_error_curve(prior, unseen)
    if peaks:
        prior.peak_curve = measure_peak_curve(prior, unseen)
    prior.image_covariance = measure_image_covariance(training)
    errors = "; ".join(f"{curve(s):.2e} at σ = {s:g}" for s in (0.02, 0.1, 0.5, 2.0))
    told = record(trainer, held_out_mean_squared_error=errors)
    write_prior(prior, card, told, folder / f"{card.name}.safetensors")
    write_manifest(folder)


def record(trainer: Trainer, **facts: str) -> dict[str, Any]:
    """What the card tells of a run, `facts` in the middle."""
    config, size = trainer.config, trainer.source.image_size
    whole = f"{config.batch_size} images of {size} x {size}"
    crops = f"{4 * config.batch_size} crops of {size // 2} x {size // 2}"
    share = config.crop_fraction
    return {
        "steps": trainer.step,
        "minutes": round(trainer.elapsed / 60),
        **facts,
        "optimizer": (
            f"AdamW, {config.learning_rate:g}, linear decay over the last "
            f"{100 * config.final_fraction:g} %, moving average {config.ema_decay:g}"
        ),
        "noise": f"ln σ ~ N({config.log_sigma_mean:g}, {config.log_sigma_std:g}²)",
        "batches": f"{crops} in {100 * share:g} % of the steps, else {whole}" if share else whole,
    }

"""What the scripts behind the shipped priors share: a run with a bar, and its record."""

from typing import Any

from rich.progress import Progress
from torch import Tensor

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.prior.train import ImageSource, Trainer, TrainingConfig
from lmaps_science.training import fit


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

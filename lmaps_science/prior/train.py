"""Training a denoiser: EDM loss, AdamW, exponential moving average, resumable.

Noise levels are log-normal and the loss is weighted so that the raw network sees unit
variance (Karras et al. 2022, sections 4-5).
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from lmaps_science.files import atomic_path
from lmaps_science.prior.preconditioning import EDM


@dataclass(frozen=True)
class TrainingConfig:
    """What a training run does.

    Attributes
    ----------
    num_steps : int
        Optimiser steps.
    minutes : float
        Wall-clock budget; whichever of the two ends first ends the run. A run of steps alone
        resumes bit for bit; one on the clock follows the clock.
    batch_size : int
        Images per step at full size; crops of half the size come four times as many.
    crop_fraction : float
        Share of the steps that train on crops of half the size.
    learning_rate, warmup_steps, final_fraction : float, int, float
        AdamW: linear warm-up, constant, linear decay over the last `final_fraction`.
    log_sigma_mean, log_sigma_std : float
        Normal distribution of ln(sigma).
    ema_decay : float
        Decay of the moving average of the weights, per step.
    seed : int
        Of batches, crops and noise.
    """

    num_steps: int = 20_000
    minutes: float = math.inf
    batch_size: int = 8
    crop_fraction: float = 0.75
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    final_fraction: float = 0.35
    log_sigma_mean: float = -1.6
    log_sigma_std: float = 1.5
    ema_decay: float = 0.999
    seed: int = 0


class ImageSource(Protocol):
    """Where training images come from."""

    @property
    def image_size(self) -> int:
        """Pixels along each side of a whole image."""

    def draw(
        self, count: int, size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Draw `count` images.

        Parameters
        ----------
        count : int
            How many.
        size : int
            Pixels along each side, `image_size` or, for crops, half of it.
        generator : torch.Generator
            Source of everything random.

        Returns
        -------
        tuple of Tensor
            Images, (count, channels, size, size), and the class of each, (count,), or None.
        """


@dataclass(frozen=True)
class StoredImages:
    """Images in memory, turned, reflected and cropped at random.

    Attributes
    ----------
    images : Tensor
        (count, channels, y, x), square.
    """

    images: Tensor

    def __post_init__(self) -> None:
        height, width = self.images.shape[-2:]
        if height != width:
            raise ValueError(
                f"images of {height} x {width}: expected square ones; scale them (--image-size)"
            )

    @property
    def image_size(self) -> int:
        """Pixels along each side."""
        return self.images.shape[-1]

    def draw(self, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, None]:
        """`count` images or crops, and no classes."""
        index = torch.randint(0, len(self.images), (count,), generator=generator)
        batch = augment(self.images[index], generator)
        return (batch if size == self.image_size else random_crop(batch, size, generator)), None


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """One random element of the square's symmetry group for the whole batch."""
    turns, flip = torch.randint(0, 4, (2,), generator=generator).tolist()
    images = torch.rot90(images, turns, (2, 3))
    return images.flip(3) if flip % 2 else images


def random_crop(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Crops of `size`, each image at a place of its own."""
    limit = images.shape[-1] - size + 1
    corners = torch.randint(0, limit, (len(images), 2), generator=generator).tolist()
    return torch.stack(
        [im[:, y : y + size, x : x + size] for im, (y, x) in zip(images, corners, strict=True)]
    )


def edm_loss(
    denoiser: EDM,
    images: Tensor,
    sigma: Tensor,
    noise: Tensor,
    class_label: Tensor | None = None,
) -> Tensor:
    """Weighted denoising error (Karras et al. 2022, eq. 2 with lambda = 1 / c_out^2)."""
    weight = (sigma**2 + denoiser.sigma_data**2) / (sigma * denoiser.sigma_data) ** 2
    error = denoiser(images + sigma[:, None, None, None] * noise, sigma, class_label) - images
    return (weight[:, None, None, None] * error**2).mean()


class Trainer:
    """Trains `denoiser` on images; `run` resumes from `checkpoint` if it is there.

    Parameters
    ----------
    denoiser : EDM
        Changed in place.
    images : Tensor or ImageSource
        Images in memory, (count, channels, y, x), or what draws them.
    config : TrainingConfig
        What to do.
    checkpoint : Path
        Where the state is kept, written atomically.

    Raises
    ------
    ValueError
        If the images are not square or do not suit the network, or the checkpoint belongs to
        another network or another configuration.
    """

    def __init__(
        self,
        denoiser: EDM,
        images: Tensor | ImageSource,
        config: TrainingConfig,
        checkpoint: Path,
    ) -> None:
        self.denoiser, self.config = denoiser, config
        self.source = StoredImages(images) if isinstance(images, Tensor) else images
        self.checkpoint = Path(checkpoint)
        self._check_size()
        self.optimizer = torch.optim.AdamW(
            denoiser.parameters(),
            config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=1e-4,
            fused=True,
        )
        self.ema = {name: value.clone() for name, value in denoiser.state_dict().items()}
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step, self.elapsed = 0, 0.0
        if self.checkpoint.exists():
            self._load()

    def run(
        self,
        callback: Callable[[int, float, float], None] | None = None,
        save_seconds: float = 120.0,
    ) -> nn.Module:
        """Train to the end of the budget; the denoiser then carries the averaged weights.

        Parameters
        ----------
        callback : callable, optional
            Called after each step with the step, the loss and the progress in [0, 1].
        save_seconds : float
            Time between checkpoints.
        """
        start, saved = time.monotonic() - self.elapsed, time.monotonic()
        while self.progress < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate()
            loss = self._train_step()
            self.step += 1
            self.elapsed = time.monotonic() - start
            if callback is not None:
                callback(self.step, loss, self.progress)
            if time.monotonic() - saved > save_seconds or self.progress >= 1:
                self._save()
                saved = time.monotonic()
        self.denoiser.load_state_dict(self.ema)
        return self.denoiser.eval()

    @property
    def progress(self) -> float:
        """Share of the budget used, the larger of steps and time."""
        return max(self.step / self.config.num_steps, self.elapsed / (60 * self.config.minutes))

    def learning_rate(self) -> float:
        """Learning rate of the coming step: warm-up, constant, linear decay."""
        warmup = min(1.0, (self.step + 1) / self.config.warmup_steps)
        decay = min(1.0, (1 - self.progress) / self.config.final_fraction)
        return self.config.learning_rate * warmup * max(decay, 0.01)

    def _train_step(self) -> float:
        config, generator = self.config, self.generator
        crop = torch.rand((), generator=generator).item() < config.crop_fraction
        count = config.batch_size * (4 if crop else 1)
        size = self.source.image_size // (2 if crop else 1)
        images, labels = self.source.draw(count, size, generator)
        # Stratified, so that every batch covers the levels (Kingma et al. 2021, appendix I.1).
        share = (torch.arange(count) + torch.rand((), generator=generator)) / count
        log_sigma = config.log_sigma_std * torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6))
        sigma = (log_sigma + config.log_sigma_mean).exp()
        noise = torch.randn(images.shape, generator=generator)
        device = next(self.denoiser.parameters()).device
        loss = edm_loss(
            self.denoiser,
            images.to(device),
            sigma.to(device),
            noise.to(device),
            None if labels is None else labels.to(device),
        )
        if not loss.isfinite():
            raise FloatingPointError(
                f"training loss is {loss.item()} at step {self.step}: lower learning_rate, or look "
                f"for images that are not finite; {self.checkpoint} keeps the last good state"
            )
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimizer.step()
        self._update_ema()
        return loss.item()

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.config.ema_decay, (self.step + 1) / (self.step + 10))
        for name, value in self.denoiser.state_dict().items():
            self.ema[name].lerp_(value, 1 - decay)

    def _save(self) -> None:
        state = {
            "config": asdict(self.config),
            "denoiser": self.denoiser.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "elapsed": self.elapsed,
        }
        with atomic_path(self.checkpoint) as path:
            torch.save(state, path)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        fixed = [k for k in asdict(self.config) if k not in ("num_steps", "minutes")]
        changed = [k for k in fixed if state["config"][k] != getattr(self.config, k)]
        if changed:
            raise ValueError(
                f"{self.checkpoint} was begun with other settings of {', '.join(changed)}: resume "
                "with the same, or start anew at another path"
            )
        try:
            self.denoiser.load_state_dict(state["denoiser"])
        except RuntimeError as error:
            raise ValueError(
                f"{self.checkpoint} belongs to another network: start anew at another path"
            ) from error
        for name, value in self.ema.items():
            value.copy_(state["ema"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def _check_size(self) -> None:
        size = self.source.image_size
        divisor = getattr(self.denoiser.network, "divisor", 1)
        if size % (2 * divisor):
            raise ValueError(
                f"images: expected sides that are a multiple of {2 * divisor} pixels, got "
                f"{size}×{size} (crops of half the size are trained on): scale them (--image-size)"
            )

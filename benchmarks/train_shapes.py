"""How shapes-64 was made. Resumes from the checkpoint beside --out."""

import argparse
from pathlib import Path

import torch
from common_training import finished, trained
from torch import Tensor

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.train import TrainingConfig
from lmaps_science.problems.scattering.shapes import draw
from lmaps_science.training import trained_sigma_max

NAME = "shapes-64"
COUNT, HELD_OUT_COUNT = 40_000, 256
CHUNK = 2_000


def images(count: int, seed: int) -> Tensor:
    """`count` random objects."""
    chunks = [draw(CHUNK, seed=seed + i) for i in range(0, count, CHUNK)]
    return torch.cat(chunks)[:count]


def main() -> None:
    """Train on random objects, measure the statistics on others."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, default=Path("checkpoints"))
    p.add_argument("--checkpoint", type=Path, default=Path(f"{NAME}.checkpoint.pt"))
    p.add_argument("--minutes", type=float, default=80)
    options = p.parse_args()

    training = images(COUNT, seed=0)
    config = TrainingConfig(
        num_steps=1_000_000,
        minutes=options.minutes,
        batch_size=16,
        crop_fraction=0.0,
        log_sigma_mean=-0.9,
        log_sigma_std=1.6,
    )
    card = PriorCard(
        name=NAME,
        network={
            "type": "ShuffleUNet",
            "image_channels": 1,
            "channels": [32, 64, 96],
            "num_blocks": 2,
            "stem_channels": 8,
        },
        preconditioning={"type": "EDM", "bfloat16": True, "sigma_data": 0.32, "mean": -0.89},
        image_shape=(1, *training.shape[2:]),
        sigma_max=trained_sigma_max(config),
        description=(
            "Objects of one to three homogeneous materials: discs, rectangles, rings, U-shapes, "
            "apart and nested; background maps to -1 and the largest contrast to 1."
        ),
        data=f"{COUNT} drawn objects",
        license="CC0-1.0",
    )
    trainer = trained(card, training, config, options.checkpoint)
    unseen = images(HELD_OUT_COUNT, seed=10**6)
    finished(trainer, card, training, unseen, options.out, peaks=False)


if __name__ == "__main__":
    main()

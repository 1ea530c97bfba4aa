"""How blackhole-64 and sources-64 were made. Resumes from the checkpoint beside --out."""

import argparse
from pathlib import Path

import torch
from common_training import finished, trained
from torch import Tensor

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.train import TrainingConfig
from lmaps_science.problems.blackhole.population import (
    EVERYTHING,
    HELD_OUT,
    NO_RINGS,
    draw,
    read_models,
)
from lmaps_science.training import trained_sigma_max

MODELS = "ngehtutil_blackhole_models.h5"
COUNT, HELD_OUT_COUNT = 40_000, 256
CHUNK = 2_000
CHOICES = {
    "blackhole-64": (
        EVERYTHING,
        "Compact radio sources: black-hole simulations, rings, discs, doubles, jets, clouds.",
        f"{COUNT} drawn sources, two fifths of them from 11 of ngehtutil's 13 black-hole models "
        f"(BSD-3-Clause) turned, scaled, mixed and blurred; left out: {', '.join(HELD_OUT)}",
        "BSD-3-Clause",
    ),
    "sources-64": (
        NO_RINGS,
        "Compact radio sources without a ring among them: discs, doubles, blobs, jets, clouds.",
        f"{COUNT} drawn sources, none of them hollow",
        "CC0-1.0",
    ),
}


def images(name: str, models: Tensor, count: int, seed: int) -> Tensor:
    """`count` random sources of the population called `name`."""
    shares = CHOICES[name][0]
    return torch.cat([draw(CHUNK, shares, models, seed + i) for i in range(0, count, CHUNK)])[
        :count
    ]


def main() -> None:
    """Train on random sources, measure the statistics on others."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("name", choices=CHOICES)
    p.add_argument("--data", type=Path, required=True, help=f"folder that holds {MODELS}")
    p.add_argument("--out", type=Path, default=Path("checkpoints"))
    p.add_argument("--checkpoint", type=Path)
    p.add_argument("--minutes", type=float, default=65)
    options = p.parse_args()

    models = torch.stack(list(read_models(options.data / MODELS).values()))
    training = images(options.name, models, COUNT, seed=0)
    config = TrainingConfig(
        num_steps=1_000_000,
        minutes=options.minutes,
        batch_size=32,
        crop_fraction=0.0,
        log_sigma_mean=-0.7,
        log_sigma_std=1.7,
    )
    card = PriorCard(
        name=options.name,
        network={
            "type": "ShuffleUNet",
            "image_channels": 1,
            "channels": [32, 64, 96],
            "num_blocks": 2,
            "stem_channels": 8,
        },
        preconditioning={"type": "EDM", "bfloat16": True, "sigma_data": 0.32, "mean": -0.877},
        image_shape=(1, *training.shape[2:]),
        sigma_max=trained_sigma_max(config),
        description=(
            f"{CHOICES[options.name][1]} 160 µas across; zero maps to -1 and the peak to 1."
        ),
        data=CHOICES[options.name][2],
        license=CHOICES[options.name][3],
    )
    checkpoint = options.checkpoint or Path(f"{options.name}.checkpoint.pt")
    trainer = trained(card, training, config, checkpoint)
    unseen = images(options.name, models, HELD_OUT_COUNT, seed=10**6)
    finished(trainer, card, training, unseen, options.out, peaks=True)


if __name__ == "__main__":
    main()

"""How cells-128 was made: training, its statistics, its card. Resumes from --checkpoint."""

import argparse
from pathlib import Path

import torch
from common import TILES
from common_training import record, trained

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.curves import measure_error_curve
from lmaps_science.prior.image_covariance import measure_image_covariance
from lmaps_science.prior.registry import write_manifest
from lmaps_science.prior.train import TrainingConfig
from lmaps_science.problems.scattering.objects import cells
from lmaps_science.training import NETWORK, SIGMA_DATA, trained_sigma_max, write_prior

CURVE_IMAGES = 256


def main() -> None:
    """Train on the tiles of nine images in ten; measure the error curve on them too.

    The tiles of every tenth image are the benchmarks' objects, so nothing is measured on them
    but, for the record, the error curve once more: it shows what overfitting there is.
    """
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help=f"folder that holds {TILES}")
    p.add_argument("--out", type=Path, default=Path("checkpoints/cells-128.safetensors"))
    p.add_argument("--checkpoint", type=Path, default=Path("cells-128.checkpoint.pt"))
    p.add_argument("--minutes", type=float, default=100)
    options = p.parse_args()

    images, test = (
        torch.from_numpy(cells(options.data / TILES, split))[:, None] for split in ("train", "test")
    )
    config = TrainingConfig(num_steps=1_000_000, minutes=options.minutes)
    card = PriorCard(
        name=options.out.stem,
        network={"image_channels": 1, **NETWORK},
        preconditioning={"type": "EDM", "bfloat16": True, "sigma_data": SIGMA_DATA},
        image_shape=(1, *images.shape[2:]),
        sigma_max=trained_sigma_max(config),
        description=(
            "Cell nuclei in fluorescence microscopy; the 1st and 99.8th percentiles of each "
            "image map to -1 and 1."
        ),
        data=(
            f"{len(images)} tiles of 128 x 128 from the fluorescence images of the 2018 Data "
            "Science Bowl (CC0, BBBC038), every tenth image left out"
        ),
        license="CC0-1.0",
    )
    trainer = trained(card, images, config, options.checkpoint)
    prior = trainer.denoiser

    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    curve = prior.error_curve = measure_error_curve(prior, images[chosen[:CURVE_IMAGES]])
    prior.image_covariance = measure_image_covariance(images)
    unseen = measure_error_curve(prior, test)
    errors = "; ".join(
        f"{curve(s):.2e} and {unseen(s):.2e} at σ = {s:g}" for s in (0.01, 0.03, 0.1, 0.3, 1.0)
    )
    facts = {"mean_squared_error_on_training_and_on_left_out_images": errors}
    write_prior(prior, card, record(trainer, **facts), options.out)
    write_manifest(options.out.parent)


if __name__ == "__main__":
    main()

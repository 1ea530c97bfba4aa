"""How brain-128 was made: training, its statistics, its card. Resumes from --checkpoint."""

import argparse
from pathlib import Path

from common_training import record, trained

from lmaps_science.prior.card import PriorCard
from lmaps_science.prior.checkpoint import load_prior
from lmaps_science.prior.curves import measure_error_curve
from lmaps_science.prior.image_covariance import measure_image_covariance
from lmaps_science.prior.registry import write_manifest
from lmaps_science.prior.train import TrainingConfig
from lmaps_science.problems.mri.training_images import ComplexImages, Phase, of_class, read_slices
from lmaps_science.training import trained_sigma_max, write_prior

SLICES = "ixi_hh_t1_axial128.npz"
CURVE_IMAGES, COVARIANCE_IMAGES = 128, 1_000
CURVE_SIZE = 96
"""Pixels of the images of the error curve: a scanner's field of view is as tight as this."""
COVARIANCE_COMPONENTS = 64


def main() -> None:
    """Train on nine people in ten, measure the error curve on the others."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help=f"folder that holds {SLICES}")
    p.add_argument("--out", type=Path, default=Path("checkpoints/brain-128.safetensors"))
    p.add_argument("--checkpoint", type=Path, default=Path("brain-128.checkpoint.pt"))
    p.add_argument("--start", type=Path, help="prior of the same network to go on from")
    p.add_argument("--minutes", type=float, default=60)
    options = p.parse_args()

    training, unseen = (read_slices(options.data / SLICES, held_out) for held_out in (False, True))
    source = ComplexImages(training)
    config = TrainingConfig(
        num_steps=1_000_000,
        minutes=options.minutes,
        batch_size=2,
        crop_fraction=0.75,
        learning_rate=8e-4,
        final_fraction=0.7,
        log_sigma_mean=-1.7,
        log_sigma_std=1.4,
    )
    card = PriorCard(
        name=options.out.stem,
        network={
            "type": "ShuffleUNet",
            "image_channels": 2,
            "channels": [48, 64, 96],
            "num_blocks": 2,
            "num_classes": len(Phase),
        },
        preconditioning={
            "type": "EDM",
            "bfloat16": True,
            "sigma_data": 0.4,
            "class_label": int(Phase.RESIDUAL),
        },
        image_shape=(2, source.image_size, source.image_size),
        sigma_max=trained_sigma_max(config),
        description=(
            "Complex MR images of the head as real and imaginary part; the 99th percentile of the "
            "magnitude maps to about 1. Classes: 0 real, 1 small residual phase (the default, and "
            "that of the error curve), 2 any smooth phase. Any contrast, any size."
        ),
        data=(
            f"{len(training)} axial T1 slices of 128 x 128 from the IXI data set "
            "(brain-development.org, CC BY-SA 3.0), every tenth person left out; contrasts and "
            "phases are drawn"
        ),
        license="CC-BY-SA-3.0",
    )
    start = None if options.start is None else load_prior(options.start)
    trainer = trained(card, source, config, options.checkpoint, start)
    prior = trainer.denoiser

    curves = {
        phase: measure_error_curve(
            prior.for_class(phase), of_class(unseen, phase, CURVE_IMAGES, CURVE_SIZE)
        )
        for phase in Phase
    }
    prior.error_curve = curves[Phase.RESIDUAL]
    whole = of_class(training, Phase.RESIDUAL, COVARIANCE_IMAGES)
    prior.image_covariance = measure_image_covariance(whole, COVARIANCE_COMPONENTS)
    errors = "; ".join(
        ", ".join(f"{curve(sigma):.2e}" for curve in curves.values()) + f" at σ = {sigma:g}"
        for sigma in (0.01, 0.04, 0.16, 0.64)
    )
    facts = {"mean_squared_error_on_people_left_out,_by_class": errors}
    if start is not None:
        facts = {"before_that": start.card.description, **facts}
    write_prior(prior, card, record(trainer, **facts), options.out)
    write_manifest(options.out.parent)


if __name__ == "__main__":
    main()

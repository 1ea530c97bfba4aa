"""``lmaps inversebench``: does a checkout run here, and run it."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lmaps_science.console import examples, guarded, show_findings

app = typer.Typer(help="Run InverseBench with this package.", no_args_is_help=True)

Checkout = Annotated[Path, typer.Option(help="Folder of InverseBench, with its main.py.")]


@app.command(epilog=examples("lmaps inversebench doctor --checkout InverseBench"))
@guarded
def doctor(checkout: Checkout) -> None:
    """Say what InverseBench lacks here, and the command of each problem.

    Ends with 1 if a package is missing; data and weights are yours to get.
    """
    from lmaps_science.inversebench.checkout import (
        check_checkout,
        examine_packages,
        examine_problems,
    )

    folder = check_checkout(checkout)
    packages = examine_packages()
    show_findings([*packages, *examine_problems(folder)])
    if any(finding.healthy is False for finding in packages):
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=examples(
        "lmaps inversebench run --checkout InverseBench problem=blackhole algorithm=lmaps "
        "pretrain=blackhole"
    ),
)
@guarded
def run(context: typer.Context, checkout: Checkout) -> None:
    """Run its main.py in its folder with these overrides, and those that it lacks to run."""
    from lmaps_science.inversebench.checkout import (
        check_checkout,
        check_packages,
        needed_overrides,
        run_main,
    )

    folder = check_checkout(checkout)
    check_packages()
    added = needed_overrides(context.args)
    if added:
        typer.echo(f"added: {' '.join(added)}", err=True)
    raise typer.Exit(run_main(folder, context.args))


prepare = typer.Typer(
    help="Bring data to the layout that InverseBench reads.", no_args_is_help=True
)
app.add_typer(prepare, name="prepare")


@prepare.command(
    "images", epilog=examples("lmaps inversebench prepare images cells.npy --out data/cells")
)
@guarded
def prepare_images(
    images: Annotated[Path, typer.Argument(help="Grey pictures: folder, HDF5, .npy, LMDB.")],
    out: Annotated[Path, typer.Option(help="Folder of the LMDB.")],
    pixels: Annotated[int | None, typer.Option(min=1, help="Scale and cut to this side.")] = None,
    double: Annotated[bool, typer.Option(help="As float64, which blackhole reads.")] = False,
) -> None:
    """Write images as an LMDB: problem.data.root of inv-scatter and blackhole."""
    from lmaps_science.inversebench.prepare import write_images
    from lmaps_science.prior.images import load_images

    found = load_images(images, pixels)
    if found.shape[1] != 1:
        raise ValueError(f"{images}: expected grey pictures, got {found.shape[1]} channels")
    write_images((found[:, 0].numpy() + 1) / 2, out, np.float64 if double else np.float32)
    typer.echo(f"problem.data.root={out}")


@prepare.command(
    "mri", epilog=examples("lmaps inversebench prepare mri knee_multicoil_val/file1000000.h5")
)
@guarded
def prepare_mri(
    files: Annotated[list[Path], typer.Argument(help="fastMRI HDF5, fully sampled.")],
    calibration: Annotated[int, typer.Option(min=2, help="Width of the centre.")] = 24,
) -> None:
    """Write ESPIRiT maps into the folder beside that of the k-space."""
    from lmaps_science.inversebench.prepare import write_maps

    targets = [write_maps(file, calibration) for file in files]
    for folder in sorted({target.parent for target in targets}):
        typer.echo(f"problem.data.root={folder}")


@prepare.command(
    "blackhole",
    epilog=examples("lmaps inversebench prepare blackhole m87.uvfits --image m87.fits --out data"),
)
@guarded
def prepare_blackhole(
    observation: Annotated[Path, typer.Argument(help="UVFITS.")],
    image: Annotated[Path, typer.Option(help="FITS; gives the field of view and the flux.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
) -> None:
    """Write the reference observation of the black-hole problem."""
    from lmaps_science.inversebench.prepare import write_blackhole

    write_blackhole(observation, image, out)
    typer.echo(f"problem.model.root={out}")


@app.command(epilog=examples("lmaps inversebench demo --checkout InverseBench --out demo"))
@guarded
def demo(
    checkout: Checkout, out: Annotated[Path, typer.Option(help="Folder to write into.")]
) -> None:
    """Reconstruct two fields of nuclei in InverseBench, and show its own metrics."""
    from lmaps_science.inversebench.checkout import check_checkout, check_packages
    from lmaps_science.inversebench.demo import run_demo

    folder = check_checkout(checkout)
    check_packages()
    metrics = run_demo(folder, out)
    for name in metrics:
        if not name.endswith("_std"):
            typer.echo(f"{name:5} {metrics[name]:.3f} ± {metrics[f'{name}_std']:.3f}")
    typer.echo(f"results and log: {out}")

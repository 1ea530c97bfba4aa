"""``lmaps reconstruct image``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lmaps_science.cli_reconstruct import (
    Device,
    Out,
    Prior,
    Samples,
    Seed,
    Spread,
    Steps,
    app,
    run,
    show_files,
)
from lmaps_science.console import examples, guarded


@app.command(
    epilog=examples(
        "lmaps reconstruct image cells.jpg --out restored",
        "lmaps reconstruct image decoded.png --operator jpeg --quality 10 --out restored",
        "lmaps reconstruct image three_bits.png --operator quantise --bits 3 --out restored",
        "lmaps reconstruct image clean.tif --operator jpeg --quality 10 --degrade --out test",
    )
)
@guarded
def image(
    file: Annotated[Path, typer.Argument(help="PNG, JPEG or TIFF, grey.", show_default=False)],
    out: Out,
    operator: Annotated[
        str,
        typer.Option(
            help="What degraded the file: jpeg, quantise, saturate, inpaint, gaussian-blur, "
            "motion-blur or super-resolution."
        ),
    ] = "jpeg",
    degrade: Annotated[
        bool,
        typer.Option(
            "--degrade", help="The file is clean: degrade it first, and compare with it after."
        ),
    ] = False,
    quality: Annotated[
        int | None,
        typer.Option(help="Of JPEG, 1 to 100; a JPEG file that is restored holds its own tables."),
    ] = None,
    bits: Annotated[int | None, typer.Option(help="Of each pixel, for quantise.")] = None,
    saturation: Annotated[
        float | None, typer.Option(help="Grey value up to 1 (white); else the file's brightest.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="For inpaint: image that is black where pixels are known.")
    ] = None,
    box: Annotated[
        int | None, typer.Option(help="For inpaint: side of a missing square in the middle.")
    ] = None,
    missing: Annotated[
        float | None, typer.Option(help="For inpaint with --degrade: share of missing pixels.")
    ] = None,
    blur: Annotated[
        float | None, typer.Option(help="Standard deviation of the Gaussian blur, pixels.")
    ] = None,
    length: Annotated[float | None, typer.Option(help="Of the motion, pixels.")] = None,
    angle: Annotated[
        float | None, typer.Option(help="Of the motion, degrees from the x axis upwards.")
    ] = None,
    factor: Annotated[
        int | None, typer.Option(help="Fine pixels along the side of one of the file's.")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="Standard deviation, 1 being white; else found in the file."),
    ] = None,
    samples: Samples = 8,
    steps: Steps = None,
    seed: Seed = 0,
    prior: Prior = None,
    method: Annotated[
        str, typer.Option(help="lmaps; paper (gradient steps); diffpir; daps and tikhonov (linear)")
    ] = "lmaps",
    spread: Spread = None,
    device: Device = "cpu",
) -> None:
    """A grey image from one that was compressed, rounded, saturated, blurred or masked.

    Writes restored.png, restored.tif (both of 16 bits), reconstruction.h5, figure.png, report.html
    and summary.json, all or nothing.
    """
    options: dict[str, Any] = {
        "operator": operator,
        "degrade": degrade,
        "quality": quality,
        "bits": bits,
        "saturation": saturation,
        "mask": mask,
        "box": box,
        "missing": missing,
        "blur": blur,
        "length": length,
        "angle": angle,
        "factor": factor,
        "noise": noise,
        "samples": samples,
        "steps": steps,
        "seed": seed,
        "prior": prior,
        "method": method,
        "spread": spread,
        "device": device,
    }
    _show(run("image", [file], out, **options))
    show_files(out, "restored.png", "restored.tif")


def _show(summary: dict[str, Any]) -> None:
    if summary["same_data"] is None:
        fit = f"χ² per datum {summary['data_fit']:.3g} (1: the noise)"
    else:
        fit = f"degraded again, {100 * summary['same_data']:.2f} % of the integers are the file's"
    if summary["metrics"] is not None:
        before, after = summary["degraded_metrics"], summary["metrics"]
        fit += f", PSNR {before['psnr']:.1f} -> {after['psnr']:.1f} dB"
    typer.echo(f"{fit}, {summary['seconds']:.1f} s")

"""``lmaps reconstruct mri``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lmaps_science import console
from lmaps_science.cli_reconstruct import (
    Device,
    Out,
    Prior,
    Samples,
    Seed,
    Spread,
    Steps,
    app,
    command_line,
    run,
    show_files,
)
from lmaps_science.console import examples, guarded


@app.command(
    epilog=examples(
        "lmaps reconstruct mri file_brain_AXT2_200.h5 --out brain",
        "lmaps reconstruct mri kspace.npy --out test --acceleration 4 --compare",
        "lmaps reconstruct mri kspace.cfl --maps maps.cfl --out result",
        "lmaps reconstruct mri knee.h5 --out middle --slice 17",
    )
)
@guarded
def mri(
    file: Annotated[
        Path,
        typer.Argument(
            help="K-space: fastMRI or ISMRMRD HDF5, BART .cfl, NumPy .npy or .npz, or "
            "InverseBench's HDF5 or folder of LMDB.",
            show_default=False,
        ),
    ],
    out: Out,
    slices: Annotated[
        list[int] | None,
        typer.Option("--slice", min=0, help="Which, from 0; may be repeated. All by default."),
    ] = None,
    acceleration: Annotated[
        float | None,
        typer.Option(
            help="Take lines away from complete k-space, and compare with the image of all."
        ),
    ] = None,
    mask_seed: Annotated[int, typer.Option(min=0, help="Of the lines that are taken away.")] = 0,
    pattern: Annotated[str, typer.Option(help="Of those that stay: random or equispaced.")] = (
        "random"
    ),
    calibration_lines: Annotated[
        int | None, typer.Option(min=0, help="In the middle of k-space that stay; 8 or more.")
    ] = None,
    phase_axis: Annotated[
        str | None, typer.Option(help="Along which lines are taken away, x or y; the file's.")
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option(help="Sensitivity maps, .npy, .npz, .cfl or HDF5; else ESPIRiT finds them."),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            help="Standard deviation of the noise in k-space; else that of each line is found."
        ),
    ] = None,
    coils: Annotated[
        int | None, typer.Option(min=1, help="Virtual coils to compress to; 16 of larger arrays.")
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="SENSE and l1-wavelet beside it, tuned on held-out lines; by sigpy."
        ),
    ] = False,
    samples: Samples = 8,
    steps: Steps = None,
    seed: Seed = 0,
    prior: Prior = None,
    method: Annotated[str, typer.Option(help="lmaps; paper; diffpir; daps; tikhonov.")] = "lmaps",
    spread: Spread = None,
    device: Device = "cpu",
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Keep slices that an earlier run finished."),
    ] = True,
) -> None:
    """Image of the body from raw k-space of several coils.

    Writes reconstruction.nii.gz, reconstruction.cfl, reconstruction.h5, image.png, report.html
    and summary.json. Several slices or contrasts are made one by one, each in a folder of its
    own; a run that was cut off goes on with the next.
    """
    from lmaps_science.imaging.mri import open_scan

    scan = open_scan(file)
    parts = (scan.num_slices if slices is None else len(slices)) * len(scan.contrasts)
    options: dict[str, Any] = {
        "samples": samples,
        "steps": steps,
        "seed": seed,
        "prior": prior,
        "method": method,
        "spread": spread,
        "compare": compare,
        "device": device,
        "acceleration": acceleration,
        "mask_seed": mask_seed,
        "pattern": pattern,
        "calibration_lines": calibration_lines,
        "phase_axis": phase_axis,
        "maps": maps,
        "sigma_noise": noise,
        "num_coils": coils,
    }
    if parts > 1:
        _volume(file, out, slices, resume, options)
        return
    chosen = {} if slices is None else {"slice_index": slices[0]}
    summary = run("mri", [file], out, **options, **chosen)
    _show_slice(summary)
    show_files(out, "reconstruction.nii.gz")


def _volume(
    file: Path, out: Path, slices: list[int] | None, resume: bool, options: dict[str, Any]
) -> None:
    from lmaps_science.imaging.mri_volume import Part, reconstruct_volume
    from lmaps_science.recipe import Progress

    with console.reconstruction_progress(file.name) as show:

        def callback(part: Part, number: int, count: int, progress: Progress) -> None:
            show(progress, f"{number + 1} of {count}, slice {part.name}")

        summary = reconstruct_volume(
            file,
            out,
            slices=slices,
            resume=resume,
            callback=callback,
            command=command_line(),
            **options,
        )
    made, broken = summary["slices"], summary["broken"]
    for note in summary["notes"]:
        typer.echo(f"note: {note}")
    for part in broken:
        typer.secho(f"left out: {part['reason']}", fg=typer.colors.YELLOW, err=True)
    fits = [part["data_fit"] for part in made]
    typer.echo(
        f"{len(made)} of {len(made) + len(broken)} images, χ² per datum {min(fits):.2f} to "
        f"{max(fits):.2f}, {sum(part['seconds'] for part in made):.0f} s"
    )
    show_files(out, "reconstruction.nii.gz")


def _show_slice(summary: dict[str, Any]) -> None:
    from lmaps_science.imaging.mri import sampling_text, scores

    typer.echo(f"{summary['format']}: {summary['coils']} coils, {sampling_text(summary)}")
    rows = [{**summary, "name": summary["method"]}, *(summary["baselines"] or [])]
    for row in rows:
        truth = "" if row["metrics"] is None else f"{scores(row['metrics'])}, "
        typer.echo(
            f"{row['name']:<12}{truth}χ² per datum {row['data_fit']:.2f}, {row['seconds']:.1f} s"
        )

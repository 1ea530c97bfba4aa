"""``lmaps reconstruct``: one command for each kind of measurement."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lmaps_science import console
from lmaps_science.console import examples, guarded

app = typer.Typer(help="Reconstruct an image from a file of measurements.", no_args_is_help=True)

Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...")]
Prior = Annotated[str | None, typer.Option(help="Name of an installed prior, or a file of one.")]
Out = Annotated[Path, typer.Option(help="Folder to write into.")]
Samples = Annotated[int, typer.Option(min=1, help="Seeds whose mean is the image.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Noise levels; the method's default if not given.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Spread = Annotated[
    bool | None,
    typer.Option(
        "--spread/--no-spread",
        help="Draw posterior samples too; by default if there is more than one sample.",
    ),
]


@app.command(
    epilog=examples(
        "lmaps reconstruct scattering measurement.h5 --out result",
        "lmaps reconstruct scattering measurement.h5 --out quick --samples 1 --steps 10",
        "lmaps reconstruct scattering measurement.h5 --out other --prior mine.safetensors",
    )
)
@guarded
def scattering(
    file: Annotated[Path, typer.Argument(help="HDF5 of scattered fields.", show_default=False)],
    out: Out,
    samples: Samples = 8,
    steps: Steps = None,
    seed: Seed = 0,
    prior: Prior = None,
    method: Annotated[
        str,
        typer.Option(
            help="lmaps; paper (LMAPS as published, gradient steps); diffpir; daps; tikhonov."
        ),
    ] = "lmaps",
    spread: Spread = None,
    device: Device = "cpu",
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep the geometry's spectrum on disk.")
    ] = True,
) -> None:
    """Permittivity contrast from scattered fields.

    Writes reconstruction.h5, figure.png, report.html and summary.json, all or nothing.
    """
    from lmaps_science import cache as spectra

    spectra.enabled = cache
    summary = _run(
        "scattering",
        [file],
        out,
        samples=samples,
        steps=steps,
        seed=seed,
        prior=prior,
        method=method,
        spread=spread,
        device=device,
    )
    fit = f"χ² per datum {summary['data_fit']:.3g} (1: the noise)"
    if summary["metrics"] is not None:
        fit += f", PSNR {summary['metrics']['psnr']:.1f} dB, SSIM {summary['metrics']['ssim']:.3f}"
    typer.echo(f"{fit}, {summary['seconds']:.1f} s")
    _show_files(out, "reconstruction.h5")


@app.command(
    epilog=examples(
        "lmaps reconstruct blackhole SR1_M87_2017_095_lo.uvfits --out m87",
        "lmaps reconstruct blackhole day_lo.uvfits day_hi.uvfits --out both --controls",
        "lmaps reconstruct blackhole other.uvfits --out other --compact-flux 1.3",
    )
)
@guarded
def blackhole(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="UVFITS; several bands or days share one image.",
            show_default=False,
        ),
    ],
    out: Out,
    samples: Samples = 16,
    steps: Steps = None,
    seed: Seed = 0,
    prior: Prior = None,
    method: Annotated[
        str, typer.Option(help="lmaps; paper (gradient steps); diffpir; rml (ehtim's).")
    ] = "lmaps",
    spread: Spread = None,
    device: Device = "cpu",
    compact_flux: Annotated[
        float,
        typer.Option(
            help="Flux within the image, Jansky; the default is M87*'s in April 2017. Baselines "
            "within a site see more than that and are scaled to it."
        ),
    ] = 0.6,
    field_of_view: Annotated[
        float, typer.Option(help="Width of the image, microarcseconds.")
    ] = 160.0,
    fractional_error: Annotated[
        float, typer.Option(min=0, help="Error that does not close, relative to each visibility.")
    ] = 0.01,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Reconstruct known sources too: rings, disc, double and Gaussian, seen with the "
            "file's coverage and noise. Takes seven times as long again.",
        ),
    ] = False,
) -> None:
    """Brightness of a compact radio source from closure phases and log closure amplitudes.

    Writes reconstruction.fits, reconstruction.h5, figure.png, report.html and summary.json, all
    or nothing.
    """
    summary = _run(
        "blackhole",
        files,
        out,
        samples=samples,
        steps=steps,
        seed=seed,
        prior=prior,
        method=method,
        spread=spread,
        device=device,
        controls=controls,
        compact_flux=compact_flux,
        field_of_view_uas=field_of_view,
        fractional_error=fractional_error,
    )
    _show_source(summary)
    if controls:
        _show_controls(summary["controls"])
    _show_files(out, "reconstruction.fits")


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
    summary = _run("mri", [file], out, **options, **chosen)
    _show_slice(summary)
    _show_files(out, "reconstruction.nii.gz")


def _volume(
    file: Path, out: Path, slices: list[int] | None, resume: bool, options: dict[str, Any]
) -> None:
    from lmaps_science.imaging.mri_volume import Part, reconstruct_volume
    from lmaps_science.reconstruction import Progress

    with console.reconstruction_progress(file.name) as show:

        def callback(part: Part, number: int, count: int, progress: Progress) -> None:
            show(progress, f"{number + 1} of {count}, slice {part.name}")

        summary = reconstruct_volume(
            file,
            out,
            slices=slices,
            resume=resume,
            callback=callback,
            command=_command(),
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
    _show_files(out, "reconstruction.nii.gz")


def _run(problem: str, files: Sequence[Path], out: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    from lmaps_science.reconstruction import reconstruct

    with console.reconstruction_progress(files[0].name) as show:
        result = reconstruct(
            problem,
            files,
            out,
            callback=show,
            command=_command(),
            **options,
        )
    for note in result.summary["notes"]:
        typer.echo(f"note: {note}")
    return result.summary


def _command() -> str:
    return shlex.join(["lmaps", *sys.argv[1:]])


def _show_slice(summary: dict[str, Any]) -> None:
    lines = summary["sampled_lines"]
    sampled = "points" if lines is None else f"{lines} lines along {summary['phase_axis']}"
    typer.echo(
        f"{summary['format']}: {summary['coils']} coils, {sampled}, "
        f"{summary['calibration_lines']} of them calibration, true acceleration "
        f"{summary['acceleration']:.1f}"
    )
    rows = [{**summary, "name": summary["method"]}, *(summary["baselines"] or [])]
    for row in rows:
        metrics = row["metrics"]
        truth = (
            ""
            if metrics is None
            else (f"PSNR {metrics['psnr']:.1f} dB, SSIM {metrics['ssim']:.3f}, ")
        )
        typer.echo(
            f"{row['name']:<12}{truth}χ² per datum {row['data_fit']:.2f}, {row['seconds']:.1f} s"
        )


def _show_source(summary: dict[str, Any]) -> None:
    kept, count = summary["kept_samples"], summary["num_samples"]
    angle = summary["ring_position_angle_deg"]
    diameter, corrected = summary["ring_diameter_uas"], summary["ring_diameter_corrected_uas"]
    worst = max(summary["chi2_closure_phase"] + summary["chi2_log_closure_amplitude"])
    if kept:
        typer.echo(
            f"{summary['source']}: {kept} of {count} samples kept, worst χ² {worst:.2f}, "
            f"{summary['rings']} of them a ring"
        )
    if summary["rings"]:
        typer.echo(
            f"diameter {diameter['mean']:.1f} ± {diameter['std']:.1f} µas (corrected for the "
            f"width {corrected['mean']:.1f} ± {corrected['std']:.1f}), brightest at "
            f"{angle['mean']:.0f} ± {angle['std']:.0f}° east of north"
        )
    typer.echo(f"prior {summary['prior']}, {summary['seconds']:.1f} s")


def _show_controls(controls: list[dict[str, Any]]) -> None:
    typer.echo(
        f"\n{'control':<16}{'kept':>6}{'rings':>7}{'diameter':>12}{'true':>8}{'correlation':>13}"
    )
    for control in controls:
        metrics, ring = control["metrics"], control["rings"] > 0
        diameter = control["ring_diameter_uas"]
        measured = f"{diameter['mean']:.1f} ± {diameter['std']:.1f}" if ring else "-"
        true = f"{metrics['true_ring_diameter_uas']:.1f}" if metrics["true_ring"] else "-"
        typer.echo(
            f"{control['name']:<16}{control['kept_samples']:>6}{control['rings']:>7}"
            f"{measured:>12}{true:>8}{metrics['correlation']:>13.3f}"
        )


def _show_files(out: Path, *names: str) -> None:
    for name in ("report.html", *names):
        if (out / name).exists():
            typer.echo(out / name)

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
        "lmaps reconstruct scattering strong.h5 --out strong --full-wave --samples 4",
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
    full_wave: Annotated[
        bool,
        typer.Option(
            "--full-wave",
            help="Multiple scattering too, for objects of high contrast; slower.",
        ),
    ] = False,
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
    summary = run(
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
        full_wave=full_wave,
    )
    fit = f"χ² per datum {summary['data_fit']:.3g} (1: the noise)"
    if summary["metrics"] is not None:
        fit += f", PSNR {summary['metrics']['psnr']:.1f} dB, SSIM {summary['metrics']['ssim']:.3f}"
    typer.echo(f"{fit}, {summary['seconds']:.1f} s")
    show_files(out, "reconstruction.h5")


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
    summary = run(
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
    show_files(out, "reconstruction.fits")


def run(problem: str, files: Sequence[Path], out: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Reconstruct with a progress bar, show the notes and return the summary."""
    from lmaps_science.reconstruction import reconstruct

    with console.reconstruction_progress(files[0].name) as show:
        result = reconstruct(
            problem,
            files,
            out,
            callback=show,
            command=command_line(),
            **options,
        )
    for note in result.summary["notes"]:
        typer.echo(f"note: {note}")
    return result.summary


def command_line() -> str:
    """What was typed, for the record."""
    return shlex.join(["lmaps", *sys.argv[1:]])


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


def show_files(out: Path, *names: str) -> None:
    """Show the report and others of the files that were written."""
    for name in ("report.html", *names):
        if (out / name).exists():
            typer.echo(out / name)

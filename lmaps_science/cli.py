"""The command line, ``lmaps``. What a command needs is imported when it runs."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from lmaps_science import cli_library, console
from lmaps_science.console import examples, guarded

_SETTINGS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    help="Image reconstruction from scientific measurements by Local MAP Sampling.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)
app.add_typer(cli_library.priors, name="priors")
app.add_typer(cli_library.data, name="data")

Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, ...")]
PriorOption = Annotated[
    str | None, typer.Option(help="Name of an installed prior, or a file of one.")
]
ProblemName = Annotated[str, typer.Argument(metavar="PROBLEM", help="scattering")]


def main() -> None:
    """Run the command line; Ctrl-C ends it with code 130."""
    try:
        console.take_over()
        app()
    except KeyboardInterrupt:
        sys.exit(console.INTERRUPTED)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lmaps-science {version('lmaps-science')}")
        raise typer.Exit


@app.callback()
def _options(
    _show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
) -> None:
    console.debug = debug


@app.command(epilog=examples("lmaps demo --out demo"))
@guarded
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    prior: PriorOption = None,
    device: Device = "cpu",
) -> None:
    """Reconstruct three fields of cell nuclei from simulated measurements.

    Everything that it needs is in the package. 20 transmitters and 60 receivers around an
    object of 128 by 128 pixels; less than two minutes on two processor cores.
    """
    from lmaps_science.demo import run_demo

    with console.reconstruction_progress("nuclei 1") as show:
        cases = run_demo(
            out, prior, device, lambda index, level: show(level, f"nuclei {index + 1}")
        )
    typer.echo("            Tikhonov     LMAPS   χ² per datum   truth within the 90 % interval")
    for case in cases:
        baseline, summary = case.baseline.summary["metrics"], case.result.summary
        typer.echo(
            f"{case.file.stem:<10}{baseline['psnr']:7.1f} dB{summary['metrics']['psnr']:7.1f} dB"
            f"{summary['data_fit']:15.2f}{100 * summary['spread']['coverage_90']:22.0f} % of pixels"
        )
    typer.echo(f"\nPicture: {out / 'comparison.png'}")
    for case in cases:
        typer.echo(f"Report:  {case.file.with_suffix('') / 'report.html'}")
    typer.echo("Your own file: lmaps reconstruct scattering FILE --out DIR")


@app.command(
    epilog=examples(
        "lmaps reconstruct scattering measurement.h5 --out result",
        "lmaps reconstruct scattering measurement.h5 --out quick --samples 1 --steps 10",
        "lmaps reconstruct scattering measurement.h5 --out other --prior mine.safetensors",
    )
)
@guarded
def reconstruct(
    problem: ProblemName,
    file: Annotated[Path, typer.Argument(help="The measurement.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    samples: Annotated[int, typer.Option(min=1, help="Seeds whose mean is the image.")] = 8,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Noise levels; the method's default if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    prior: PriorOption = None,
    method: Annotated[
        str,
        typer.Option(
            help="lmaps; paper (LMAPS as published, gradient steps); diffpir; daps; tikhonov."
        ),
    ] = "lmaps",
    spread: Annotated[
        bool | None,
        typer.Option(
            "--spread/--no-spread",
            help="Draw posterior samples too; by default if there is more than one sample.",
        ),
    ] = None,
    device: Device = "cpu",
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep the geometry's spectrum on disk.")
    ] = True,
) -> None:
    """Reconstruct an image from a file of measurements.

    Writes reconstruction.h5, figure.png, report.html and summary.json, all or nothing.
    """
    from lmaps_science import cache as spectra
    from lmaps_science.reconstruction import reconstruct as run

    spectra.enabled = cache
    with console.reconstruction_progress(file.name) as show:
        result = run(
            problem,
            file,
            out,
            samples=samples,
            steps=steps,
            seed=seed,
            prior=prior,
            method=method,
            spread=spread,
            device=device,
            callback=show,
            command=shlex.join(["lmaps", *sys.argv[1:]]),
        )
    summary = result.summary
    for note in summary["notes"]:
        typer.echo(f"note: {note}")
    fit = f"χ² per datum {summary['data_fit']:.3g} (1: the noise)"
    if summary["metrics"] is not None:
        fit += f", PSNR {summary['metrics']['psnr']:.1f} dB, SSIM {summary['metrics']['ssim']:.3f}"
    typer.echo(f"{fit}, {summary['seconds']:.1f} s")
    typer.echo(f"{out / 'report.html'}\n{out / 'reconstruction.h5'}")


@app.command(
    epilog=examples(
        "lmaps train scattering pictures/ --out mine.safetensors --minutes 60",
        "lmaps train scattering images.npz --out mine.safetensors --image-size 64",
    )
)
@guarded
def train(
    problem: ProblemName,
    data: Annotated[
        Path, typer.Argument(help="Folder of pictures, HDF5, LMDB or npz.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="File to write, .safetensors.")],
    minutes: Annotated[float | None, typer.Option(help="Time for training.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps; 20,000 if neither is given.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=16, help="Scale the images to this many pixels.")
    ] = None,
    license: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "unknown",  # noqa: A002
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from a run that was cut off.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    device: Device = "cpu",
) -> None:
    """Train a prior on your own images.

    Every twentieth image is held out to measure the denoising error, which travels with the
    weights as the images' covariance does. An interrupted run goes on where it was saved.
    """
    import math

    from lmaps_science.prior.train import TrainingConfig
    from lmaps_science.training import checkpoint_path, train_prior

    config = TrainingConfig(
        num_steps=steps or (20_000 if minutes is None else 10**9),
        minutes=math.inf if minutes is None else minutes,
        seed=seed,
    )
    if not resume:
        checkpoint_path(out).unlink(missing_ok=True)
    with console.training_progress() as show:
        card = train_prior(
            problem,
            data,
            out,
            config=config,
            image_size=image_size,
            license=license,
            device=device,
            callback=show,
        )
    typer.echo(card.to_markdown())
    typer.echo(f"Use it: lmaps reconstruct {problem} FILE --out DIR --prior {out}")


@app.command(epilog=examples("lmaps doctor"))
@guarded
def doctor() -> None:
    """Check this installation: versions, processor, cache, priors, plugin, extras."""
    from lmaps_science.doctor import examine

    findings = examine()
    colors = {True: typer.colors.GREEN, False: typer.colors.RED, None: None}
    marks = {True: "ok ", False: "BAD", None: "   "}
    for finding in findings:
        mark = typer.style(marks[finding.healthy], fg=colors[finding.healthy])
        typer.echo(f"{mark} {finding.name:<20} {finding.value}")
    if any(finding.healthy is False for finding in findings):
        raise typer.Exit(1)

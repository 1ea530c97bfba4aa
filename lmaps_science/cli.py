"""The command line, ``lmaps``. What a command needs is imported when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lmaps_science import (
    cli_benchmark,
    cli_inversebench,
    cli_library,
    cli_reconstruct,
    cli_reconstruct_image,  # noqa: F401 - adds its command
    cli_reconstruct_mri,  # noqa: F401
    cli_reconstruct_other,  # noqa: F401
    console,
)
from lmaps_science.cli_reconstruct import Device, Prior
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
app.add_typer(cli_reconstruct.app, name="reconstruct")
app.add_typer(cli_library.priors, name="priors")
app.add_typer(cli_library.data, name="data")
app.add_typer(cli_benchmark.app, name="benchmark")
app.add_typer(cli_inversebench.app, name="inversebench")

ProblemName = Annotated[
    str, typer.Argument(metavar="PROBLEM", help="scattering, blackhole, mri or image")
]


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
    prior: Prior = None,
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
        "lmaps train scattering pictures/ --out mine.safetensors --minutes 60",
        "lmaps train scattering images.npz --out mine.safetensors --image-size 64",
        "lmaps train mri scans/ --out mine.safetensors --minutes 120",
    )
)
@guarded
def train(
    problem: ProblemName,
    data: Annotated[
        Path,
        typer.Argument(
            help="Folder of pictures, HDF5, LMDB or npz; of MRI: DICOM, NIfTI or fastMRI.",
            show_default=False,
        ),
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

    Every twentieth image, of MRI every tenth person, is held out to measure the denoising error,
    which travels with the weights as the images' covariance does. An interrupted run goes on where
    it was saved.
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
    console.show_findings(findings)
    if any(finding.healthy is False for finding in findings):
        raise typer.Exit(1)

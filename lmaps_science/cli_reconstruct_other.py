"""``lmaps reconstruct`` for problems that other packages bring, by entry points."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lmaps_science.cli_reconstruct import (
    Device,
    Out,
    Prior,
    Seed,
    Spread,
    Steps,
    app,
    run,
    show_files,
)
from lmaps_science.console import guarded
from lmaps_science.plugins import installed_problems


def command_of(problem: str) -> Callable[..., None]:
    """The command of a problem that is imported only when it runs."""

    @guarded
    def command(
        files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
        out: Out,
        samples: Annotated[
            int | None, typer.Option(min=1, help="Seeds; the problem's default if not given.")
        ] = None,
        steps: Steps = None,
        seed: Seed = 0,
        prior: Prior = None,
        method: Annotated[
            str, typer.Option(help="lmaps; paper; diffpir; daps; tikhonov.")
        ] = "lmaps",
        spread: Spread = None,
        device: Device = "cpu",
        option: Annotated[
            list[str] | None, typer.Option(help="KEY=VALUE of the problem's own; repeatable.")
        ] = None,
    ) -> None:
        summary = run(
            problem,
            files,
            out,
            samples=samples,
            steps=steps,
            seed=seed,
            prior=prior,
            method=method,
            spread=spread,
            device=device,
            **_own(option or []),
        )
        typer.echo(f"χ² per datum {summary['data_fit']:.3g} (1: the noise)")
        show_files(out, "reconstruction.h5")

    command.__doc__ = f"A measurement of {problem!r}, which another package brings."
    return command


def _own(options: list[str]) -> dict[str, Any]:
    from omegaconf import OmegaConf

    return {str(k): v for k, v in OmegaConf.from_dotlist(options).items()}


for name in installed_problems():
    app.command(name)(command_of(name))

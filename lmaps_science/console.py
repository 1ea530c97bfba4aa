"""How the command line talks: progress bars, one-line errors, exit codes."""

import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

import typer

if TYPE_CHECKING:
    from lmaps_science.doctor import Finding
    from lmaps_science.recipe import Progress as Level

P = ParamSpec("P")

INTERRUPTED = 130
USER_ERRORS = (ValueError, OSError, ImportError)

debug = False


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn errors of a command into one line on stderr and an exit code; Ctrl-C into 130."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            fail("interrupted: nothing half-written is left", INTERRUPTED)
        except USER_ERRORS as error:
            if debug:
                raise
            fail(_one_line(error), 1)
        except Exception as error:
            if debug or isinstance(error, (typer.Exit, typer.Abort)):
                raise
            fail(
                f"unexpected {type(error).__name__}: {_one_line(error)}; `lmaps --debug ...` shows "
                "where, please report it",
                1,
            )

    return run


def take_over() -> None:
    """For the length of the process: warnings in one line, SIGTERM ends it tidily."""
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _terminate)


def examples(*lines: str) -> str:
    """Epilog of a command's help that shows how it is called."""
    # click leaves a paragraph's lines alone where it begins with a backspace.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def show_findings(findings: "Iterable[Finding]") -> None:
    """One line for each, further lines of its value below."""
    colors = {True: typer.colors.GREEN, False: typer.colors.RED, None: None}
    marks = {True: "ok ", False: "BAD", None: "   "}
    for finding in findings:
        mark = typer.style(marks[finding.healthy], fg=colors[finding.healthy])
        value = finding.value.replace("\n", "\n" + 25 * " ")
        typer.echo(f"{mark} {finding.name:<20} {value}")


def fail(message: str, code: int) -> None:
    """Say why on stderr and exit."""
    typer.secho(f"error: {message}", fg=typer.colors.RED, err=True)
    raise typer.Exit(code)


@contextmanager
def reconstruction_progress(title: str) -> "Iterator[Callable[..., None]]":
    """Progress bar on stderr with the data misfit; yields the callback for `reconstruct`.

    The callback takes another title than `title` as a second argument.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(f"{title}: preparing", total=None, detail="")

        def show(level: "Level", title: str = title) -> None:
            description = f"{title}: {level.stage}"
            if description != bar.tasks[0].description:
                bar.reset(task, description=description, total=level.num_steps)
            # Posterior samples carry noise of their own, so their misfit is not one to watch.
            fit = f"  χ² per datum {level.data_fit:.3g}" if level.stage == "image" else ""
            bar.update(task, completed=level.step + 1, detail=f"σ {level.sigma:<6.3g}{fit}")

        yield show


@contextmanager
def training_progress() -> Iterator[Callable[[int, float, float], None]]:
    """Progress bar on stderr with step, loss and time left; yields the trainer's callback."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("training", total=1.0, detail="")
        average = None

        def show(step: int, loss: float, progress: float) -> None:
            nonlocal average
            average = loss if average is None else 0.98 * average + 0.02 * loss
            detail = f"step {step}  loss {average:.4g}"
            if progress >= 1:
                detail += "  measuring its error and the images' covariance"
            bar.update(task, completed=progress, detail=detail)

        yield show


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    typer.secho(f"warning: {_one_line(message)}", fg=typer.colors.YELLOW, err=True)


def _terminate(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _one_line(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return " ".join(str(error).split()) or type(error).__name__

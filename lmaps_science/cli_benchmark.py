"""The command ``lmaps benchmark``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmaps_science.cli_reconstruct import Device
from lmaps_science.console import examples, guarded, show_findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmaps_science.benchmark.store import Store
    from lmaps_science.benchmark.watch import Progress

app = typer.Typer(
    help="Compare methods on many cases: run, tabulate, report, check and pack.",
    no_args_is_help=True,
)

Mirror = Annotated[
    str | None,
    typer.Option(help="Folder or address of data sets that have no address of their own."),
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.", show_default=False)]


@app.command(
    epilog=examples(
        "lmaps benchmark run smoke --out smoke --workers 2",
        "lmaps benchmark run scattering --out results --mirror /data --shard 1/4",
        "lmaps benchmark run mine.yaml --out results --scheduler tcp://head:8786 --resume",
    )
)
@guarded
def run(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_YAML",
            help="A suite of the package, or a YAML file.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on this machine; more than one take Dask.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers to use instead.")
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Every N-th case from the I-th on, counted from 1.")
    ] = "1/1",
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first cases of each group, at most this many.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the results that are there, and go on.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html at the end.")
    ] = True,
    mirror: Mirror = None,
    device: Device = "cpu",
) -> None:
    """Run cases by methods by seeds.

    Each result is a file of its own, there whole or not at all: a run that was killed, or whose
    worker was, goes on with --resume and repeats nothing. Several shards may write into one folder
    at the same time.
    """
    from lmaps_science.benchmark.runner import run as run_suite
    from lmaps_science.benchmark.suite_file import read_suite
    from lmaps_science.benchmark.task import Site
    from lmaps_science.checks import check_device, check_writable

    chosen = read_suite(suite)
    share = _shard(shard)
    check_device(device)
    check_writable(out)
    with _progress(chosen.name) as show:
        store, tasks, failed, absent = run_suite(
            chosen,
            out,
            Site(device, chosen.threads, mirror),
            workers=workers,
            scheduler=scheduler,
            shard=share,
            limit=limit,
            resume=resume,
            callback=show,
        )
    for name, reason in absent.items():
        typer.echo(f"note: method {name!r} was left out: {reason}")
    for lost in failed:
        typer.secho(f"failed: {lost.unit}: {lost.error}", fg=typer.colors.RED, err=True)
    done = sum(map(store.is_done, tasks))
    typer.echo(f"{done} of {len(tasks)} results in {out}")
    typer.echo(f"Tables:  lmaps benchmark table {out}")
    if report and done:
        typer.echo(f"Report:  {_write_report(store, out / 'report.html')}")
    if failed:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "lmaps benchmark table results",
        "lmaps benchmark table results --format latex > table.tex",
        "lmaps benchmark table results --format csv > samples.csv",
        "lmaps benchmark table results InverseBench/exps/inference",
    )
)
@guarded
def table(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Folder of a run; with or without it, folders of InverseBench's result_*.pt.",
            show_default=False,
        ),
    ],
    style: Annotated[
        str, typer.Option("--format", help="text, markdown, latex; csv and json hold every sample.")
    ] = "text",
) -> None:
    """Show results: mean, error, paired differences, time, calls, memory.

    A table for each group of the suite: what was measured in another way, or reconstructed with
    another prior, never shares one. InverseBench's results join the group that measured as they
    were.
    """
    from lmaps_science.benchmark.formats import FORMATS
    from lmaps_science.benchmark.host_results import find_results, read_results
    from lmaps_science.benchmark.store import Store
    from lmaps_science.benchmark.table import foreign_tables, joined, tables

    if style not in FORMATS:
        raise ValueError(f"format {style!r}: expected one of {', '.join(FORMATS)}")
    foreign = [f for f in folders if not (f / "benchmark.json").exists() and find_results(f)]
    rows = [row for folder in foreign for row in read_results(folder)]
    found = []
    for folder in folders:
        if folder not in foreign:
            store = Store(folder)
            rows = [*store.rows(), *joined(store, rows)]
            found += tables(store, rows)
    found += foreign_tables(rows, [table.title for table in found])
    if not rows:
        raise ValueError(f"{', '.join(map(str, folders))}: no results yet: lmaps benchmark run …")
    typer.echo(FORMATS[style](found, rows), nl=False)


@app.command(
    epilog=examples(
        "lmaps benchmark report results",
        "lmaps benchmark report results --out page.html --cases 10",
    )
)
@guarded
def report(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option(help="Page to write, instead of report.html in DIR.", show_default=False),
    ] = None,
    cases: Annotated[
        int | None,
        typer.Option(min=1, help="Of each group in pictures, 3 if left out.", show_default=False),
    ] = None,
) -> None:
    """Write a page of tables that sort, pictures of cases, trade-offs and provenance.

    It refers to no other file. A table and plots for each group of the suite; pictures of the best,
    the middle and the worst case; a spread that is not calibrated is marked.
    """
    from lmaps_science.benchmark.store import Store

    typer.echo(_write_report(Store(folder), out or folder / "report.html", cases))


@app.command(
    epilog=examples(
        "lmaps benchmark verify results",
        "lmaps benchmark verify submission.zip --count 20",
    )
)
@guarded
def verify(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_OR_ZIP", help="Folder of a run, or an archive of it.", show_default=False
        ),
    ],
    count: Annotated[int, typer.Option(min=0, help="Results to make again, at random.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    mirror: Mirror = None,
    device: Device = "cpu",
) -> None:
    """Compare every file's hash with the run's, and make a random part of the results again.

    What does not agree is named, and the exit code is 1.
    """
    from lmaps_science.benchmark.submission import opened
    from lmaps_science.benchmark.task import Site
    from lmaps_science.benchmark.verification import verify as verify_store
    from lmaps_science.doctor import Finding

    with opened(path) as store:
        site = Site(device, store.suite.threads, mirror)
        found = verify_store(
            store,
            count,
            seed,
            site,
            lambda f: show_findings([Finding(f.what, f.detail, f.agrees)]),
        )
    disagreeing = sum(not finding.agrees for finding in found)
    if disagreeing:
        raise ValueError(f"{path}: {disagreeing} things do not agree, named above")
    typer.echo(f"{path} agrees")


@app.command(epilog=examples("lmaps benchmark submit results --out submission.zip"))
@guarded
def submit(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Archive to write, .zip.")],
) -> None:
    """Pack results, tables, settings, provenance, a schema and a README into one archive."""
    from lmaps_science.benchmark.store import Store
    from lmaps_science.benchmark.submission import submit as write_archive

    files = write_archive(Store(folder), out)
    typer.echo(f"{out}: {len(files)} files, {out.stat().st_size / 2**20:.1f} MiB")


def _write_report(store: "Store", path: Path, cases: int | None = None) -> Path:
    from lmaps_science.benchmark.report import SHOWN_CASES, render
    from lmaps_science.files import atomic_path

    page = render(store, cases or SHOWN_CASES)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _shard(text: str) -> tuple[int, int]:
    parts = text.split("/")
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        share, count = map(int, parts)
        if 1 <= share <= count:
            return share, count
    raise ValueError(f"shard: expected I/N with I from 1 to N, such as 2/4, got {text!r}")


@contextmanager
def _progress(name: str) -> "Iterator[Callable[[Progress], None]]":
    """A bar on a terminal; elsewhere a line from time to time."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(name, total=None, detail="preparing")
        told = time.monotonic()

        def show(progress: "Progress") -> None:
            nonlocal told
            left = _duration(progress.seconds_left)
            failed = f"  {progress.failed} failed" if progress.failed else ""
            detail = f"{left}{failed}  {progress.latest.unit}"
            bar.update(task, completed=progress.done, total=progress.total, detail=detail)
            if not console.is_terminal and time.monotonic() - told > 30:
                told = time.monotonic()
                console.print(f"{name}: {progress.done} of {progress.total}, {left}{failed}")

        yield show


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "time left unknown"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min left" if hours else f"{minutes}:{whole:02d} min left"

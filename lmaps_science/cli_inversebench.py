"""``lmaps inversebench``: does a checkout run here, and run it."""

from pathlib import Path
from typing import Annotated

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
    """Run its main.py with these overrides, and those without which it would not run."""
    from lmaps_science.inversebench.checkout import check_checkout, needed_overrides, run_main

    folder = check_checkout(checkout)
    added = needed_overrides(context.args)
    if added:
        typer.echo(f"added: {' '.join(added)}", err=True)
    raise typer.Exit(run_main(folder, context.args))


@app.command(epilog=examples("lmaps inversebench demo --checkout InverseBench --out demo"))
@guarded
def demo(
    checkout: Checkout, out: Annotated[Path, typer.Option(help="Folder to write into.")]
) -> None:
    """Reconstruct two fields of nuclei in InverseBench, and show its own metrics."""
    from lmaps_science.inversebench.checkout import check_checkout
    from lmaps_science.inversebench.demo import run_demo

    typer.echo(run_demo(check_checkout(checkout), out))
    typer.echo(out / "exps")

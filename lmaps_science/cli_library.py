"""The parts of the command line that list and fetch: ``lmaps priors`` and ``lmaps data``."""

from pathlib import Path
from typing import Annotated

import typer

from lmaps_science.console import examples, guarded

priors = typer.Typer(help="List, show, convert and export priors.", no_args_is_help=True)
data = typer.Typer(help="List and fetch public data sets.", no_args_is_help=True)


@priors.command("list", epilog=examples("lmaps priors list"))
@guarded
def list_installed() -> None:
    """List the installed priors."""
    from lmaps_science.prior.registry import list_priors

    records = list_priors()
    for record in records:
        shape = "×".join(map(str, record.image_shape))
        typer.echo(f"{record.name:<14}{shape:<12}{record.bytes / 2**20:6.1f} MiB  {record.license}")
        typer.echo(f"    {record.description}")
    if not records:
        typer.echo("no priors are installed; `lmaps train` makes one")


@priors.command(epilog=examples("lmaps priors show cells-128"))
@guarded
def show(name: Annotated[str, typer.Argument(help="Name of an installed prior.")]) -> None:
    """Show the model card of a prior."""
    from lmaps_science.prior.registry import model_card

    typer.echo(model_card(name))


@priors.command(epilog=examples("lmaps priors convert inv-scatter-5m.pt inv-scatter.safetensors"))
@guarded
def convert(
    source: Annotated[Path, typer.Argument(help="A .pt of InverseBench.", show_default=False)],
    target: Annotated[Path, typer.Argument(help=".safetensors to write.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(help="InverseBench's pretrain YAML; inferred from the weights if not given."),
    ] = None,
) -> None:
    """Convert an InverseBench checkpoint to safetensors. Nothing in it is ever run."""
    from lmaps_science.prior import checkpoint

    model = None
    if config is not None:
        from omegaconf import OmegaConf

        content = OmegaConf.to_container(OmegaConf.load(config))
        model = content.get("model") if isinstance(content, dict) else None
        if model is None:
            raise ValueError(f"{config}: expected a mapping under `model:`")
    typer.echo(checkpoint.convert(source, target, model).to_markdown())


@priors.command(epilog=examples("lmaps priors export cells-128 cells-128.pt"))
@guarded
def export(
    name: Annotated[str, typer.Argument(help="Name or file of a prior.", show_default=False)],
    target: Annotated[Path, typer.Argument(help=".pt to write.", show_default=False)],
) -> None:
    """Export a prior to what InverseBench loads, with a pretrain YAML beside it."""
    from lmaps_science.inversebench import network

    for path in network.export(name, target):
        typer.echo(path)


@data.command("list", epilog=examples("lmaps data list"))
@guarded
def list_data() -> None:
    """List the data sets."""
    from lmaps_science.datasets import DATA_SETS

    for data_set in DATA_SETS.values():
        mirror = "  (needs --mirror)" if data_set.needs_mirror else ""
        typer.echo(f"{data_set.name:<20}{data_set.license}{mirror}")
        typer.echo(f"    {data_set.description}\n    {data_set.source}")


@data.command(
    epilog=examples(
        "lmaps data get m87-2017 --out eht", "lmaps data get cells --mirror /data/mirror"
    )
)
@guarded
def get(
    name: Annotated[str, typer.Argument(help="Name of a data set.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder; one in the user's data folder if not given.")
    ] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Folder or web address that holds the same files.")
    ] = None,
) -> None:
    """Fetch a data set; files are verified, downloads go on where they broke off."""
    from lmaps_science.datasets import DATA_SETS, get_data

    for path in get_data(name, out, mirror):
        typer.echo(path)
    typer.echo(f"Licence: {DATA_SETS[name].license}. Source: {DATA_SETS[name].source}.", err=True)

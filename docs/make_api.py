"""Write the API reference, docs/api, from the docstrings of every public module.

make docs
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pdoc
import pdoc.render

import lmaps_science
from lmaps_science import problems

HERE = Path(__file__).parent
SECTIONS = {
    "lmaps_science": "The method, and what is around it",
    "lmaps_science.prior": "Priors",
    "lmaps_science.problems": "Operators, formats and metrics",
    "lmaps_science.problems.scattering": "Scattering",
    "lmaps_science.problems.blackhole": "Black holes",
    "lmaps_science.problems.mri": "MRI",
    "lmaps_science.problems.restoration": "Restoration",
    "lmaps_science.problems.mri.formats": "MRI, file formats",
    "lmaps_science.imaging": "How each problem's files are read, judged and drawn",
    "lmaps_science.inversebench": "InverseBench",
}
"""Headings of the start page, by the package whose modules stand there; others get its name."""

_PRIVATE = ("lmaps_science.cli", "lmaps_science.console", "lmaps_science.__main__")
_DATA = ("lmaps_science.checkpoints", "lmaps_science.configs")


def modules() -> list[str]:
    """Names of all public modules: of the package, without its command line and data."""
    found = ["lmaps_science", "lmaps_science.problems"]
    for package in (lmaps_science, problems):
        for name in package.__all__:
            getattr(package, name)  # what loads on first use
        walked = walk_packages(package.__path__, f"{package.__name__}.")
        found += [module.name for module in walked]
    return [name for name in found if not name.startswith(_PRIVATE + _DATA)]


def section(name: str) -> str:
    """The package under whose heading a module stands."""
    return name if name in SECTIONS else name.rpartition(".")[0]


def build(target: Path, names: Sequence[str]) -> None:
    """Write the pages of modules into `target`."""
    grouped: dict[str, list[str]] = {package: [] for package in SECTIONS}
    for name in names:
        grouped.setdefault(section(name), []).append(name)
    pdoc.render.configure(
        docformat="numpy", math=True, template_directory=HERE / "api_templates", search=True
    )
    pdoc.render.env.globals["sections"] = {
        SECTIONS.get(package, package): members for package, members in grouped.items()
    }
    pdoc.pdoc(*(name for name in names if not _found_by_pdoc(name)), output_directory=target)


def _found_by_pdoc(name: str) -> bool:
    """Whether pdoc comes to a module by itself: from its package, if that has no __all__."""
    package = name.rpartition(".")[0]
    return package != "" and not hasattr(import_module(package), "__all__")


if __name__ == "__main__":
    build(HERE / "api", modules())

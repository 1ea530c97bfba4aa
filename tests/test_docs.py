"""The reference builds, and every public name has a docstring that tells its real parameters."""

import importlib
import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
API = runpy.run_path(str(ROOT / "docs" / "make_api.py"))
NOT_ASKED_FOR = {
    "ES01",  # extended summaries, See Also, examples
    "SA01",
    "EX01",
    "RT01",  # returns that the summary tells
    "RT03",
    "YD01",
    "PR04",  # "As in `LMAPS`" has no type
    "PR08",  # w, x: the paper's symbols begin sentences
    "SS02",
    "SS05",  # ends in s without being a verb
}


@pytest.fixture(scope="module")
def modules() -> list[str]:
    return API["modules"]()


def public_names(module: str) -> Iterator[str]:
    """Of a module's classes, functions and methods."""
    for name, thing in vars(importlib.import_module(module)).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield f"{module}.{name}"
        if inspect.isclass(thing):
            kinds = (classmethod, staticmethod, property)
            for method, value in vars(thing).items():
                if method[0] != "_" and (inspect.isfunction(value) or isinstance(value, kinds)):
                    yield f"{module}.{name}.{method}"


def objections(name: str) -> list[str]:
    """What numpydoc has against a docstring, of what is asked for."""
    result = validate(name)
    # A short function may do without the section; one that has it tells all its parameters.
    skip = NOT_ASKED_FOR | (set() if "Parameters\n" in result["docstring"] else {"PR01"})
    return [f"{name}: {text}" for code, text in result["errors"] if code not in skip]


def test_every_public_name_tells_its_parameters(modules):
    names = [name for module in modules for name in public_names(module)]
    assert len(names) > 800
    assert [text for name in names for text in objections(name)] == []


def test_every_module_has_a_docstring(modules):
    assert [name for name in modules if not importlib.import_module(name).__doc__] == []


def test_wrong_parameters_are_found(monkeypatch):
    check = importlib.import_module("lmaps_science.operator").check_adjoint
    monkeypatch.setattr(check, "__doc__", check.__doc__.replace("seed : int", "sead : int"))
    (missing, unknown) = objections("lmaps_science.operator.check_adjoint")
    assert "'seed'" in missing
    assert "'sead'" in unknown


def test_the_reference_builds(tmp_path):
    """Of two modules, as an example: `make docs` makes them all."""
    API["build"](tmp_path, ["lmaps_science", "lmaps_science.problems"])
    start = (tmp_path / "index.html").read_text("utf-8")
    assert 'href="lmaps_science/problems.html"' in start
    assert "LMAPS.__call__" in (tmp_path / "lmaps_science.html").read_text("utf-8")
    assert "InverseScattering" in (tmp_path / "lmaps_science/problems.html").read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]*)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link

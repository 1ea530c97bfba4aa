"""Suites as YAML: those of the package, and the user's, with what is wrong told in one line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from lmaps_science.benchmark.methods import check_method
from lmaps_science.benchmark.names import file_name
from lmaps_science.benchmark.suite import Group, Method, Suite


def list_suites() -> list[str]:
    """Names of the suites that come with the package."""
    folder = resources.files("lmaps_science.configs.benchmark")
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".yaml"))


def read_suite(name_or_path: str | Path) -> Suite:
    """A suite that comes with the package, or that of a YAML file.

    Raises
    ------
    ValueError
        If there is no such suite, or something in it is wrong; the message says where.
    FileNotFoundError
        If it names a file that does not exist.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        return _parsed(path.read_text(encoding="utf-8"), str(path), path.stem)
    known = list_suites()
    if str(name_or_path) not in known:
        hint = _hint(str(name_or_path), known)
        raise ValueError(
            f"suite {str(name_or_path)!r}: expected one of {', '.join(known)}, or a .yaml{hint}"
        )
    text = resources.files("lmaps_science.configs.benchmark").joinpath(f"{name_or_path}.yaml")
    return _parsed(text.read_text(encoding="utf-8"), f"suite {name_or_path}", str(name_or_path))


def suite_from_dict(content: Mapping[str, Any], where: str, name: str) -> Suite:
    """A suite of a mapping; `where` begins the message of what is wrong with it.

    Raises
    ------
    ValueError
        If a key is unknown, missing or of another kind.
    """
    content = {"name": name, "description": "", **content}
    _check_keys(content, Suite, where, required=("groups",))
    included = [g for other in content.pop("include", ()) for g in read_suite(other).groups]
    groups = tuple(_group(g, f"{where}: {key}") for key, g in _entries(content["groups"], where))
    suite = Suite(
        **{
            **content,
            "groups": (*included, *groups),
            "seeds": _integers(content.get("seeds", (0,)), f"{where}: seeds"),
        }
    )
    _check_suite(suite, where)
    return suite


def _parsed(text: str, where: str, name: str) -> Suite:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        content = OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{where}: expected a mapping with groups, got {type(content).__name__}")
    return suite_from_dict({str(k): v for k, v in content.items()}, where, name)


def _group(content: Mapping[str, Any], where: str) -> Group:
    _check_keys(content, Group, where, required=("name", "problem", "data", "prior", "methods"))
    methods = tuple(
        _method(label, m or {}, f"{where}: methods: {label}")
        for label, m in _mapping(content["methods"], f"{where}: methods").items()
    )
    cases = content.get("cases", 1)
    return Group(
        **{
            **content,
            "methods": methods,
            "cases": cases if isinstance(cases, int) else tuple(map(str, cases)),
            "tuning": tuple(map(str, content.get("tuning", ()))),
        }
    )


def _method(label: str, content: Mapping[str, Any], where: str) -> Method:
    content = {"label": str(label), **_mapping(content, where)}
    _check_keys(content, Method, where, required=("method",))
    method = Method(**content)
    try:
        check_method(method.method, (*method.options, *method.tune))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if method.samples < 1:
        raise ValueError(f"{where}: samples: expected at least 1, got {method.samples}")
    return method


def _check_suite(suite: Suite, where: str) -> None:
    _require_distinct([group.name for group in suite.groups], f"{where}: groups")
    for group in suite.groups:
        _require_distinct([m.label for m in group.methods], f"{where}: {group.name}: methods")
        try:
            group.source()
        except ValueError as error:
            raise ValueError(f"{where}: {group.name}: {error}") from error


def _require_distinct(names: Sequence[str], where: str) -> None:
    if not names:
        raise ValueError(f"{where}: expected one or more, got none")
    seen: dict[str, str] = {}
    for name in names:
        key = file_name(name)
        if key in seen:
            raise ValueError(f"{where}: {seen[key]!r} and {name!r} would share a file: rename one")
        seen[key] = name


def _check_keys(
    content: Mapping[str, Any], kind: type, where: str, required: Sequence[str]
) -> None:
    known = [f.name for f in fields(kind)] + (["include"] if kind is Suite else [])
    for key in content:
        if key not in known:
            raise ValueError(
                f"{where}: unknown key {key!r}: expected {', '.join(known)}{_hint(key, known)}"
            )
    if missing := [key for key in required if key not in content]:
        raise ValueError(f"{where}: {', '.join(missing)} missing")


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _entries(groups: object, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(groups, list):
        raise ValueError(f"{where}: groups: expected a list, got {type(groups).__name__}")
    for index, group in enumerate(groups):
        content = _mapping(group, f"{where}: groups[{index}]")
        yield f"group {content.get('name', index)}", content


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected a mapping, got {type(value).__name__}")
    return {str(key): item for key, item in value.items()}


def _integers(values: object, where: str) -> tuple[int, ...]:
    if not isinstance(values, Sequence) or not all(type(v) is int for v in values):
        raise ValueError(f"{where}: expected a list of integers, got {values!r}")
    return tuple(values)

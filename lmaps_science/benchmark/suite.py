"""What a benchmark compares: groups of comparable cases, methods and seeds, read from YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lmaps_science.benchmark.cases import Source, make_source
from lmaps_science.benchmark.names import file_name


@dataclass(frozen=True)
class Method:
    """One way to solve the cases of a group.

    Attributes
    ----------
    label : str
        What tables call it.
    method : str
        One of `lmaps_science.benchmark.methods.METHODS`.
    samples : int
        Images of which the mean is scored.
    steps : int or None
        Noise levels; the method's default if None.
    spread : bool
        Whether to draw posterior samples too, and score what they cover.
    options : mapping
        Constants of the method.
    tune : mapping of str to list
        Constants to choose among, on other cases than those scored.
    """

    label: str
    method: str
    samples: int = 1
    steps: int | None = None
    spread: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    tune: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The label as a file's name."""
        return file_name(self.label)


@dataclass(frozen=True)
class Group:
    """Cases that are measured in the same way, so that methods can be compared on them.

    Attributes
    ----------
    name : str
        Of its table.
    problem : str
        As `lmaps reconstruct` calls it.
    data : str
        One of the problem's `lmaps_science.benchmark.cases.SOURCES`.
    prior : str
        Name or file of the prior that all methods share.
    methods : tuple of Method
        The first is the one that others are compared with.
    cases : int or tuple of str
        How many of the source's cases, or which.
    tuning : tuple of str
        Cases on which constants are tuned; the source's own by default.
    options : mapping
        Of the source.
    metric : str
        By which constants are tuned and differences are told.
    """

    name: str
    problem: str
    data: str
    prior: str
    methods: tuple[Method, ...]
    cases: int | tuple[str, ...] = 1
    tuning: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "psnr"

    def source(self, mirror: str | None = None) -> Source:
        """Where its cases come from; `mirror` holds data sets that have no address."""
        return make_source(self.problem, self.data, self.options, mirror)

    def case_names(self, source: Source) -> list[str]:
        """The cases to score."""
        known = source.cases()
        if isinstance(self.cases, int):
            if self.cases > len(known):
                raise ValueError(
                    f"group {self.name!r}: expected at most {len(known)} cases, which is what data "
                    f"{self.data!r} has, got {self.cases}"
                )
            return known[: self.cases]
        _check_cases(self, self.cases, known)
        return list(self.cases)

    def tuning_names(self, source: Source) -> list[str]:
        """The cases to tune on, none of which is scored."""
        names = list(self.tuning or source.tuning_cases())
        scored = set(self.case_names(source))
        if shared := [name for name in names if name in scored]:
            raise ValueError(
                f"group {self.name!r}: {', '.join(shared)} would be tuned on and scored: name "
                "other cases under tuning"
            )
        if not names:
            raise ValueError(
                f"group {self.name!r}: no cases to tune on: name some under tuning, or give the "
                "methods constants in place of tune"
            )
        return names


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes
    ----------
    name, description : str
        What it is called, and what it asks.
    groups : tuple of Group
        Each has a table of its own.
    seeds : tuple of int
        Of the methods; a measurement's noise belongs to the case.
    threads : int
        Of a task.
    images : bool
        Whether results keep their images, without which there is no gallery.
    """

    name: str
    description: str
    groups: tuple[Group, ...]
    seeds: tuple[int, ...] = (0,)
    threads: int = 1
    images: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded; `suite_file.suite_from_dict` gives it back."""
        return {
            **{f.name: getattr(self, f.name) for f in fields(self) if f.name != "groups"},
            "seeds": list(self.seeds),
            "groups": [_group_to_dict(group) for group in self.groups],
        }


def _check_cases(group: Group, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise ValueError(
                f"group {group.name!r}: no case {name!r} in data {group.data!r}: expected {shown}"
            )


def _group_to_dict(group: Group) -> dict[str, Any]:
    content = asdict(group)
    content["methods"] = {m.pop("label"): m for m in content["methods"]}
    content["cases"] = group.cases if isinstance(group.cases, int) else list(group.cases)
    content["tuning"] = list(group.tuning)
    return content

"""Methods of a group that differ in numbers alone: what a curve over one of them can join."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from lmaps_science.benchmark.suite import Method

_FEWEST = 3
"""Values of a setting that make a scan."""


@dataclass(frozen=True)
class Run:
    """Methods that differ in one setting, and in what follows from it.

    Attributes
    ----------
    label : str
        What tells it from the other runs over the same setting.
    methods : dict of float to str
        Labels of methods by the setting's value, which rises.
    """

    label: str
    methods: Mapping[float, str]


def scans(methods: Sequence[Method]) -> dict[str, list[Run]]:
    """Runs over each setting that has some, by its name: ``steps`` or an option."""
    families: dict[Hashable, list[Method]] = defaultdict(list)
    for method in methods:
        families[_kind(method)].append(method)
    names = dict.fromkeys(name for method in methods for name in _numbers(method))
    found = {}
    for name in names:
        runs = {
            label: run
            for family in families.values()
            for label, run in _runs(family, name).items()
            if len(run) > 1
        }
        if any(len(run) >= _FEWEST for run in runs.values()):
            shared = set.intersection(*(set(parts) for parts in runs))
            found[name] = [
                Run(", ".join(p for p in parts if p not in shared) or parts[0], run)
                for parts, run in runs.items()
            ]
    return found


def _kind(method: Method) -> Hashable:
    """What all methods of a run have in common."""
    names = (*sorted(_numbers(method)), *method.tune)
    return method.method, _words(method), names, method.samples, method.spread


def _numbers(method: Method) -> dict[str, float]:
    settings = {"steps": method.steps, **method.options}
    return {k: v for k, v in settings.items() if type(v) in (int, float)}


def _words(method: Method) -> tuple[str, ...]:
    return tuple(f"{k} {v}" for k, v in method.options.items() if k not in _numbers(method))


def _runs(family: Sequence[Method], name: str) -> dict[tuple[str, ...], dict[float, str]]:
    """Methods by the value of a setting, for each combination of what varies besides."""
    settings = [_numbers(method) for method in family]
    if name not in settings[0]:
        return {}
    others: list[str] = []
    for other in settings[0]:
        if other != name and not _follows(settings, [name], other):
            others += [] if _follows(settings, others, other) else [other]
    runs: dict[tuple[str, ...], dict[float, str]] = defaultdict(dict)
    for method, numbers in zip(family, settings, strict=True):
        varies = (f"{other} {numbers[other]:g}" for other in others)
        parts = (method.method, *_words(method), f"samples {method.samples}", *varies)
        runs[parts][numbers[name]] = method.label
    return {parts: dict(sorted(run.items())) for parts, run in runs.items()}


def _follows(settings: Sequence[Mapping[str, float]], given: Sequence[str], name: str) -> bool:
    """Whether the other settings that are given tell this one."""
    known = {tuple(s[key] for key in given) for s in settings}
    return len(known) == len({(*(s[key] for key in given), s[name]) for s in settings})

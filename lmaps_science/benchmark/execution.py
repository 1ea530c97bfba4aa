"""One unit of work, on whatever process: a task, or the choice of a method's constants."""

import errno
import os
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from lmaps_science.benchmark.store import SETTINGS, Store
from lmaps_science.benchmark.suite import Group, Method, Suite
from lmaps_science.benchmark.task import Site, Task, run_task, tune

_ONE_AT_A_TIME = Lock()
"""Threads of a worker share what tasks count and cache."""


class Tuning(NamedTuple):
    """A method of a group whose constants are to be chosen."""

    group: str
    method: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.group}: tuning {self.method}"


Unit = Task | Tuning


class Done(NamedTuple):
    """What became of a unit.

    Attributes
    ----------
    unit : Task or Tuning
        Which.
    seconds : float
        It took; 0 if it failed.
    error : str
        Why it failed; empty if it did not.
    fatal : bool
        Whether all others would fail too.
    """

    unit: Unit
    seconds: float = 0.0
    error: str = ""
    fatal: bool = False


def execute(folder: Path, site: Site, unit: Unit) -> Done:
    """Run one task, or choose one method's constants, and store what comes of it."""
    with _ONE_AT_A_TIME:
        return _execute(_store(folder, (folder / SETTINGS).stat().st_mtime_ns), site, unit)


def _execute(store: Store, site: Site, unit: Unit) -> Done:
    try:
        group, method = find_unit(store.suite, unit)
        if isinstance(unit, Tuning):
            found = tune(group, method, store.suite.seeds[0], site)
            store.write_tuned(unit.group, unit.method, found)
            return Done(unit)
        chosen = store.tuned(unit.group, unit.method) if method.tune else {"options": {}}
        if chosen is None:
            return Done(unit, error="its constants could not be tuned")
        options = {**method.options, **chosen["options"]}
        outcome = run_task(group, method, unit.case, unit.seed, options, site)
        store.write(unit, outcome)
    except Exception as error:  # whatever a method raises: the other tasks go on
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Done(unit, error=one_line(error), fatal=full)
    return Done(unit, outcome.cost["seconds"])


def find_unit(suite: Suite, unit: Unit) -> tuple[Group, Method]:
    """The group and the method that a unit names."""
    group = next(g for g in suite.groups if g.name == unit.group)
    return group, next(m for m in group.methods if m.label == unit.method)


@lru_cache(maxsize=1)
def _store(folder: Path, _changed: int) -> Store:
    return Store(folder)


def one_line(error: BaseException) -> str:
    """What an error says; its kind where that is not one that people are told."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno) + (f": {error.filename}" if error.filename else "")
    return (
        text
        if isinstance(error, (ValueError, OSError, ImportError))
        else (f"{type(error).__name__}: {text}")
    )

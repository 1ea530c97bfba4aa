"""All tasks of a suite, in this process or on the workers of a Dask cluster."""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmaps_science.benchmark.methods import find_method
from lmaps_science.benchmark.provenance import provenance
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Group, Method, Suite
from lmaps_science.benchmark.task import Site, Task, run_task, tune

if TYPE_CHECKING:
    from distributed import Client

_AHEAD = 4
"""Tasks on the scheduler for each worker; it never holds all of a large benchmark."""


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


class Progress(NamedTuple):
    """What the callback of `run` receives after each unit.

    Attributes
    ----------
    latest : Done
        What was just finished.
    done, total, failed : int
        Units.
    seconds_left : float or None
        Of all workers together; None as long as nothing is known.
    """

    latest: Done
    done: int
    total: int
    failed: int
    seconds_left: float | None


class Summary(NamedTuple):
    """What `run` did.

    Attributes
    ----------
    store : Store
        The folder.
    tasks : list of Task
        That were to be done.
    failed : list of Done
        Those that were not.
    absent : dict of str to str
        Methods that were left out, and what they need.
    """

    store: Store
    tasks: list[Task]
    failed: list[Done]
    absent: dict[str, str]


def selected(
    store: Store, absent: Mapping[str, str], limit: int | None, shard: tuple[int, int]
) -> list[Task]:
    """The tasks of a share of a suite, in order: those of a case follow each other.

    Parameters
    ----------
    store : Store
        Of the suite.
    absent : mapping of str to str
        Methods to leave out.
    limit : int or None
        The first cases of each group, at most this many.
    shard : tuple of int
        (i, n): every n-th case from the i-th on, counted from 1 over all groups.
    """
    share, count = shard
    tasks, number = [], 0
    for group in store.suite.groups:
        methods = {method.label for method in group.methods if method.method not in absent}
        of_case: dict[str, list[Task]] = defaultdict(list)
        for task in store.expected(group):
            of_case[task.case].append(task)
        for of_it in list(of_case.values())[:limit]:
            number += 1
            if (number - share) % count == 0:
                tasks += [task for task in of_it if task.method in methods]
    return tasks


def run(
    suite: Suite,
    folder: Path,
    site: Site,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    shard: tuple[int, int] = (1, 1),
    limit: int | None = None,
    resume: bool = False,
    callback: Callable[[Progress], None] | None = None,
) -> Summary:
    """Run a suite; what is done already is kept.

    Parameters
    ----------
    suite : Suite
        What to run.
    folder : Path
        For the results; made if it is missing.
    site : Site
        Device, threads and mirror.
    workers : int
        Processes on this machine; with one, all is done in this process.
    scheduler : str, optional
        Address of a Dask scheduler whose workers to use in place of them; they see `folder` under
        the same name.
    shard, limit
        As for `selected`.
    resume : bool
        Whether to go on where some of the tasks are done already.
    callback : callable, optional
        Receives a `Progress` after each task.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If the folder is not one of this suite, or its tasks are done already and `resume` is
        False.
    OSError
        If the disk is full, or the scheduler cannot be reached; what was done stays.
    """
    store = Store.create(folder, suite, provenance(suite, site.mirror))
    store.tidy()
    absent = dict(_absent(suite))
    tasks = selected(store, absent, limit, shard)
    todo = [task for task in tasks if not store.is_done(task)]
    if len(todo) < len(tasks) and not resume:
        raise ValueError(
            f"{folder}: {len(tasks) - len(todo)} of {len(tasks)} results are there already: add "
            "--resume to keep them and go on, or choose another folder"
        )
    tunings = [t for t in _tunings(suite, todo) if store.tuned(t.group, t.method) is None]
    watch = _Watch(len(tasks), len(tasks) - len(todo), todo, callback)
    if not todo:
        return Summary(store, tasks, [], absent)
    with _workers(folder, site, workers, scheduler) as (compute, count):
        watch.workers = count
        for units in (tunings, todo):
            for done in compute(units):
                watch.tell(done)
                if done.fatal:
                    raise OSError(
                        f"{done.error}: {watch.done} of {watch.total} results are in {folder} and "
                        "stay; make room, then --resume"
                    )
    store.tidy()
    store.write_sums()
    return Summary(store, tasks, watch.failed, absent)


def execute(folder: Path, site: Site, unit: Unit) -> Done:
    """Run one task, or choose one method's constants, and store what comes of it."""
    store = _store(folder)
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
        return Done(unit, error=_one_line(error), fatal=full)
    return Done(unit, outcome.cost["seconds"])


class _Watch:
    """Counts, and the time that is left, by what each method took so far."""

    def __init__(
        self,
        total: int,
        done: int,
        todo: Sequence[Task],
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.total, self.done, self.failed = total, done, list[Done]()
        self.workers, self.callback = 1, callback
        self.left: dict[tuple[str, str], int] = defaultdict(int)
        self.took: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for task in todo:
            self.left[task.group, task.method] += 1

    def tell(self, done: Done) -> None:
        if done.error:
            self.failed.append(done)
        if isinstance(done.unit, Task):
            key = (done.unit.group, done.unit.method)
            self.left[key] -= 1
            self.done += not done.error
            self.took[key][0] += done.seconds
            self.took[key][1] += not done.error
        if self.callback is not None:
            progress = Progress(done, self.done, self.total, len(self.failed), self.seconds_left())
            self.callback(progress)

    def seconds_left(self) -> float | None:
        seconds, count = (sum(took[i] for took in self.took.values()) for i in (0, 1))
        if not count:
            return None
        mean = {key: s / n if n else seconds / count for key, (s, n) in self.took.items()}
        expected = sum(n * mean.get(key, seconds / count) for key, n in self.left.items())
        return expected / self.workers


Compute = Callable[[Sequence[Unit]], Iterator[Done]]


@contextmanager
def _workers(
    folder: Path, site: Site, workers: int, scheduler: str | None
) -> Iterator[tuple[Compute, int]]:
    """How to compute units, and on how many workers at a time."""
    if scheduler is None and workers == 1:
        yield lambda units: (execute(folder, site, unit) for unit in units), 1
        return
    from lmaps_science.benchmark.cluster import connect

    with connect(folder.absolute(), workers, scheduler) as client:
        count = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        yield lambda units: _on_cluster(client, folder.absolute(), site, units, count), count


def _on_cluster(
    client: "Client", folder: Path, site: Site, units: Sequence[Unit], workers: int
) -> Iterator[Done]:
    """Units in the order in which they are done; few are submitted ahead."""
    from distributed import as_completed

    waiting = iter(units)
    names: dict[Any, Unit] = {}

    def submit() -> Any:  # noqa: ANN401
        unit = next(waiting, None)
        if unit is None:
            return None
        future = client.submit(execute, folder, site, unit, pure=False)
        names[future.key] = unit
        return future

    first = [future for _ in range(_AHEAD * workers) if (future := submit()) is not None]
    running = as_completed(first)
    for future in running:
        unit = names.pop(future.key)
        error = future.exception()
        yield future.result() if error is None else Done(unit, error=_one_line(error))
        future.release()
        following = submit()
        if following is not None:
            running.add(following)


def _absent(suite: Suite) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(m.method for group in suite.groups for m in group.methods):
        needs = find_method(name).needs
        if needs is not None:
            try:
                needs()
            except (ImportError, OSError) as error:
                yield name, str(error)


def _tunings(suite: Suite, tasks: Sequence[Task]) -> list[Tuning]:
    wanted = dict.fromkeys(Tuning(task.group, task.method) for task in tasks)
    return [unit for unit in wanted if find_unit(suite, unit)[1].tune]


def find_unit(suite: Suite, unit: Unit) -> tuple[Group, Method]:
    """The group and the method that a unit names."""
    group = next(g for g in suite.groups if g.name == unit.group)
    return group, next(m for m in group.methods if m.label == unit.method)


@lru_cache(maxsize=1)
def _store(folder: Path) -> Store:
    return Store(folder)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno) + (f": {error.filename}" if error.filename else "")
    return (
        text
        if isinstance(error, (ValueError, OSError, ImportError))
        else (f"{type(error).__name__}: {text}")
    )

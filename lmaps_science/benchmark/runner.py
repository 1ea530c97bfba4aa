"""All tasks of a suite, in this process or on the workers of a Dask cluster."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lmaps_science.benchmark.execution import Done, Tuning, Unit, execute, find_unit, one_line
from lmaps_science.benchmark.methods import find_method
from lmaps_science.benchmark.provenance import provenance
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite import Suite
from lmaps_science.benchmark.task import Site, Task
from lmaps_science.benchmark.watch import Progress, Watch

if TYPE_CHECKING:
    from distributed import Client

_AHEAD = 4
"""Tasks on the scheduler for each worker; it never holds all of a large benchmark."""


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
    watch = Watch(len(tasks), len(tasks) - len(todo), todo, callback)
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
        yield future.result() if error is None else Done(unit, error=one_line(error))
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

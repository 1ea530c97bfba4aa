"""Whether a benchmark's files are what a run wrote, and whether they can be made again."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmaps_science.benchmark.execution import find_unit
from lmaps_science.benchmark.provenance import provenance
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.table import metric_names
from lmaps_science.benchmark.task import Site, Task, run_task
from lmaps_science.prior.registry import file_sha256

_TOLERANCE = 1e-3
"""Of a figure made again on another machine, relative to 1 plus its size."""


class Finding(NamedTuple):
    """Something that was looked at.

    Attributes
    ----------
    what : str
        A file, a prior, a data set or a result.
    agrees : bool
        Whether it is as it should be.
    detail : str
        What was found.
    """

    what: str
    agrees: bool
    detail: str


def verify(
    store: Store,
    count: int,
    seed: int,
    site: Site,
    callback: Callable[[Finding], None] | None = None,
) -> list[Finding]:
    """Compare every file's hash, the weights and data, and make some results again.

    Parameters
    ----------
    store : Store
        Of the benchmark.
    count : int
        Results to make again, drawn at random.
    seed : int
        Of the draw.
    site : Site
        Where to make them.
    callback : callable, optional
        Receives each `Finding`.

    Returns
    -------
    list of Finding
        One for all files that agree; one for each that does not, and for each result made again.
    """
    found = []
    for check in (
        _files(store),
        _sources(store, site),
        _constants(store),
        _again(store, count, seed, site),
    ):
        for finding in check:
            found.append(finding)
            if callback is not None:
                callback(finding)
    return found


def _files(store: Store) -> Iterator[Finding]:
    sums = store.sums()
    if sums is None:
        yield Finding(
            "files", True, "no run has come to its end, so there are no hashes to compare"
        )
        return
    there = {name: store.folder / name for name in sums if (store.folder / name).is_file()}
    changed = [name for name, path in there.items() if file_sha256(path) != sums[name]]
    yield from (Finding(name, False, "was changed: its SHA-256 is another") for name in changed)
    yield from (Finding(name, False, "is missing") for name in sums if name not in there)
    later = {p.relative_to(store.folder).as_posix() for p in store.files()} - set(sums)
    yield from (Finding(name, False, "is not of the run that wrote the hashes") for name in later)
    same = len(there) - len(changed)
    yield Finding("files", same == len(sums), f"{same} of {len(sums)} have the SHA-256 of the run")


def _sources(store: Store, site: Site) -> Iterator[Finding]:
    """Weights, data and cases as they are here."""
    try:
        here = provenance(store.suite, site.mirror)
    except (ValueError, OSError) as error:
        yield Finding("weights and data", False, f"cannot be compared: {error}")
        return
    for kind in ("priors", "data"):
        for name, sha256 in store.settings[kind].items():
            same = here[kind].get(name) == sha256
            detail = "the same weights or data here" if same else "other weights or data here"
            yield Finding(name, same, detail)


def _constants(store: Store) -> Iterator[Finding]:
    """Whether every result was made with the constants of the suite and of the tuning."""
    for group in store.suite.groups:
        for task in store.expected(group):
            if not store.is_done(task):
                continue
            try:
                difference = _other_constants(store, task)
            except (ValueError, KeyError) as error:
                yield Finding(str(task), False, f"cannot be read: {error}")
            else:
                if difference:
                    yield Finding(str(task), False, difference)


def _other_constants(store: Store, task: Task) -> str:
    _, method = find_unit(store.suite, task)
    tuned = store.tuned(task.group, task.method) if method.tune else None
    wanted = {**method.options, **(tuned["options"] if tuned else {})}
    came = store.record(task)["settings"]["options"]
    return "" if came == wanted else f"made with {came}, where suite and tuning say {wanted}"


def _again(store: Store, count: int, seed: int, site: Site) -> Iterator[Finding]:
    done = [t for group in store.suite.groups for t in store.expected(group) if store.is_done(t)]
    chosen = np.random.default_rng(seed).permutation(len(done))[:count]
    yield from (_made_again(store, done[index], site) for index in sorted(chosen))


def _made_again(store: Store, task: Task, site: Site) -> Finding:
    try:
        return _compare(store, task, site)
    except (ValueError, KeyError, OSError, ImportError) as error:
        return Finding(str(task), False, f"cannot be made again: {error}")


def _compare(store: Store, task: Task, site: Site) -> Finding:
    group, method = find_unit(store.suite, task)
    old, images = store.record(task), store.arrays(task)
    outcome = run_task(group, method, task.case, task.seed, old["settings"]["options"], site)
    if store.content(outcome) == store.result_file(task).read_bytes():
        return Finding(str(task), True, "made again: identical")
    distance = {
        name: _distance(old.get(name), outcome.record.get(name))
        for name in metric_names([old, outcome.record])
    } | {name: _relative(image, outcome.arrays.get(name)) for name, image in images.items()}
    name = max(distance, key=lambda name: distance[name])
    how = f"made again: within {distance[name]:.0e} ({name})"
    return Finding(str(task), distance[name] <= _TOLERANCE, how)


def _distance(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else np.inf
    return abs(a - b) / (1 + abs(a))


def _relative(a: NDArray, b: NDArray | None) -> float:
    if b is None or a.shape != b.shape:
        return np.inf
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))

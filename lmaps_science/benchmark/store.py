"""The folder of a benchmark: its settings, and one file for each case, method and seed.

A file is there whole or not at all, and does not depend on when, where, or in which order it was
made; what does (seconds, memory, host, date) lies apart, under ``costs``:

    benchmark.json                                the suite and what it was run with
    results/GROUP/METHOD/CASE-SEED.h5             ``record`` (JSON), image, spread
    costs/GROUP/METHOD/CASE-SEED.json
    truth/GROUP/CASE.h5
    tuned/GROUP/METHOD.json                       constants, and how they were found
    SHA256SUMS                                    of all of them, once a run is over
"""

import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lmaps_science.benchmark.names import file_name
from lmaps_science.benchmark.suite import Group, Suite
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.task import Outcome, Task, is_random
from lmaps_science.prior.registry import file_sha256

FORMAT = 1
SETTINGS, _SUMS, _LOCK = "benchmark.json", "SHA256SUMS", ".lock"
_PARTS = ("results", "costs", "truth", "tuned")


class Store:
    """A benchmark's folder.

    Parameters
    ----------
    folder : Path
        That was made by `create`.

    Raises
    ------
    ValueError
        If it is none, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = _read_settings(folder)
        self.suite = suite_from_dict(self.settings["suite"], str(folder), "suite")
        self._scratch = folder / f".writing-{socket.gethostname()}-{os.getpid()}"

    @classmethod
    def create(cls, folder: Path, suite: Suite, provenance: Mapping[str, Any]) -> "Store":
        """The folder for a suite: made, or found as an earlier or another process made it.

        Raises
        ------
        ValueError
            If it is that of another suite, of other data or priors, or of another version.
        """
        settings = {"format": FORMAT, "suite": suite.to_dict(), **provenance}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / SETTINGS
        if not path.exists():
            if any(p for p in folder.iterdir() if not p.name.startswith(".")):
                raise ValueError(
                    f"{folder}: expected a new folder or one of an earlier run, got one with other "
                    "files: choose another"
                )
            with _locked(folder):
                if not path.exists():
                    _write_new(path, _to_json(settings))
        found = _read_settings(folder)
        where = _difference(json.loads(_to_json(settings)), found, "")
        if where is not None:
            key, ours, theirs = where
            raise ValueError(
                f"{folder} was begun with other settings: {key} is {theirs} there and {ours} here: "
                "go on with those, or choose another folder"
            )
        return cls(folder)

    def is_done(self, task: Task) -> bool:
        """Whether the task's result is there."""
        return self.result_file(task).is_file()

    def write(self, task: Task, outcome: Outcome) -> None:
        """Store what a task gave; its result comes last, and makes it done."""
        if outcome.truth is not None and self.suite.images:
            path = self.folder / "truth" / file_name(task.group) / f"{file_name(task.case)}.h5"
            if not path.exists():
                self._put(path, _hdf5({"case": task.case}, {"truth": outcome.truth}))
        self._put(self._path("costs", task, ".json"), _to_json(outcome.cost))
        self._put(self.result_file(task), self.content(outcome))

    def content(self, outcome: Outcome) -> bytes:
        """The bytes of a result's file."""
        return _hdf5(outcome.record, outcome.arrays if self.suite.images else {})

    def result_file(self, task: Task) -> Path:
        """Where a task's result is."""
        return self._path("results", task, ".h5")

    def rows(self) -> Iterator[dict[str, Any]]:
        """All results that are there, each a record with its cost, in the order of the suite."""
        for group in self.suite.groups:
            for method in group.methods:
                place = Path(file_name(group.name)) / method.file_name
                for path in sorted((self.folder / "results" / place).glob("*.h5")):
                    cost = self.folder / "costs" / place / f"{path.stem}.json"
                    yield _read_hdf5(path, arrays=False)[0] | _read_json(cost)

    def expected(self, group: Group) -> list[Task]:
        """The tasks of a group, whether they are done or not."""
        seeds = self.suite.seeds
        return [
            Task(group.name, case, method.label, seed)
            for case in self.settings["cases"][group.name]
            for method in group.methods
            for seed in (seeds if is_random(method) else seeds[:1])
        ]

    def arrays(self, task: Task) -> dict[str, NDArray]:
        """The task's image and spread, where they were kept."""
        return _read_hdf5(self.result_file(task))[1]

    def record(self, task: Task) -> dict[str, Any]:
        """What of the task's result is no array."""
        return _read_hdf5(self.result_file(task), arrays=False)[0]

    def truth(self, group: str, case: str) -> NDArray | None:
        """The truth of a case, (y, x), where it is known and was kept."""
        path = self.folder / "truth" / file_name(group) / f"{file_name(case)}.h5"
        return _read_hdf5(path)[1]["truth"] if path.exists() else None

    def write_tuned(self, group: str, method: str, found: Mapping[str, Any]) -> None:
        """Store a method's constants and how they were found."""
        self._put(self._tuned(group, method), _to_json(found))

    def tuned(self, group: str, method: str) -> dict[str, Any] | None:
        """What `write_tuned` stored."""
        path = self._tuned(group, method)
        return _read_json(path) if path.exists() else None

    def files(self) -> list[Path]:
        """All files that `write_sums` lists."""
        parts = [p for part in _PARTS for p in (self.folder / part).rglob("*") if p.is_file()]
        return [self.folder / SETTINGS, *sorted(parts)]

    def write_sums(self) -> None:
        """Record the SHA-256 of every file; a process that ends later lists more."""
        with _locked(self.folder):
            self._put(self.folder / _SUMS, checksums(self.folder, self.files()))

    def sums(self) -> dict[str, str] | None:
        """SHA-256 by path, None if no run has come to its end."""
        path = self.folder / _SUMS
        if not path.exists():
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
        return {name: sha256 for sha256, name in (line.split("  ", 1) for line in lines)}

    def tidy(self) -> None:
        """Remove what killed processes of this machine had begun to write."""
        for path in self.folder.glob(f".writing-{socket.gethostname()}-*"):
            if not _alive(int(path.name.rsplit("-", 1)[1])):
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, part: str, task: Task, suffix: str) -> Path:
        name = f"{file_name(task.case)}-{task.seed}{suffix}"
        return self.folder / part / file_name(task.group) / file_name(task.method) / name

    def _tuned(self, group: str, method: str) -> Path:
        return self.folder / "tuned" / file_name(group) / f"{file_name(method)}.json"

    def _put(self, path: Path, content: bytes) -> None:
        """Write aside, then move to its place: a reader meets all of it or nothing."""
        self._scratch.mkdir(exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._scratch / path.name
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            shutil.rmtree(self._scratch)


def checksums(folder: Path, files: Iterable[Path]) -> bytes:
    """SHA-256 of files within a folder, as ``sha256sum --check`` reads them."""
    lines = (f"{file_sha256(p)}  {p.relative_to(folder).as_posix()}\n" for p in files)
    return "".join(lines).encode()


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    if not path.is_file():
        raise ValueError(
            f"{folder}: expected a folder that `lmaps benchmark run` made ({SETTINGS} is missing)"
        )
    try:
        settings = _read_json(path)
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, {error}") from error
    if settings.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: a benchmark of format {settings.get('format')}, made by lmaps-science "
            f"{settings.get('versions', {}).get('lmaps-science', 'of unknown version')}; this one "
            f"reads format {FORMAT}: use that version"
        )
    return settings


def _difference(ours: Any, theirs: Any, where: str) -> tuple[str, str, str] | None:  # noqa: ANN401
    """The first place where two settings differ, and what is there."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            found = _difference(ours.get(key), theirs.get(key), f"{where}.{key}".lstrip("."))
            if found:
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next(filter(None, (_difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)), None)
    return None if ours == theirs else (where, _short(ours), _short(theirs))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 60 else text[:57] + "…"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(folder / _LOCK):
        yield


def _write_new(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{socket.gethostname()}-{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _hdf5(record: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> bytes:
    import h5py

    # In memory first: HDF5 cannot recover from a disk that is full. Without compression, for which
    # chunks lie in the file in an order that changes.
    content = BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["record"] = _to_json(record).decode()
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return content.getvalue()


def _read_hdf5(path: Path, arrays: bool = True) -> tuple[dict[str, Any], dict[str, NDArray]]:
    import h5py

    try:
        with h5py.File(path) as file:
            found = {name: data[()] for name, data in file.items()} if arrays else {}
            return json.loads(file.attrs["record"]), found
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: not a result of a benchmark ({error})") from error


def _to_json(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))

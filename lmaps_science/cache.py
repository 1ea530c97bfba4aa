"""A bounded cache of computed arrays in the user's cache folder.

`LMAPS_CACHE` names another folder, or is ``off``; `enabled` switches the cache for the
running process. Files are written atomically and checked when read; two processes that want
the same arrays compute them once. What cannot be cached is computed all the same.
"""

import hashlib
import os
import time
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmaps_science.files import atomic_path

Arrays = dict[str, NDArray]

enabled = True
max_bytes = 4 << 30

_ABANDONED = 3600  # seconds without a write


@dataclass(frozen=True)
class Description:
    """Where the cache lies and what it holds.

    Attributes
    ----------
    folder : Path or None
        None where the cache is switched off.
    num_files, num_bytes : int
        What it holds now.
    max_bytes : int
        What it may hold.
    """

    folder: Path | None
    num_files: int
    num_bytes: int
    max_bytes: int


def folder() -> Path | None:
    """The cache's folder, or None where the cache is switched off."""
    chosen = os.environ.get("LMAPS_CACHE", "")
    if not enabled or chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("lmaps-science", appauthor=False)


def describe() -> Description:
    """The cache's folder and size."""
    files = _files()
    return Description(folder(), len(files), sum(size for _, size, _ in files), max_bytes)


def arrays(name: str, key: str, compute: Callable[[], Arrays]) -> Arrays:
    """Named arrays from the cache, computed and left there the first time.

    Parameters
    ----------
    name : str
        What they are, for the file's name.
    key : str
        Everything that they depend on, a format version included.
    compute : callable
        Returns the arrays.

    Returns
    -------
    dict
        Name to array.

    Warns
    -----
    UserWarning
        If the cache's folder cannot be used or a file in it is damaged.
    """
    directory = folder()
    if directory is None:
        return compute()
    path = directory / f"{name}-{hashlib.sha256(key.encode()).hexdigest()}.safetensors"
    if (found := _read(path)) is not None:
        return found

    from filelock import FileLock

    lock = FileLock(path.with_suffix(".lock"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        _warn_unusable(directory, error)
        return compute()
    try:
        if (found := _read(path)) is not None:
            return found
        computed = compute()
        _write(path, computed)
        return computed
    finally:
        lock.release()


def _read(path: Path) -> Arrays | None:
    """The arrays of a file; None if it is missing or damaged, which is said and removed."""
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            expected = (file.metadata() or {}).get("crc32")
    except (SafetensorError, OSError) as error:
        _discard(path, str(error))
        return None
    if expected != _checksum(found):
        _discard(path, "its checksum does not match")
        return None
    with suppress(OSError):
        os.utime(path)
    return found


def _write(path: Path, values: Arrays) -> None:
    """Write atomically, then make room."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        with atomic_path(path) as temporary:
            save_file(values, temporary, metadata={"crc32": _checksum(values)})
    except (SafetensorError, OSError) as error:
        _warn_unusable(path.parent, error)
        return
    _evict(keep=path)


def _evict(keep: Path) -> None:
    """Remove the least recently used files beyond `max_bytes`, and what killed writers left."""
    excess = describe().num_bytes - max_bytes
    for path, size, _ in sorted(_files(), key=lambda file: file[2]):
        if excess <= 0:
            break
        if path != keep:
            path.unlink(missing_ok=True)
            excess -= size
    for path in keep.parent.glob(".*.safetensors"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def _files() -> list[tuple[Path, int, float]]:
    """Path, bytes and time of last use of the cache's files."""
    directory = folder()
    files = []
    for path in directory.glob("[!.]*.safetensors") if directory else ():
        with suppress(OSError):
            stat = path.stat()
            files.append((path, stat.st_size, stat.st_mtime))
    return files


def _checksum(values: Arrays) -> str:
    state = 0
    for name in sorted(values):
        array = np.ascontiguousarray(values[name])
        state = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), state)
        state = zlib.crc32(array.reshape(-1).view(np.uint8).data, state)
    return f"{state:08x}"


def _discard(path: Path, why: str) -> None:
    warnings.warn(f"{path}: damaged cache file ({why}), computed again", stacklevel=4)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _warn_unusable(directory: Path, error: Exception) -> None:
    warnings.warn(
        f"cannot write to the cache folder {directory} ({error}): going on without it; set "
        "LMAPS_CACHE to another folder, or to 'off'",
        stacklevel=4,
    )

"""Workers by Dask: of this machine, or of any scheduler by its address."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

_TIMEOUT = 15
"""Seconds to wait for a scheduler."""

_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Dask's own settings also make the C library return memory at every turn, which took a third of
the time."""


@contextmanager
def connect(folder: Path, workers: int, scheduler: str | None) -> Iterator["Client"]:
    """A client with workers that can run tasks.

    Parameters
    ----------
    folder : Path
        Of the benchmark; the workers have to see it.
    workers : int
        Processes to start on this machine, if no scheduler is given.
    scheduler : str or None
        Address of a running one, such as ``tcp://host:8786``.

    Raises
    ------
    ImportError
        If Dask is not installed.
    OSError
        If the scheduler cannot be reached, has no worker, or a worker cannot do the work.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            "several workers need Dask: pip install 'lmaps-science[dask]', or leave out --workers "
            "and --scheduler"
        ) from error
    # A worker that is killed is told by its tasks, which run again; not by tracebacks.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        with (
            tempfile.TemporaryDirectory(prefix="lmaps-workers-") as scratch,
            dask.config.set({_ENVIRONMENT: dict.fromkeys(_ONE_THREAD, 1)}),
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,
                local_directory=scratch,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    with _reached(Client, scheduler) as client:
        _check_workers(client, scheduler, folder)
        yield client


def _reached(client: "type[Client]", scheduler: str) -> "Client":
    try:
        return client(scheduler, timeout=_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"scheduler {scheduler}: not reached within {_TIMEOUT} s ({error}): is it running, and "
            "is the address the one that it printed?"
        ) from error


def _check_workers(client: "Client", scheduler: str, folder: Path) -> None:
    """Raise OSError unless every worker sees the folder and has this version."""
    here = version("lmaps-science")
    found = client.run(_look, str(folder), on_error="return")
    if not found:
        raise ConnectionError(f"scheduler {scheduler}: has no worker: start some, dask worker …")
    for worker, answer in found.items():
        if isinstance(answer, BaseException):
            raise ConnectionError(f"worker {worker}: {answer}: install lmaps-science {here} there")
        there, sees = answer
        if there != here:
            raise ConnectionError(f"worker {worker}: has lmaps-science {there}, expected {here}")
        if not sees:
            raise FileNotFoundError(
                f"worker {worker}: does not see {folder}: choose a folder that all workers share"
            )


def _look(folder: str) -> tuple[str, bool]:
    return version("lmaps-science"), os.path.isdir(folder)  # noqa: PTH112 - it goes by its text

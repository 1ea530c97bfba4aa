"""Opening HDF5 files, with errors that say what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


@contextmanager
def opened(path: Path) -> Iterator["h5py.File"]:
    """The file, open for reading.

    Raises
    ------
    ValueError
        If it is cut short or damaged, or what is read of it is.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            yield file
    except OSError as error:
        what = "cut short" if "truncated" in str(error) else "damaged"
        raise ValueError(
            f"expected a whole HDF5 file, got one that is {what}: copy it again ({error})"
        ) from error

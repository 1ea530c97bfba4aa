"""The user's own files, of any problem."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmaps_science.benchmark.cases import Source
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import Measurement, find_problem


@dataclass(frozen=True)
class Files(Source):
    """The user's own files, read as `lmaps reconstruct` reads them.

    Attributes
    ----------
    problem : str
        Whose.
    files : list of str
        Cases are called by their names without suffix.
    read : mapping
        Options of the problem's `read`.
    """

    problem: str = ""
    files: tuple[str, ...] = ()
    read: dict[str, Any] = field(default_factory=dict)

    def cases(self) -> list[str]:
        """One of each file."""
        names = [Path(f).stem for f in self.files]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"files: {', '.join(twice)}: expected names that differ")
        return names

    def measure(self, case: str, device: str) -> Measurement:
        """Read it."""
        path = Path(self.files[self.cases().index(case)])
        return find_problem(self.problem).read([path], device, **self.read)

    def provenance(self) -> dict[str, str]:
        """Of each file."""
        kind = find_problem(self.problem)
        parts = {str(p): p for f in self.files for p in kind.files(Path(f))}
        for path in parts.values():
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file; it is named under files")
        return {name: file_sha256(path) for name, path in parts.items()}

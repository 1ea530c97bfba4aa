"""One archive of a benchmark: results, tables, report, settings, provenance, schema, README."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from lmaps_science.benchmark.formats import FORMATS
from lmaps_science.benchmark.report import render
from lmaps_science.benchmark.store import Store, checksums
from lmaps_science.benchmark.table import tables
from lmaps_science.files import atomic_path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_TABLES = {"tables.md": "markdown", "results.csv": "csv", "results.json": "json"}

_README = """# {name}

{description}

Results of `lmaps benchmark run`, lmaps-science {version}.

| file | what |
|---|---|
| `tables.md` | a table for each group of comparable cases |
| `results.csv`, `results.json` | every sample; `schema.json` says what the fields are |
| `report.html` | tables that sort, galleries, trade-offs |
| `benchmark.json` | the suite, versions, SHA-256 of weights and data |
| `results/` | one HDF5 file for each case, method and seed: `record`, image, spread |
| `truth/`, `tuned/` | what was to be found; constants and how they were chosen |
| `costs/` | seconds, memory, machine and date of each result |
| `environment.json` | machines, and versions of packages on them |
| `SHA256SUMS` | of all files: `sha256sum --check SHA256SUMS` |

Check it, making five results again: `lmaps benchmark verify {file}`
"""


def submit(store: Store, target: Path) -> list[str]:
    """Pack a benchmark into a zip file, whole or not at all.

    Parameters
    ----------
    store : Store
        With results.
    target : Path
        ``.zip`` to write.

    Returns
    -------
    list of str
        Names of the files in it.

    Raises
    ------
    ValueError
        If it is not to be a zip file, or there is no result.
    """
    if target.suffix != ".zip":
        raise ValueError(f"out: expected a name that ends in .zip, got {target.name}")
    rows = list(store.rows())
    if not rows:
        raise ValueError(f"{store.folder}: holds no results to submit")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in store.files():
            copy = folder / file.relative_to(store.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        found = tables(store, rows)
        for file_name, style in _TABLES.items():
            (folder / file_name).write_text(FORMATS[style](found, rows), encoding="utf-8")
        (folder / "report.html").write_text(render(store), encoding="utf-8")
        environment = json.dumps(_environment(rows), indent=1, ensure_ascii=False)
        (folder / "environment.json").write_text(environment + "\n", encoding="utf-8")
        schema = resources.files("lmaps_science.benchmark").joinpath("schema.json")
        (folder / "schema.json").write_bytes(schema.read_bytes())
        (folder / "README.md").write_text(_readme(store, target), encoding="utf-8")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        (folder / "SHA256SUMS").write_bytes(checksums(folder, files))
        files.append(folder / "SHA256SUMS")
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for path in files:
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        return [path.relative_to(folder).as_posix() for path in files]


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The benchmark of a folder, or of an archive that `submit` made.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if path.is_dir() or not path.exists():
        yield Store(path)
        return
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: expected a folder of results or an archive of them (.zip)")
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(path) as archive:
        archive.extractall(name)  # which keeps to the folder, whatever the names in it
        yield Store(Path(name))


def _environment(rows: list[dict[str, Any]]) -> Mapping[str, Any]:
    """Versions of packages by machine."""
    return {row["host"]: row["host_versions"] for row in rows}


def _readme(store: Store, target: Path) -> str:
    suite = store.suite
    return _README.format(
        name=suite.name,
        description=suite.description,
        version=store.settings["versions"]["lmaps-science"],
        file=target.name,
    )

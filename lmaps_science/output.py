"""The files of a reconstruction: HDF5, figure, report and summary, all or nothing."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from lmaps_science.result import Result


def write_result(result: Result, folder: Path) -> None:
    """Write ``reconstruction.h5``, ``figure.png``, ``report.html`` and ``summary.json``.

    Parameters
    ----------
    result : Result
        What to write.
    folder : Path
        Made if it is missing; files of an earlier run are replaced.
    """
    from lmaps_science.report import render_report

    with atomic_folder(folder) as temporary:
        _write_hdf5(result, temporary / "reconstruction.h5")
        result.problem.save_figure(result, temporary / "figure.png")
        result.problem.export(result, temporary)
        if result.controls:
            result.problem.save_controls(result, temporary / "controls.png")
        page = render_report(result, *(p.read_bytes() for p in _pictures(temporary)))
        (temporary / "report.html").write_text(page, encoding="utf-8")
        summary = json.dumps(result.summary, indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / "summary.json").write_text(summary + "\n", encoding="utf-8")


def _pictures(folder: Path) -> list[Path]:
    return [path for name in ("figure.png", "controls.png") if (path := folder / name).exists()]


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` whose files are moved there on success only.

    Parameters
    ----------
    folder : Path
        The final folder; made if it is missing, its other files are left alone.

    Yields
    ------
    Path
        Where to write.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            for path in sorted(temporary.iterdir()):
                path.replace(folder / path.name)
        else:
            temporary.rename(folder)
    except OSError as error:
        if error.strerror and not error.filename:
            error.filename = str(folder)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _spread_description(result: Result) -> str:
    spread = result.summary["spread"]
    how = "" if spread is None else f"; {spread['calibration']}"
    return f"standard deviation of the image's error: 90 % lie within 1.645 of it{how}"


def _write_hdf5(result: Result, path: Path) -> None:
    import h5py

    result.problem.write(path, result.measurement)
    datasets = {
        "mean": (result.mean, "the image: mean of samples"),
        "samples": (result.samples, "local MAP of each seed; narrower than the posterior"),
        "std": (result.std, _spread_description(result)),
        "posterior_samples": (result.posterior_samples, "samples of the posterior; not calibrated"),
    }
    # In memory first: HDF5 cannot recover from a disk that is full, and takes Python down.
    content = BytesIO(path.read_bytes())
    with h5py.File(content, "a") as file:
        for name, (array, description) in datasets.items():
            if array is not None:
                file.create_dataset(name, data=array).attrs["description"] = description
        for name, values in result.history.items():
            file.create_dataset(f"history/{name}", data=values)
        file.attrs["quantity"] = result.problem.quantity
        file.attrs["summary"] = json.dumps(result.summary, ensure_ascii=False)
    path.write_bytes(content.getvalue())

"""All slices and contrasts of a scan, one by one: what is done stays done."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmaps_science.checks import check_writable
from lmaps_science.files import atomic_path
from lmaps_science.imaging.mri import MRI, check_part, open_scan
from lmaps_science.output import atomic_folder
from lmaps_science.recipe import Progress
from lmaps_science.reconstruction import reconstruct
from lmaps_science.summary import environment

SLICES = "slices"
"""Folder of the single slices in that of the volume."""

_NO_MATTER = ("device", "batch_size")
_FILES = ("input", "prior", "maps")
_TOLD = ("data_fit", "acceleration", "sampled_lines", "metrics", "seconds", "notes")


class Part(NamedTuple):
    """One slice of one contrast."""

    slice_index: int
    contrast: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.slice_index:03d}" + (f"-{self.contrast}" if self.contrast else "")


def reconstruct_volume(
    file: str | Path,
    out: str | Path,
    *,
    slices: Sequence[int] | None = None,
    resume: bool = True,
    callback: Callable[[Part, int, int, Progress], None] | None = None,
    command: str | None = None,
    **options: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Reconstruct all slices and contrasts of a scan.

    Each has a folder of its own in ``out/slices``, written when it is done, so that a run that
    was cut off goes on with the next. A slice that cannot be reconstructed is named, and the
    others are made.

    Parameters
    ----------
    file : str or Path
        K-space, as for `reconstruct` with the problem ``"mri"``.
    out : str or Path
        Folder for ``reconstruction.nii.gz``, ``.cfl`` and ``.h5``, ``image.png``,
        ``report.html`` and ``summary.json``, beside the slices.
    slices : sequence of int, optional
        Which, counted from 0; all by default.
    resume : bool
        Whether to keep slices that an earlier run with the same settings finished.
    callback : callable, optional
        Receives the part, its number, the number of parts and the `Progress`.
    command : str, optional
        Command line, for the record.
    **options
        Of `reconstruct`.

    Returns
    -------
    dict
        What ``summary.json`` holds.

    Raises
    ------
    ValueError
        If no slice could be reconstructed, there is none of that number, or `out` holds slices
        of other settings.
    """
    file, out = Path(file), Path(out)
    check_writable(out)
    scan = open_scan(file)
    chosen = sorted(set(range(scan.num_slices) if slices is None else slices))
    parts = [Part(index, contrast) for contrast in range(len(scan.contrasts)) for index in chosen]
    for part in parts:
        check_part(scan, *part)
    kept = {k: v for k, v in options.items() if k not in _NO_MATTER}
    _check_settings(out / SLICES, {"input": file, **kept}, resume)
    made: list[dict[str, Any]] = []
    broken: list[dict[str, Any]] = []
    for number, part in enumerate(parts):
        folder = out / SLICES / part.name

        def report(progress: Progress, part: Part = part, number: int = number) -> None:
            if callback is not None:
                callback(part, number, len(parts), progress)

        summary = _finished(folder) if resume else None
        try:
            if summary is None:
                result = reconstruct(
                    "mri",
                    file,
                    folder,
                    callback=report,
                    command=command,
                    **part._asdict(),
                    **options,
                )
                summary = result.summary
            told = {key: summary[key] for key in _TOLD}
            made.append({**part._asdict(), "folder": f"{SLICES}/{part.name}", **told})
        except ValueError as error:
            broken.append({**part._asdict(), "reason": str(error)})
    if not made:
        raise ValueError(
            f"none of {len(parts)} slices could be reconstructed; the first: {broken[0]['reason']}"
        )
    whole = {
        "problem": "mri",
        "input": str(file),
        "contrasts": list(scan.contrasts),
        "first_slice": chosen[0],
        "last_slice": chosen[-1],
        "slices": made,
        "notes": list(dict.fromkeys(note for part in made for note in part.pop("notes"))),
        "broken": broken,
        **environment(command),
    }
    _write(out, whole, scan.image_shape, scan.affine_from(chosen[0]))
    return whole


def _check_settings(folder: Path, settings: dict[str, Any], resume: bool) -> None:
    """Keep the settings of the slices beside them.

    Slices of an earlier run have to be of the same, or go if they are not to be kept.
    """
    path = folder / "settings.json"
    wanted = {
        name: _stamped(value) if name in _FILES else value for name, value in settings.items()
    }
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    elif path.is_file() and any(folder.glob("*/summary.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(k for k in found | wanted if found.get(k) != wanted.get(k))
        if changed:
            raise ValueError(
                f"{folder} holds slices made with another {', '.join(changed)}: give another "
                "folder, or make all slices anew (--no-resume)"
            )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def _stamped(value: str | Path | None) -> list[Any] | str | None:
    """Where a file is, how long and from when; anything else, such as a prior's name, as it is."""
    if value is None:
        return None
    files = [part for part in MRI().files(Path(value)) if part.is_file()]
    stamps = [[part.stat().st_size, part.stat().st_mtime_ns] for part in files]
    return [str(Path(value).resolve()), *stamps] if stamps else str(value)


def _finished(folder: Path) -> dict[str, Any] | None:
    """Summary of a slice that an earlier run finished, if it is there."""
    path = folder / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write(
    out: Path,
    summary: dict[str, Any],
    image_shape: tuple[int, int] | None,
    affine: NDArray[np.float64] | None,
) -> None:
    """The volume of its slices, from the first to the last; those that are missing are NaN."""
    import h5py

    from lmaps_science.problems.mri.formats.images import write_images
    from lmaps_science.report import render_volume

    mean, std = (_stack(out, summary, name) for name in ("mean", "std"))
    assert mean is not None  # noqa: S101 - at least one slice was made
    with atomic_folder(out) as folder:
        with h5py.File(folder / "reconstruction.h5", "w") as file:
            for name, stack in (("mean", mean), ("std", std)):
                if stack is not None:
                    file.create_dataset(name, data=stack).attrs["axes"] = "contrast, slice, y, x"
            file.attrs["summary"] = json.dumps(summary, ensure_ascii=False)
        write_images(folder, mean if len(mean) > 1 else mean[0], image_shape, affine)
        page = render_volume(summary, (folder / "image.png").read_bytes())
        (folder / "report.html").write_text(page, encoding="utf-8")
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def _stack(out: Path, summary: dict[str, Any], name: str) -> NDArray | None:
    """A data set of all slices, (contrasts, slices, y, x), if one has it."""
    folders = {Part(s["slice_index"], s["contrast"]): out / s["folder"] for s in summary["slices"]}
    images = dict(_read(folders, name))
    if not images:
        return None
    missing = np.full_like(next(iter(images.values())), np.nan)
    return np.stack(
        [
            [
                images.get(Part(index, contrast), missing)
                for index in range(summary["first_slice"], summary["last_slice"] + 1)
            ]
            for contrast in range(len(summary["contrasts"]))
        ]
    )


def _read(folders: dict[Part, Path], name: str) -> Iterator[tuple[Part, NDArray]]:
    import h5py

    for part, folder in folders.items():
        with h5py.File(folder / "reconstruction.h5") as file:
            if name in file:
                yield part, file[name][()]

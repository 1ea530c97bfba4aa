"""From a measurement's file to an image with its spread: what ``lmaps reconstruct`` does."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from lmaps_science.checks import (
    check_options,
    check_prior,
    check_problem_options,
    check_writable,
    wants_spread,
)
from lmaps_science.prior.checkpoint import load_prior
from lmaps_science.prior.registry import file_sha256
from lmaps_science.problem import find_problem
from lmaps_science.recipe import Progress, Recipe
from lmaps_science.result import Result
from lmaps_science.samplers import METHODS, WITHOUT_PRIOR, Batched
from lmaps_science.summary import environment


def reconstruct(
    problem: str,
    file: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    samples: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    prior: str | Path | None = None,
    method: str = "lmaps",
    spread: bool | None = None,
    controls: bool = False,
    compare: bool = False,
    device: str = "cpu",
    batch_size: int = 16,
    callback: Callable[[Progress], None] | None = None,
    command: str | None = None,
    **options: Any,  # noqa: ANN401
) -> Result:
    """Reconstruct an image from a file of measurements.

    The image is the mean over seeds of the local MAP; the spread comes from samples of the
    posterior, drawn in a second run with a covariance of their own (`lmaps_science.settings`).

    Parameters
    ----------
    problem : str
        ``"scattering"``, ``"blackhole"``, ``"mri"`` or ``"image"``.
    file : str or Path, or a sequence of them
        The measurement; several files where the problem takes them.
    out : str or Path, optional
        Folder to write ``reconstruction.h5``, the field's own format, ``figure.png``,
        ``report.html`` and ``summary.json`` into, all or nothing.
    samples : int, optional
        Seeds; the problem's default if None.
    steps : int, optional
        Noise levels; the method's default if None.
    seed : int
        Of everything random.
    prior : str or Path, optional
        Name or file of the prior; the problem's default if None.
    method : str
        One of `METHODS`.
    spread : bool, optional
        Whether to draw posterior samples; by default where the method is ``"lmaps"``, there
        is more than one sample and the prior carries what it takes.
    controls : bool
        Whether to reconstruct the problem's known objects too, measured as the file's was.
    compare : bool
        Whether to reconstruct with the field's usual methods too.
    device : str
        Where to compute.
    batch_size : int
        Images per call of the prior, which bounds the memory.
    callback : callable, optional
        Receives a `Progress` after each noise level.
    command : str, optional
        Command line, for the record.
    **options
        Of the problem's own `read`, such as ``compact_flux`` of a black hole.

    Returns
    -------
    Result

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If the measurement, the prior or an option does not fit.
    """
    started = time.perf_counter()
    kind = find_problem(problem)
    samples = kind.default_samples if samples is None else samples
    check_options(method, samples, batch_size, spread, device)
    check_problem_options(kind, options)
    if out is not None:
        check_writable(Path(out))
    paths = [Path(f) for f in ([file] if isinstance(file, (str, Path)) else file)]
    measurement = kind.read(paths, device, **options)
    network = (
        None
        if method in WITHOUT_PRIOR
        else load_prior(prior or kind.prior_for(measurement), device=device)
    )
    notes = [] if network is None else check_prior(network, measurement.operator, kind)
    denoiser = None if network is None else Batched(network, batch_size)
    wanted = denoiser is not None and wants_spread(spread, method, samples, denoiser, notes)
    run = Recipe(kind, method, METHODS[method], denoiser, samples, steps, seed, wanted, compare)
    result = run(measurement, callback=callback)
    known = {}
    if controls:
        objects = kind.controls(measurement)
        known = {name: run(known_one, name, callback) for name, known_one in objects.items()}
    told = kind.caveats(result, getattr(network, "name", None))
    provenance = {
        "input": ", ".join(map(str, paths)),
        "input_sha256": ", ".join(_sha256(f) for path in paths for f in kind.files(path)),
        "prior": getattr(network, "name", None),
        "prior_sha256": getattr(network, "sha256", None),
        "device": device,
        "seconds": time.perf_counter() - started,
        "notes": notes + result.summary["notes"] + told,
        "controls": [{"name": name, **control.summary} for name, control in known.items()] or None,
        **environment(command),
    }
    result = replace(result, summary={**result.summary, **provenance}, controls=known)
    if out is not None:
        from lmaps_science.output import write_result

        write_result(result, Path(out))
    return result


def _sha256(path: Path) -> str:
    stat = path.stat()
    return _sha256_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _sha256_of(path: Path, _size: int, _changed: int) -> str:
    # The slices of a scan are reconstructed one by one from the same large file.
    return file_sha256(path)

"""The demonstration: real cell nuclei, simulated scattered fields, three reconstructions each."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lmaps_science.files import atomic_path
from lmaps_science.imaging.scattering import extent
from lmaps_science.problems.scattering.data import write_measurement
from lmaps_science.problems.scattering.objects import simulate
from lmaps_science.problems.scattering.operator import InverseScattering
from lmaps_science.recipe import Progress
from lmaps_science.reconstruction import reconstruct
from lmaps_science.result import Result

NUM_TRANSMITTERS, NUM_RECEIVERS = 20, 60


class DemoCase(NamedTuple):
    """One object of the demonstration, reconstructed without and with the prior."""

    file: Path
    baseline: Result
    result: Result


def run_demo(
    out: str | Path,
    prior: str | Path | None = None,
    device: str = "cpu",
    callback: Callable[[int, Progress], None] | None = None,
) -> list[DemoCase]:
    """Measure three fields of nuclei in simulation and reconstruct them.

    Parameters
    ----------
    out : str or Path
        Folder for the measurements (``nuclei-1.h5``, ...), the full report of each (a folder
        of the same name) and ``comparison.png``.
    prior : str or Path, optional
        As for `reconstruct`.
    device : str
        Where to compute.
    callback : callable, optional
        Receives the index of the object and a `Progress` after each noise level.

    Returns
    -------
    list of DemoCase
        One for each object.
    """
    out = Path(out)
    images = nuclei()
    operator = InverseScattering(
        num_pixels=images.shape[-1],
        num_transmitters=NUM_TRANSMITTERS,
        num_receivers=NUM_RECEIVERS,
    )
    cases = []
    for index, (x, y) in enumerate(zip(images, simulate(images, operator), strict=True)):
        file = out / f"nuclei-{index + 1}.h5"
        write_measurement(file, operator, y, operator.unnormalize(x))

        def report(progress: Progress, index: int = index) -> None:
            if callback is not None:
                callback(index, progress)

        folder = file.with_suffix("")
        chosen = "" if prior is None else f" --prior {prior}"
        result = reconstruct(
            "scattering",
            file,
            folder,
            prior=prior,
            device=device,
            callback=report,
            command=f"lmaps reconstruct scattering {file} --out {folder}{chosen}",
        )
        baseline = reconstruct("scattering", file, method="tikhonov", device=device)
        cases.append(DemoCase(file, baseline, result))
    _draw(cases, out / "comparison.png")
    return cases


def nuclei() -> Tensor:
    """The package's fields of nuclei, (3, 1, 128, 128) in [-1, 1]."""
    source = resources.files("lmaps_science.problems").joinpath("scattering/sample/nuclei.npz")
    with source.open("rb") as file, np.load(file) as arrays:
        images = arrays["images"]
    return torch.from_numpy(images)[:, None].float() / 127.5 - 1


def _draw(cases: list[DemoCase], path: Path) -> None:
    from lmaps_science.plot import ERROR_MAP, IMAGE_MAP, save_comparison

    rows = []
    for case in cases:
        truth, baseline, result = case.result.truth, case.baseline, case.result
        assert truth is not None and result.std is not None  # noqa: S101 - made above
        rows.append(
            [
                ("Truth", truth, IMAGE_MAP),
                (_title("Tikhonov", baseline), baseline.mean, IMAGE_MAP),
                (_title("LMAPS", result), result.mean, IMAGE_MAP),
                ("Error of LMAPS", np.abs(result.mean - truth), ERROR_MAP),
                ("Its spread", result.std, ERROR_MAP),
            ]
        )
    result = cases[0].result
    with atomic_path(path) as temporary:
        where = extent(result.measurement.operator)
        save_comparison(rows, where, result.problem.quantity, temporary)


def _title(name: str, result: Result) -> str:
    return f"{name}, {result.summary['metrics']['psnr']:.1f} dB"

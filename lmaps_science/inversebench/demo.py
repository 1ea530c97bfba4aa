"""Two fields of nuclei through an InverseBench checkout, from images to its own metrics."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lmaps_science.inversebench.checkout import needed_overrides
from lmaps_science.inversebench.network import export
from lmaps_science.inversebench.prepare import write_images

NUM_OBJECTS = 2
_METRICS = re.compile(r"Final metric results: (.*)\.\.\.")
_NUMBER = re.compile(r"np\.float(?:32|64)\(([^)]*)\)")


def run_demo(checkout: Path, out: Path, *overrides: str) -> dict[str, float]:
    """Write images and weights, run the checkout's ``main.py`` on them.

    Parameters
    ----------
    checkout : Path
        Of InverseBench; nothing is written there.
    out : Path
        Folder for images, weights, log and results.
    *overrides : str
        Of Hydra, after those of the demonstration.

    Returns
    -------
    dict of str to float
        Its metrics, each the mean over the objects, with the standard deviation as ``NAME_std``.

    Raises
    ------
    RuntimeError
        If InverseBench fails; the message is the last line of its log.
    """
    out = out.absolute()
    write_objects(out / "objects")
    weights, _ = export("cells-128", out / "cells-128.pt")
    settings = [
        "problem=lmaps-inv-scatter",
        "algorithm=lmaps",
        "pretrain=lmaps-cells-128",
        f"problem.prior={weights}",
        f"problem.data.root={out / 'objects'}",
        f"problem.data.id_list=0-{NUM_OBJECTS - 1}",
        "problem.model.numRec=60",
        f"problem.exp_dir={out / 'exps'}",
        f"hydra.run.dir={out / 'hydra'}",
        *overrides,
    ]
    command = [sys.executable, "main.py", *settings, *needed_overrides(settings)]
    done = subprocess.run(  # noqa: S603
        command, cwd=checkout, capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    (out / "log.txt").write_text(log, encoding="utf-8")
    found = _METRICS.search(log)
    if done.returncode or found is None:
        last = (log.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"InverseBench: {last} (all of it: {out / 'log.txt'})")
    metrics: dict[str, float] = ast.literal_eval(_NUMBER.sub(r"\1", found[1]))
    return metrics


def write_objects(folder: Path) -> None:
    """The package's nuclei as the LMDB that InverseBench reads, in place of a former run's."""
    from lmaps_science.demo import nuclei

    shutil.rmtree(folder, ignore_errors=True)
    write_images((nuclei()[:NUM_OBJECTS, 0].numpy() + 1) / 2, folder)

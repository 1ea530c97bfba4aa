"""A benchmark of your own: methods by cases, a table with differences, an archive that is checked.

The command line does the same: lmaps benchmark run SUITE.yaml, then table, verify and submit.
"""

import sys
import tempfile
from pathlib import Path

import torch

from lmaps_science.benchmark.runner import run
from lmaps_science.benchmark.submission import opened, submit
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.table import tables
from lmaps_science.benchmark.task import Site, Task
from lmaps_science.benchmark.verification import verify
from lmaps_science.plot import save_images

fields = {
    "name": "few receivers",
    "problem": "scattering",
    "data": "shapes",
    "options": {"num_pixels": 64, "num_receivers": 60, "num_transmitters": 10},
    "prior": "shapes-64",
    "cases": 3,
    "methods": {
        "LMAPS": {"method": "lmaps"},
        "TV": {"method": "tv", "tune": {"strength": [0.003, 0.001, 0.0003]}},  # on other cases
        "Tikhonov": {"method": "tikhonov"},
    },
}
suite = suite_from_dict({"description": "Mine.", "groups": [fields]}, "suite", "mine")

folder = Path(tempfile.mkdtemp())
store, *_ = run(suite, folder / "results", Site())
(table,) = tables(store, list(store.rows()))
for line in table.lines:
    ahead = (
        "" if line.ahead is None else f", {line.ahead.mean:+.1f} dB beside {table.lines[0].method}"
    )
    print(f"{line.method}: {line.metrics['psnr'].mean:.1f} dB in {line.cases} cases{ahead}")

submit(store, folder / "submission.zip")
with opened(folder / "submission.zip") as submitted:
    found = verify(submitted, count=1, seed=0, site=Site())
print(f"of the archive, {sum(f.agrees for f in found)} of {len(found)} checks agree")

if len(sys.argv) > 1:
    case = store.settings["cases"][table.title][0]
    images = {"truth": store.truth(table.title, case)}
    for line in table.lines:
        images[line.method] = store.arrays(Task(table.title, case, line.method, 0))["image"]
    scaled = {name: torch.from_numpy(2 * image - 1)[None, None] for name, image in images.items()}
    save_images(Path(sys.argv[1]) / "benchmark.png", scaled)

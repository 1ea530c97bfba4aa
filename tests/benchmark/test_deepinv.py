"""deepinv's samplers on our operator and prior, beside LMAPS."""

from pathlib import Path

import numpy as np
import pytest

from lmaps_science.benchmark.suite_file import suite_from_dict
from tests.benchmark.tiny import run_tiny, tiny_content

pytestmark = pytest.mark.fullwave


def test_deepinvs_methods_come_near(tmp_path: Path):
    methods = {
        "LMAPS": {"method": "lmaps"},
        "DDRM": {"method": "deepinv-ddrm"},
        "DiffPIR": {"method": "deepinv-diffpir", "options": {"lambda_": 1.0, "zeta": 1.0}},
        "PiGDM": {"method": "deepinv-pigdm"},
        "DPS": {"method": "deepinv-dps", "steps": 50},
    }
    options = {"num_pixels": 32, "num_transmitters": 8, "num_receivers": 24}
    content = tiny_content(Path("shapes-64"), 2, methods=methods, options=options)
    summary, _ = run_tiny(suite_from_dict(content, "", "deepinv"), tmp_path / "run")
    assert not summary.failed
    rows = list(summary.store.rows())
    psnr = {m: np.mean([row["psnr"] for row in rows if row["method"] == m]) for m in methods}
    for name, margin in (("DDRM", 1.5), ("DiffPIR", 1.5), ("PiGDM", 12.0), ("DPS", 20.0)):
        assert psnr[name] > psnr["LMAPS"] - margin, psnr

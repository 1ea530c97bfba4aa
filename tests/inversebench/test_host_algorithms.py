"""Our operators under every algorithm of an InverseBench checkout, beside its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import GOLDEN

pytestmark = pytest.mark.host

SCRIPT = Path(__file__).parent / "compare_algorithms.py"
OTHER_RESULT = {
    # Singular vectors have a sign of their own, so the noise along them is another draw, and
    # what can be compared is the error over many.
    "scattering": {"ddrm", "ddsmc", "fps", "mcgdiff"},
    "mri": set(),
    "blackhole": set(),
}


@pytest.mark.parametrize("problem", ["scattering", "mri", "blackhole"])
def test_what_runs_on_the_hosts_operator_runs_on_ours(checkout, tmp_path, problem):
    shutil.copytree(GOLDEN / "blackhole", tmp_path / "blackhole")
    command = [sys.executable, str(SCRIPT), str(checkout), str(tmp_path), problem]
    result = subprocess.run(  # noqa: S603
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    lines = [line[4:] for line in result.stdout.splitlines() if line.startswith("ROW ")]
    rows = {row["algorithm"]: row for row in map(json.loads, lines)}
    assert result.returncode == 0, result.stderr[-3000:]
    assert len(rows) >= 20
    for name, row in rows.items():
        if row["host"] != "runs":
            continue
        assert row["ours"] == "runs", row
        if name in OTHER_RESULT[problem]:
            (theirs, of_theirs), (own, of_own) = row["errors"]
            assert abs(own - theirs) < 5 * (of_own**2 + of_theirs**2) ** 0.5, row
        else:
            # DPG weighs candidates by small differences of their losses.
            assert row["difference"] < (1e-2 if name == "dpg" else 1e-3), row

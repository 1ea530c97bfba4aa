"""``lmaps reconstruct``: results, refusals in one line, Ctrl-C, a full disk."""

import contextlib
import json
import os
import pickle
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tests.cli import lmaps, one_line_error
from tests.problems.blackhole.synthetic import write_uvfits
from tests.small import small_kspace, small_prior


@pytest.fixture(scope="module")
def visibilities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_uvfits(tmp_path_factory.mktemp("eht") / "small.uvfits")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "tikhonov"], "for linear problems"),
        (["--method", "magic"], "expected one of lmaps"),
        (["--prior", "cells-128"], "needs 1×64×64 .*blackhole-64"),
        (["--compact-flux", "0"], "compact"),
        (["--field-of-view", "-3"], "field_of_view_uas > 0"),
    ],
)
def test_blackhole_refuses_in_one_line(
    options: list[str], message: str, visibilities: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = lmaps("reconstruct", "blackhole", visibilities, "--out", out, *options)
    assert re.search(message, one_line_error(result))
    assert not out.exists()


def test_blackhole_files_that_are_none(visibilities: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.uvfits"
    text.write_text("not visibilities")
    for files, message in (
        ([text], "text.uvfits"),
        ([tmp_path / "missing.uvfits"], "missing.uvfits"),
        ([visibilities, visibilities], "twice|same"),
    ):
        result = lmaps("reconstruct", "blackhole", *files, "--out", tmp_path / "out")
        assert re.search(message, one_line_error(result))
    assert not (tmp_path / "out").exists()


def test_reconstruct(file: Path, prior: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    arguments = ("reconstruct", "scattering", file, "--out", out, "--prior", prior)
    result = lmaps(*arguments, "--samples", 2, "--steps", 3, "--seed", 7)
    assert result.exit_code == 0, result.output
    assert str(out / "report.html") in result.output
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["num_samples"], summary["num_steps"], summary["seed"]) == (2, 3, 7)
    assert f"χ² per datum {summary['data_fit']:.3g}" in result.output
    assert f"PSNR {summary['metrics']['psnr']:.1f} dB" in result.output


def broken(file: Path, path: Path, change: str) -> Path:
    """A copy of `file` with one thing wrong."""
    path.write_bytes(file.read_bytes())
    with h5py.File(path, "a") as h5:
        field = h5["scattered_field"][()]
        if change == "missing dataset":
            del h5["scattered_field"]
        elif change == "missing attribute":
            del h5.attrs["wavenumber"]
        elif change == "sensor inside":
            h5["receiver_positions"][0] = 0.01
        else:
            del h5["scattered_field"]
            field[0, 0] = np.nan if change == "NaN" else field[0, 0]
            shapes = {"wrong shape": field[:, 1:], "real": field.real}
            h5["scattered_field"] = shapes.get(change, field)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("missing dataset", "expected a dataset 'scattered_field'"),
        ("missing attribute", "expected an attribute 'wavenumber'"),
        ("sensor inside", "receiver_positions: expected all sensors outside the object"),
        ("NaN", "expected finite numbers, got 1 NaN or infinite"),
        ("wrong shape", "expected shape (transmitters, receivers) = (6, 24)"),
        ("real", "expected complex"),
    ],
)
def test_bad_measurement(change: str, said: str, file: Path, prior: Path, tmp_path: Path) -> None:
    bad = broken(file, tmp_path / "bad.h5", change)
    result = lmaps("reconstruct", "scattering", bad, "--out", tmp_path / "out", "--prior", prior)
    line = one_line_error(result)
    assert said in line
    assert str(bad) in line
    assert list(tmp_path.iterdir()) == [bad]


@pytest.mark.parametrize("content", [None, b"", b"not HDF5"])
def test_file_that_is_none(content: bytes | None, prior: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    if content is not None:
        path.write_bytes(content)
    result = lmaps("reconstruct", "scattering", path, "--out", tmp_path / "out", "--prior", prior)
    line = one_line_error(result)
    assert str(path) in line
    assert "expected a scattering measurement in HDF5" in line


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_pickled_prior_is_refused_before_it_runs(file: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    for path, dump in ((tmp_path / "a.pt", torch.save), (tmp_path / "b.pt", _pickle)):
        dump({"ema": {"weight": Payload(harm)}}, path)
        result = lmaps(
            "reconstruct", "scattering", file, "--out", tmp_path / "out", "--prior", path
        )
        assert str(path) in one_line_error(result)
    assert not harm.exists()


def _pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def test_debug_shows_where(tmp_path: Path) -> None:
    result = lmaps("--debug", "reconstruct", "scattering", tmp_path / "x", "--out", tmp_path / "o")
    assert isinstance(result.exception, FileNotFoundError)


def command(file: Path, prior: Path, out: Path, steps: int) -> list[str]:
    arguments = ["reconstruct", "scattering", file, "--out", out, "--prior", prior]
    return [
        sys.executable,
        *("-m", "lmaps_science"),
        *map(str, arguments),
        *("--samples", "8", "--steps", str(steps)),
    ]


def read_all(terminal: int) -> bytes:
    """What is left to read from a terminal until its other end is closed."""
    content = b""
    # Linux reports the end as an error.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            content += part
    os.close(terminal)
    return content


def test_interrupt_leaves_nothing_and_exits_130(file: Path, prior: Path, tmp_path: Path) -> None:
    terminal, child = pty.openpty()
    process = subprocess.Popen(  # noqa: S603
        command(file, prior, tmp_path / "out", 100_000),
        stdout=subprocess.DEVNULL,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        # Whoever started the tests in the background made them ignore Ctrl-C, and so the child.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    os.close(child)
    guard = threading.Timer(120, process.kill)
    guard.start()
    shown, deadline = b"", time.monotonic() + 60
    while "χ²".encode() not in shown and time.monotonic() < deadline:
        shown += os.read(terminal, 4096)
    process.send_signal(signal.SIGINT)
    shown += read_all(terminal)
    guard.cancel()
    assert process.wait(60) == 130
    assert shown.decode().strip().count("error:") == 1
    assert "interrupted" in shown.decode()
    assert "Traceback" not in shown.decode()
    assert list(tmp_path.iterdir()) == []


def test_full_disk(file: Path, prior: Path, tmp_path: Path) -> None:
    def quota() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    process = subprocess.run(  # noqa: S603
        command(file, prior, tmp_path / "out", 2),
        preexec_fn=quota,
        capture_output=True,
        text=True,
        env={**os.environ, "LMAPS_CACHE": "off"},
    )
    assert process.returncode == 1
    assert process.stderr == f"error: File too large: {tmp_path / 'out'}\n"
    assert list(tmp_path.iterdir()) == []


def test_mri_says_what_was_sampled_and_compares(tmp_path: Path) -> None:
    kspace = small_kspace(tmp_path / "scan.npy")
    prior = small_prior(tmp_path / "p.safetensors", (2, 40, 48))
    result = lmaps("reconstruct", "mri", kspace, "--out", tmp_path / "out", "--prior", prior,
                   "--samples", 2, "--steps", 3, "--acceleration", 3, "--compare")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "NumPy: 6 coils, 16 lines along x, " in result.output
    for name in ("lmaps", "SENSE", "ℓ1-wavelet"):
        assert re.search(rf"^{name} +\d+\.\d\d dB, 0\.\d{{4}}, χ² per datum", result.output, re.M)


def test_mri_of_several_slices_goes_on_where_it_stopped(tmp_path: Path) -> None:
    kspace = small_kspace(tmp_path / "scan.npy", 3, broken=0)
    prior = small_prior(tmp_path / "p.safetensors", (2, 40, 48))
    arguments = ("reconstruct", "mri", kspace, "--out", tmp_path / "out", "--prior", prior,
                 "--samples", 1, "--steps", 2)  # fmt: skip
    first = lmaps(*arguments, "--slice", 0, "--slice", 1)
    assert first.exit_code == 0, first.output
    assert "left out:" in first.output
    assert "slice 0: k-space: expected finite numbers, got 1 NaN" in first.output
    assert "1 of 2 images" in first.output
    made = (tmp_path / "out/slices/001/summary.json").stat().st_mtime_ns
    second = lmaps(*arguments)
    assert "2 of 3 images" in second.output
    assert (tmp_path / "out/slices/001/summary.json").stat().st_mtime_ns == made
    other = lmaps(*arguments, "--acceleration", 2)
    assert "made with another acceleration" in one_line_error(other)
    anew = lmaps(*arguments, "--no-resume", "--acceleration", 2)
    assert anew.exit_code == 0, anew.output
    single = lmaps(*arguments[:4], tmp_path / "one", *arguments[5:], "--slice", 2)
    assert single.exit_code == 0, single.output
    assert json.loads((tmp_path / "one/summary.json").read_text())["slice"] == 2

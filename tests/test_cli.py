"""The command line as people meet it: help, demonstration, training, priors, data, doctor."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from lmaps_science import demo
from lmaps_science.prior.checkpoint import load_prior
from tests.cli import lmaps, one_line_error
from tests.conftest import GOLDEN
from tests.small import NETWORK

COMMANDS = [
    ["demo"],
    ["reconstruct", "scattering"],
    ["reconstruct", "blackhole"],
    ["train"],
    ["doctor"],
    *(["priors", name] for name in ("list", "show", "convert", "export")),
    *(["data", name] for name in ("list", "get")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_examples(command: list[str]) -> None:
    result = lmaps(*command, "--help")
    assert result.exit_code == 0
    assert f"\n    lmaps {' '.join(command)}" in result.output.partition("Examples:")[2]


def test_help_is_fast() -> None:
    code = (
        "import sys, lmaps_science.cli\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'hydra', 'h5py'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: S603
    assert process.returncode == 0, process.stderr


def test_version_and_unknown_option() -> None:
    assert lmaps("--version").output.startswith("lmaps-science ")
    result = lmaps("reconstruct", "scattering", "x.h5", "--out", "y", "--sample", "3")
    assert result.exit_code == 2
    assert "No such option: --sample" in result.output


def test_demo(prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = demo.nuclei()
    assert images.shape == (3, 1, 128, 128)
    assert (float(images.min()), float(images.max())) == (-1, 1)
    # The same at a quarter of the size, for time.
    monkeypatch.setattr(demo, "nuclei", lambda: avg_pool2d(images, 4))
    monkeypatch.setattr(demo, "NUM_RECEIVERS", 24)
    result = lmaps("demo", "--out", tmp_path / "demo", "--prior", prior)
    assert result.exit_code == 0, result.output
    names = ["comparison.png", *(f"nuclei-{k}{end}" for k in (1, 2, 3) for end in ("", ".h5"))]
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == names
    for k in (1, 2, 3):
        summary = json.loads((tmp_path / "demo" / f"nuclei-{k}" / "summary.json").read_text())
        assert f"{summary['metrics']['psnr']:.1f} dB" in result.output
        assert summary["command"].startswith("lmaps reconstruct scattering")


def test_train_writes_a_prior_that_reconstructs(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmaps_science import training

    monkeypatch.setattr(training.train_prior, "__kwdefaults__", {
        **training.train_prior.__kwdefaults__, "network": NETWORK
    })  # fmt: skip
    images = np.random.default_rng(0).integers(0, 255, (45, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    out = tmp_path / "mine.safetensors"
    arguments = ("train", "scattering", tmp_path / "images.npz", "--out", out)
    result = lmaps(*arguments, "--steps", 3, "--license", "CC0-1.0")
    assert result.exit_code == 0, result.output
    assert "CC0-1.0" in result.output
    loaded = load_prior(out)
    assert loaded.card.training["steps"] == 3
    assert loaded.card.training["images"] == "43 images"
    assert loaded.card.training["held_out_images"] == 2
    assert loaded.error_curve is not None
    assert loaded.image_covariance.shape == (1, 32, 32)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "images.npz",
        "mine.md",
        "mine.safetensors",
    ]
    again = lmaps("reconstruct", "scattering", file, "--out", tmp_path / "out", "--prior", out,
                  "--samples", 2, "--steps", 2)  # fmt: skip
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("shape", "out", "said"),
    [
        ((10, 32, 32), "p.safetensors", "at least 40 images"),
        ((45, 30, 30), "p.safetensors", "multiple of 32 pixels, got 30×30"),
        ((45, 32, 32), "p.pt", "ends in .safetensors"),
    ],
)
def test_bad_training(shape: tuple[int, ...], out: str, said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", images=np.random.default_rng(0).random(shape))
    result = lmaps("train", "scattering", tmp_path / "images.npz", "--out", tmp_path / out)
    assert said in one_line_error(result)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npz"]


def test_export_writes_what_inversebench_loads(prior: Path, tmp_path: Path) -> None:
    result = lmaps("priors", "export", prior, tmp_path / "host.pt")
    assert result.output.split() == [str(tmp_path / "host.pt"), str(tmp_path / "host.yaml")]
    assert set(torch.load(tmp_path / "host.pt", weights_only=True)) == {"ema"}


def test_convert_reads_inversebench_weights(tmp_path: Path) -> None:
    target = tmp_path / "converted.safetensors"
    result = lmaps("priors", "convert", GOLDEN / "network_dhariwal_edm.pt", target)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("# converted")
    assert load_prior(target).name == "converted"


def test_priors_of_no_such_name() -> None:
    assert "'unheard-of'" in one_line_error(lmaps("priors", "show", "unheard-of"))


def test_data_list_and_mirror(tmp_path: Path) -> None:
    assert "m87-2017" in lmaps("data", "list").output
    line = one_line_error(lmaps("data", "get", "cells"))
    assert "give --mirror" in line
    result = lmaps("data", "get", "cells", "--mirror", tmp_path, "--out", tmp_path / "out")
    assert "lacks microscopy/dsb2018_fluo_tiles128.npz" in one_line_error(result)


def test_doctor_reports_and_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    from lmaps_science import doctor

    result = lmaps("doctor")
    for name in ("lmaps-science", "bfloat16", "cache", "InverseBench plugin", "extra eht"):
        assert name in result.output
    assert result.exit_code == ("BAD" in result.output)
    monkeypatch.setattr(doctor, "list_priors", lambda: [])
    assert lmaps("doctor").exit_code == 1

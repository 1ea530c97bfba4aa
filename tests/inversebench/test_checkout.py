"""A checkout of InverseBench: what it lacks, what is added to its command line, its end."""

import json
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from lmaps_science.inversebench import checkout as module
from lmaps_science.inversebench.checkout import (
    check_checkout,
    examine_packages,
    examine_problems,
    needed_overrides,
)
from tests.cli import lmaps, one_line_error

MAIN = """
import json, pathlib, sys
pathlib.Path({record!r}).write_text(json.dumps(sys.argv[1:]))
metrics = "{{'psnr': np.float64(31.5), 'psnr_std': np.float64(0.25)}}"
print(f"Final metric results: {{metrics}}...", file=sys.stderr)
sys.exit({code})
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout; its main.py writes down how it was called."""
    folder = tmp_path / "InverseBench"
    for part in ("algo", "inverse_problems", "training", "configs/problem"):
        (folder / part).mkdir(parents=True)
    (folder / "eval.py").touch()
    write_main(folder)
    (folder / "data").mkdir()
    (folder / "configs/problem/inv-scatter.yaml").write_text(
        "prior: weights.pt\ndata:\n  root: data\n"
    )
    (folder / "configs/problem/fwi.yaml").write_text("prior: weights.pt\ndata:\n  root: none\n")
    return folder


def write_main(folder: Path, code: int = 0) -> None:
    record = str(folder.parent / "called.json")
    (folder / "main.py").write_text(MAIN.format(record=record, code=code))


def called(checkout: Path) -> list[str]:
    return json.loads((checkout.parent / "called.json").read_text())


def test_a_folder_without_its_parts_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "algo").mkdir()
    with pytest.raises(ValueError, match=r"a checkout of InverseBench, main\.py.*missing: git cl"):
        check_checkout(tmp_path)
    error = one_line_error(lmaps("inversebench", "doctor", "--checkout", tmp_path / "nowhere"))
    assert "expected a checkout of InverseBench" in error


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (
            ["problem=inv-scatter", "algorithm=lmaps"],
            ["pretrain=inv-scatter", "+problem.model.svd=False"],
        ),
        (["problem=inv-scatter", "pretrain=mine", "+problem.model.svd=True"], []),
        (
            ["problem=blackhole", "problem.model.noise_type=eht"],
            ["pretrain=blackhole", "+problem.model.ttype=direct"],
        ),
        (["problem=multi-coil-mri-knee-lmdb"], ["pretrain=mri-knee-mvue"]),
        (["problem=navier-stokes", "algorithm=dps"], ["pretrain=navier-stokes"]),
        (
            ["pretrain=navier-stokes", "algorithm=lmaps_paper"],
            ["algorithm.method.through_no_grad=true"],
        ),
        (["problem=lmaps-inv-scatter"], []),
    ],
)
def test_what_a_command_line_lacks_is_added(given: list[str], added: list[str]) -> None:
    assert needed_overrides(given) == added


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """All packages of InverseBench, as far as can be told from their names."""
    monkeypatch.setattr(module, "_importable", lambda _: ("1.0", True))


@pytest.mark.parametrize("command", [("run", "seed=1"), ("demo", "--out", "demo")])
def test_nothing_starts_where_a_package_is_missing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(module, "_version", {"hydra-core": "1.5.0", "lmdb": "1.4"}.get)
    name, *arguments = command
    error = one_line_error(lmaps("inversebench", name, "--checkout", checkout, *arguments))
    assert "hydra-core 1.5.0, InverseBench needs >=1.3, <1.5" in error
    assert "torchvision missing: pip install torchvision; wandb missing" in error
    assert not (checkout.parent / "called.json").exists()


def test_a_torchvision_of_another_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> None:
        raise RuntimeError(f"operator {name}::nms does not exist\nmore")

    monkeypatch.setattr(module, "import_module", fails)
    monkeypatch.setattr(module, "_version", lambda _: "2.0")
    (finding,) = (f for f in examine_packages() if f.name == "torchvision")
    assert finding.healthy is False
    expected = "2.0 does not import beside torch 2.0 (operator torchvision::nms does not exist)"
    assert finding.value.startswith(expected)


@pytest.mark.usefixtures("complete")
def test_run_hands_on_the_overrides_and_the_exit_code(checkout: Path) -> None:
    arguments = ("problem=ffhq256_sr", "algorithm=lmaps", "num_samples=2")
    result = lmaps("inversebench", "run", "--checkout", checkout, *arguments)
    assert result.exit_code == 0, result.output
    evaluator = "problem.evaluator._target_=lmaps_science.inversebench.evaluators.Image"
    assert called(checkout) == [*arguments, "pretrain=ffhq256", evaluator]
    assert f"added: pretrain=ffhq256 {evaluator}" in result.output
    write_main(checkout, code=3)
    assert lmaps("inversebench", "run", "--checkout", checkout, "seed=1").exit_code == 3


def test_doctor_names_data_weights_and_packages(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"hydra-core": "1.3.2", "lmdb": "1.4"}
    monkeypatch.setattr(module, "_version", versions.get)
    problems = {finding.name: finding for finding in examine_problems(checkout)}
    assert "no prior at weights.pt (problem.prior=...)" in problems["inv-scatter"].value
    assert "no data" not in problems["inv-scatter"].value
    assert (
        "algorithm=lmaps pretrain=inv-scatter +problem.model.svd=False"
        in problems["inv-scatter"].value
    )
    assert "devito missing: pip install devito" in problems["fwi"].value
    (checkout / "weights.pt").touch()
    (ready,) = (f for f in examine_problems(checkout) if f.name == "inv-scatter")
    assert ready.healthy
    assert ready.value.startswith("ready\n")
    packages = {finding.name: finding for finding in examine_packages()}
    assert packages["lmdb"].healthy
    assert packages["hydra-core"].healthy
    assert packages["torchvision"].value == "missing: pip install torchvision"
    result = lmaps("inversebench", "doctor", "--checkout", checkout)
    assert result.exit_code == 1
    assert "BAD torchvision" in result.output
    for newer in ("1.5.0", "2.0", "1.2.9"):
        versions["hydra-core"] = newer
        (hydra,) = (f for f in examine_packages() if f.name == "hydra-core")
        assert hydra.healthy is False
        assert f"{newer}, InverseBench needs >=1.3, <1.5" in hydra.value


@pytest.mark.usefixtures("complete")
def test_demo_writes_what_main_reads_and_tells_its_metrics(checkout: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = lmaps("inversebench", "demo", "--checkout", checkout, "--out", out)
    assert result.exit_code == 0, result.output
    assert "psnr  31.500 ± 0.250" in result.output
    settings = dict(override.split("=", 1) for override in called(checkout))
    assert settings["problem"] == "lmaps-inv-scatter"
    with lmdb.open(settings["problem.data.root"], readonly=True, lock=False) as store:
        assert store.stat()["entries"] == 2
        with store.begin() as transaction:
            image = np.frombuffer(transaction.get(b"1"), np.float32)
    assert image.shape == (128 * 128,)
    assert 0 <= image.min() < image.max() <= 1
    weights = torch.load(settings["problem.prior"], weights_only=True)
    assert "net" in weights or "ema" in weights
    write_main(checkout, code=1)
    failed = lmaps("inversebench", "demo", "--checkout", checkout, "--out", out)
    assert "InverseBench: Final metric" in one_line_error(failed)

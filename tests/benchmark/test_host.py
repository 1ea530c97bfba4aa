"""InverseBench's results and algorithms beside ours, without InverseBench."""

from pathlib import Path

import pytest
import torch
import yaml

from lmaps_science.benchmark.host_results import read_results
from lmaps_science.benchmark.store import Store
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.table import foreign_tables, joined, tables
from lmaps_science.inversebench.prepare import write_images
from lmaps_science.problems.scattering.shapes import draw
from tests.benchmark.tiny import METHODS, SHAPES, run_tiny, tiny_content, tiny_suite
from tests.cli import lmaps

MODEL = {"Nx": 32, "numTrans": 6, "numRec": 24, "sigma_noise": 3e-3}
ALGORITHM = """
class Mean:
    def __init__(self, net, forward_op, gain=1.0, steps=None):
        self.net, self.operator, self.gain = net, forward_op, gain

    def inference(self, observation, num_samples=1):
        import torch
        from tqdm import tqdm
        x = torch.randn(1, 1, self.net.img_resolution, self.net.img_resolution)
        for sigma in tqdm([1.0, 0.5]):
            x = self.net(x, torch.as_tensor(sigma))
        return x - self.gain * self.operator.gradient(x, observation)
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four images in InverseBench's layout."""
    write_images((draw(4, 32, seed=5)[:, 0].numpy() + 1) / 2, tmp_path / "lmdb")
    return tmp_path / "lmdb"


@pytest.fixture
def ours(images: Path, prior: Path, tmp_path: Path) -> Store:
    """Two of them, solved."""
    options = {**SHAPES, "root": str(images), "count": 2}
    methods = {label: METHODS[label] for label in ("LMAPS", "Tikhonov")}
    content = tiny_content(prior, 2, data="inversebench", options=options, methods=methods)
    summary, _ = run_tiny(suite_from_dict(content, "", "host"), tmp_path / "ours")
    return summary.store


def result(folder: Path, case: int, prior: str, **model: object) -> None:
    """As InverseBench's main.py writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "problem": {
            "name": "inverse-scatter-linear",
            "prior": prior,
            "model": {"_target_": "inverse_problems.inverse_scatter.InverseScatter", **model},
        },
        "algorithm": {"name": "DPS"},
        "exp_name": "default",
        "seed": 0,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    truth = torch.rand(1, 1, 32, 32)
    recon = truth + 0.1 * torch.ones(3, 1, 32, 32)
    torch.save(
        {"observation": torch.zeros(3), "recon": recon, "target": truth},
        folder / f"result_{case}.pt",
    )


def test_results_are_scored_as_ours(tmp_path: Path):
    result(tmp_path, 0, "x.pt", **MODEL)
    (row,) = read_results(tmp_path)
    assert row["psnr"] == pytest.approx(20.0, abs=1.0)
    assert (row["case"], row["method"], row["num_samples"]) == ("result_0", "InverseBench, DPS", 3)


def test_results_share_a_table_only_with_the_same_settings_and_prior(
    ours: Store, prior: Path, tmp_path: Path
):
    host = tmp_path / "exps"
    result(host / "same", 0, f"somewhere/{prior.stem}.pt", **MODEL)
    result(host / "other-noise", 0, prior.name, **{**MODEL, "sigma_noise": 1e-4})
    result(host / "other-prior", 0, "inv-scatter-5m.pt", **MODEL)
    result(host / "other-case", 3, prior.name, **MODEL)
    rows = joined(ours, read_results(host))
    (table,) = tables(ours, [*ours.rows(), *rows])
    (line,) = (line for line in table.lines if line.method == "InverseBench, DPS")
    assert line.cases == 1
    assert table.missing == 0
    assert line.ahead is not None
    assert {r["case"] for t in foreign_tables(rows, [table.title]) for r in rows} >= {"result_0"}
    assert len(foreign_tables(rows, [table.title])) == 2  # one of each kind of settings


def test_table_of_results_alone_and_beside_ours(ours: Store, prior: Path, tmp_path: Path):
    host = tmp_path / "exps"
    result(host, 1, prior.name, **MODEL)
    alone = lmaps("benchmark", "table", host)
    assert alone.exit_code == 0, alone.output
    assert "InverseBench, DPS" in alone.output
    both = lmaps("benchmark", "table", ours.folder, host, "--format", "markdown")
    assert both.output.count("## ") == 1


def test_nothing_is_unpickled(tmp_path: Path):
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    result(tmp_path, 0, "x.pt", **MODEL)
    torch.save({"recon": Evil(), "target": Evil()}, tmp_path / "result_0.pt")
    with pytest.raises(ValueError, match="not a result of InverseBench"):
        read_results(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like InverseBench's and has one algorithm."""
    folder = tmp_path / "InverseBench"
    for part in ("algo", "configs/algorithm", "inverse_problems", "training"):
        (folder / part).mkdir(parents=True)
    for name in ("main.py", "eval.py"):
        (folder / name).touch()
    (folder / "lmaps_test_algorithm.py").write_text(ALGORITHM)
    method = {"_target_": "lmaps_test_algorithm.Mean", "gain": 1e-9, "steps": {"count": 3}}
    (folder / "configs/algorithm/mean.yaml").write_text(yaml.safe_dump({"method": method}))
    monkeypatch.setenv("INVERSEBENCH", str(folder))
    return folder


def test_its_algorithms_are_methods(
    checkout: Path, prior: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    methods = {
        "mean": {"method": "inversebench:mean", "options": {"steps.count": 2, "gain": 0.0}},
        "wrong": {"method": "inversebench:mean", "options": {"strength": 2}},
        "none": {"method": "inversebench:dps"},
    }
    summary, _ = run_tiny(tiny_suite(prior, 1, methods=methods), tmp_path / "run")
    row, again = summary.store.rows()
    assert row["denoiser_calls"] == 2
    assert row["psnr"] != again["psnr"]  # of another seed
    errors = {done.unit.method: done.error for done in summary.failed}
    assert "'strength'" in errors["wrong"]
    assert "expected inversebench: and one of mean" in errors["none"]
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("checkout")
def test_without_a_checkout_they_are_left_out(
    prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("INVERSEBENCH")
    methods = {"dps": {"method": "inversebench:dps"}, "good": {"method": "tikhonov"}}
    summary, _ = run_tiny(tiny_suite(prior, 1, methods=methods), tmp_path / "run")
    assert "set INVERSEBENCH=DIR" in summary.absent["inversebench:dps"]
    assert len(list(summary.store.rows())) == 1


def test_missing_data_of_inversebench_are_told(prior: Path, tmp_path: Path):
    options = {**SHAPES, "root": str(tmp_path / "nowhere")}
    suite = suite_from_dict(
        tiny_content(prior, 1, data="inversebench", options=options), "", "host"
    )
    with pytest.raises(FileNotFoundError, match="set INVERSEBENCH_DATA"):
        run_tiny(suite, tmp_path / "run")
    assert not (tmp_path / "run").exists()

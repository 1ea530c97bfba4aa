"""Problems of other packages: found by entry points, read, reconstructed, told and drawn."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from lmaps_science import reconstruct
from lmaps_science.cli_reconstruct_other import command_of
from lmaps_science.operator import AffineOperator, check_adjoint
from lmaps_science.plugins import installed_problems
from lmaps_science.problem import find_problem
from tests.cli import lmaps, one_line_error
from tests.small import small_image, small_prior

MODULE = """
from types import SimpleNamespace

import numpy as np
import torch

from lmaps_science.operator import AffineOperator
from lmaps_science.problem import Problem


class Sums(AffineOperator):
    def forward(self, x):
        return torch.cat([self.unnormalize(x).sum(-1), self.unnormalize(x).sum(-2)], -1)[:, 0]


class SumsFiles(Problem):
    name, title, quantity, default_prior = "sums", "Sums of rows and columns", "grey", "none"

    def read(self, paths, device, noise=0.1):
        y, truth = (torch.from_numpy(a) for a in np.load(paths[0]).values())
        return SimpleNamespace(operator=Sums((1, 32, 32), noise), y=y, truth=truth)
"""
ENTRY_POINTS = """[lmaps_science.problems]
sums = sums_of_pixels:SumsFiles
other = sums_of_pixels:SumsFiles
strange = builtins:dict
"""


def install(folder: Path, entry_points: str) -> None:
    """What pip leaves in `folder` of a distribution."""
    metadata = folder / "others-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def package(tmp_path, monkeypatch) -> None:
    """An installed distribution that brings the problem `sums`, and two that are none."""
    (tmp_path / "sums_of_pixels.py").write_text(MODULE)
    install(tmp_path, ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sums_of_pixels", raising=False)


@pytest.fixture
def measurement(package, tmp_path) -> Path:
    x = small_image()
    y = torch.cat([x.sum(-1), x.sum(-2)], -1)[:, 0]
    noise = 0.1 * torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
    np.savez(tmp_path / "sums.npz", y=(y + noise).numpy(), truth=x.numpy())
    return tmp_path / "sums.npz"


@pytest.fixture
def gaussian(tmp_path) -> Path:
    return small_prior(tmp_path / "gaussian.safetensors")


def test_a_name_and_a_way_to_read_are_enough(measurement, gaussian, tmp_path):
    result = reconstruct("sums", measurement, tmp_path / "out", samples=2, steps=3, prior=gaussian)
    fit = float(np.square(result.residuals).mean())
    assert result.summary["data_fit"] == pytest.approx(fit, rel=1e-4)
    assert fit < 1.5
    assert set(result.summary["metrics"]) == {"psnr", "ssim"}
    with h5py.File(tmp_path / "out" / "reconstruction.h5") as file:
        np.testing.assert_array_equal(file["data"], np.load(measurement)["y"][0])
        assert {"truth", "mean", "samples", "std"} <= set(file)
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_the_command_line_has_it(measurement, gaussian, tmp_path):
    app = typer.Typer()
    app.command()(command_of("sums"))

    def call(*options: str) -> Result:
        return CliRunner().invoke(app, [str(measurement), "--out", str(tmp_path / "out"), *options])

    wrong = call("--option", "nois=0.2")
    assert "nois: not an option of problem 'sums', which has noise" in one_line_error(wrong)
    result = call(
        f"--prior={gaussian}", "--samples=2", "--steps=2", "--no-spread", "--option=noise=0.2"
    )
    assert result.exit_code == 0, result.output
    assert "reconstruction.h5" in result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["problem"], summary["num_samples"], summary["num_steps"]) == ("sums", 2, 2)


def test_others_are_listed_and_refused(package):
    assert {"sums", "other", "strange"} <= set(installed_problems())
    with pytest.raises(ValueError, match=r"'nonsense': expected one of scattering, .*, sums"):
        find_problem("nonsense")
    for name in ("other", "strange"):
        with pytest.raises(TypeError, match=f"entry point '{name}' .* expected a Problem of that"):
            find_problem(name)


def test_a_problem_of_ours_comes_first(tmp_path, monkeypatch):
    install(tmp_path, "[lmaps_science.problems]\nmri = nowhere:X\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert type(find_problem("mri")).__name__ == "MRI"


def test_training_finds_it(package, tmp_path):
    result = lmaps("train", "sums", tmp_path / "nowhere", "--out", tmp_path / "prior.safetensors")
    assert "nowhere" in one_line_error(result)


class Complex(AffineOperator):
    """Of complex data, without an adjoint of its own."""

    complex_data = True

    def forward(self, x):
        return torch.fft.fft2(2 * x + 1)[:, 0, ::2]


def test_the_adjoint_by_autograd():
    operator = Complex((1, 8, 6), sigma_noise=0.3)
    assert check_adjoint(operator) < 1e-6
    y = operator.forward(torch.rand(2, 1, 8, 6, generator=torch.Generator().manual_seed(0)))
    assert operator.adjoint(y).shape == (2, 1, 8, 6)
    assert operator.adjoint(y.to(torch.complex128)).dtype == torch.float64
    assert operator.num_data == 24

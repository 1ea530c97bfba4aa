"""A mixture whose posterior is known: against quadrature, and as the benchmark runs it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lmaps_science.benchmark.mixture import (
    KnownMeasurement,
    Mixture,
    climb,
    figures,
    modes,
    shares,
    sliced_wasserstein,
)
from lmaps_science.benchmark.registry import find_kind
from lmaps_science.benchmark.report import render
from lmaps_science.benchmark.suite_file import suite_from_dict
from lmaps_science.benchmark.table import tables
from tests.benchmark.tiny import run_tiny


@pytest.fixture(scope="module")
def measurement() -> KnownMeasurement:
    return Mixture().measure("mixture-01", "cpu")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def grid() -> Tensor:
    """Points over all of the prior, (count, 1, 1, 2)."""
    line = torch.linspace(-5, 5, 501, dtype=torch.float64)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).view(-1, 1, 1, 2)


def density(measurement: KnownMeasurement, grid: Tensor) -> Tensor:
    """Prior times likelihood on the grid, normalised to sum 1."""
    residual = measurement.operator.forward(grid) - measurement.y
    log_likelihood = -residual.square().sum(1) / (2 * measurement.operator.sigma_noise**2)
    return (measurement.prior.log_prob(grid) + log_likelihood).softmax(0)


def test_posterior_against_quadrature(measurement: KnownMeasurement, grid: Tensor):
    brute, known = density(measurement, grid), measurement.posterior
    torch.testing.assert_close(known.log_prob(grid).softmax(0), brute, rtol=1e-6, atol=1e-12)
    components = known.log_joint(grid, 0.0).softmax(0) @ brute
    torch.testing.assert_close(known.weights, components, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(known.mean.flatten(), brute @ grid.view(-1, 2), rtol=1e-4, atol=1e-6)


def test_global_map_against_a_grid(measurement: KnownMeasurement, grid: Tensor):
    best = modes(measurement.posterior)[0].flatten()
    assert (grid[density(measurement, grid).argmax()].flatten() - best).abs().max() <= 0.01


def test_modes_are_where_the_gradient_vanishes_and_climbing_ends(measurement: KnownMeasurement):
    peaks = modes(measurement.posterior).requires_grad_(True)
    (slope,) = torch.autograd.grad(measurement.posterior.log_prob(peaks).sum(), peaks)
    assert slope.abs().max() < 1e-4
    start = measurement.posterior.sample(50, torch.Generator().manual_seed(0))
    top = climb(measurement.posterior, start)
    assert (measurement.posterior.log_prob(top) >= measurement.posterior.log_prob(start)).all()
    assert torch.cdist(top.flatten(1), peaks.detach().flatten(1)).amin(1).max() < 1e-3


def test_figures_of_exact_samples_and_of_the_map(measurement: KnownMeasurement):
    known = measurement.posterior
    exact = figures(known, known.sample(500, torch.Generator().manual_seed(7)))
    assert exact["sliced_wasserstein"] < 0.3
    assert exact["weight_error"] < 0.06
    assert exact["below_map"] == pytest.approx(1, abs=0.5)
    at_best = figures(known, modes(known)[:1].expand(500, 1, 1, 2))
    assert at_best["at_global_map"] == 1
    assert at_best["below_map"] == pytest.approx(0, abs=1e-9)
    assert at_best["weight_error"] > 0.3
    assert at_best["sliced_wasserstein"] > 2 * exact["sliced_wasserstein"]


def test_distance_of_shifted_samples_is_the_shift():
    x = torch.randn(100, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    assert sliced_wasserstein(x, x + 0.5) == pytest.approx(0.5, rel=1e-5)
    assert sliced_wasserstein(x, x.flip(0)) == 0


def test_cases_have_two_modes_that_count():
    for case in Mixture(dimension=16, num_data=4).cases()[:2]:
        known = Mixture(dimension=16, num_data=4).measure(case, "cpu").posterior  # type: ignore[attr-defined]
        assert known.weights.sort().values[-2] > 0.15
        assert len(modes(known)) > 1
        assert shares(known, known.sample(9)).sum() == pytest.approx(1)


def test_it_has_no_files(tmp_path: Path):
    with pytest.raises(ValueError, match="lmaps benchmark run paper-mixture"):
        find_kind("mixture").read([tmp_path], "cpu")


def test_a_benchmark_of_it(tmp_path: Path):
    group = {
        "name": "tiny mixture",
        "problem": "mixture",
        "data": "mixture",
        "prior": "known",
        "metric": "sliced_wasserstein",
        "tuning": ["tuning-mixture-1"],
        "methods": {
            "exact": {"method": "exact-posterior", "samples": 100},
            "LMAPS": {"method": "lmaps", "samples": 100, "steps": 10},
            "DPS": {"method": "dps", "samples": 100, "steps": 30, "tune": {"zeta": [0.1, 30.0]}},
        },
    }
    suite = suite_from_dict({"groups": [group]}, "tiny", "tiny")
    summary, _ = run_tiny(suite, tmp_path / "run")
    assert not summary.failed
    rows = {row["method"]: row for row in summary.store.rows()}
    assert rows["exact"]["sliced_wasserstein"] < rows["LMAPS"]["sliced_wasserstein"]
    assert rows["DPS"]["settings"]["options"] == {"zeta": 0.1}
    assert rows["LMAPS"]["denoiser_calls"] == 1000
    assert summary.store.arrays(summary.tasks[1])["samples"].shape == (100, 1, 2)
    (table,) = tables(summary.store, list(rows.values()))
    assert table.metric == "sliced_wasserstein"
    assert "distance to posterior" in render(summary.store)

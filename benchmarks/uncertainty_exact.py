"""Samples against the exact posterior, where it is known: Gaussian and mixture priors, linear data.

A picture of two pixels and one of 8 x 8. Mean error in units of the posterior's standard
deviation, relative error of the covariance, weights of the mixture's components, sliced
Wasserstein distance; beside it the same of as many exact samples, which is the floor.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from common import report
from torch import Tensor

from lmaps_science import LMAPS
from lmaps_science.ksd import kernel_stein_discrepancy, posterior_score, stein_width
from lmaps_science.operator import AffineOperator
from lmaps_science.plot import BLUE, GREY, ORANGE, new_figure
from lmaps_science.prior.analytic import GaussianMixturePrior, GaussianPrior

Prior = GaussianPrior | GaussianMixturePrior
ROWS: list[tuple[str, str, float, int]] = [
    *(("mode", c, 1.0, 20) for c in ("isotropic", "calibrated", "gaussian")),
    ("mode", "gaussian", 1.0, 100),
    ("mode", "isotropic", 0.0, 100),
    *(("sample", c, 1.0, 20) for c in ("isotropic", "calibrated", "gaussian")),
    *(("sample", c, 1.0, 100) for c in ("isotropic", "calibrated", "gaussian")),
    ("sample", "gaussian", 0.0, 20),
    ("sample", "gaussian", 0.0, 100),
]


class Matrix(AffineOperator):
    """y = A x, real."""

    def __init__(self, A: Tensor, image_shape: tuple[int, int, int], sigma_noise: float) -> None:
        super().__init__(image_shape, sigma_noise)
        self.A = A

    def forward(self, x: Tensor) -> Tensor:
        """A x."""
        return x.flatten(1) @ self.A.T

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y."""
        return (y @ self.A).view(-1, *self.image_shape)

    def spectrum(self) -> Any:  # noqa: ANN401
        """Singular values and right vectors of A."""
        _, s, V = torch.linalg.svd(self.A, full_matrices=False)
        return SimpleNamespace(
            values=s**2,
            analysis=lambda x: x.flatten(1) @ V.T,
            synthesis=lambda c: (c @ V).view(-1, *self.image_shape),
        )


class Twin(NamedTuple):
    """A problem with its answer."""

    prior: Prior
    operator: Matrix
    y: Tensor
    posterior: Prior


def twins() -> dict[str, Twin]:
    """Gaussian and mixture priors in 2 and in 64 dimensions."""
    line = torch.linspace(-1, 1, 8)
    y, x = (part.flatten() for part in torch.meshgrid(line, line, indexing="ij"))
    distance = torch.hypot(y[:, None] - y, x[:, None] - x)
    smooth = 0.25 * (-distance / 0.6).exp() + 1e-3 * torch.eye(64)
    bump = (-((y - 0.3) ** 2 + x**2) / 0.1).exp().view(1, 8, 8)
    means = torch.stack([1.2 * bump, 1.2 * bump.flip(1), torch.zeros_like(bump)])
    flat, wide = torch.zeros(1, 1, 2), torch.tensor([[1.0, 0.6], [0.6, 1.0]])
    corners = torch.tensor([[[[-1.5, 1.0]]], [[[1.0, -1.5]]], [[[1.5, 1.5]]]])
    one = torch.tensor([[1.0, 1.0]])
    few = torch.randn(16, 64, generator=torch.Generator().manual_seed(3)) / 8
    even = torch.tensor([0.4, 0.4, 0.2])
    return {
        "Gaussian, 2 pixels": _twin(GaussianPrior(flat, wide), one, 0.3),
        "mixture, 2 pixels": _twin(
            GaussianMixturePrior(corners, [0.15 * wide] * 3, even), one, 0.5
        ),
        "Gaussian, 64 pixels": _twin(GaussianPrior(torch.zeros(1, 8, 8), smooth), few, 0.1),
        # The measurement sees both halves of the picture alike, so which mode it is stays open.
        "mixture, 64 pixels": _twin(
            GaussianMixturePrior(means, [0.3 * smooth] * 3, even),
            few + few.view(-1, 8, 8).flip(1).flatten(1),
            0.1,
        ),
    }


def _twin(prior: Prior, A: Tensor, sigma_noise: float) -> Twin:
    shape = tuple(prior.mean.shape)
    operator = Matrix(A, (shape[0], shape[1], shape[2]), sigma_noise)
    generator = torch.Generator().manual_seed(5)
    y = operator({"target": prior.sample(1, generator)}, generator)
    return Twin(prior, operator, y, prior.posterior(A, torch.zeros(len(A)), y, sigma_noise**2))


class Distance(NamedTuple):
    """How far samples are from a posterior; all but `weights` are 0 for infinitely many exact."""

    mean: float
    covariance: float
    wasserstein: float
    weights: list[float]
    ksd: float
    width: float


def distance(samples: Tensor, twin: Twin) -> Distance:
    """Of samples (count, channels, y, x)."""
    posterior = twin.posterior
    exact = posterior.image_covariance.matrix()
    deviation = exact.trace().sqrt()
    flat = samples.flatten(1).to(exact)
    difference = flat.mean(0) - posterior.mean.flatten()
    weights = []
    if isinstance(posterior, GaussianMixturePrior):
        weights = posterior._log_joint(samples, 0.0).softmax(0).mean(1).tolist()
    score = posterior_score(twin.prior, twin.operator, samples, twin.y, 1e-2)
    return Distance(
        float(difference.norm() / deviation),
        float((flat.T.cov() - exact).norm() / exact.norm()),
        sliced_wasserstein(flat, posterior.sample(5000, _generator(9)).flatten(1).to(exact))
        / float(deviation)
        * len(exact) ** 0.5,
        weights,
        kernel_stein_discrepancy(samples, score),
        stein_width(samples, score),
    )


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 50) -> float:
    """Root mean square over random directions of the 2-Wasserstein distance of projections."""
    drawn = torch.randn(a.shape[1], directions, generator=_generator(0)).to(a)
    drawn = drawn / drawn.norm(dim=0)
    levels = (torch.arange(500).to(a) + 0.5) / 500
    quantiles = [torch.quantile(s @ drawn, levels, dim=0) for s in (a, b)]
    return float((quantiles[0] - quantiles[1]).square().mean().sqrt())


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(twin: Twin, row: tuple[str, str, float, int], count: int) -> Tensor:
    """Samples of the method, (count, channels, y, x)."""
    estimate, covariance, eta, levels = row
    lmaps = LMAPS(
        twin.prior, twin.operator, levels, estimate=estimate, covariance=covariance, eta=eta
    )
    return lmaps(twin.y, count).samples[0]


def save_figure(drawn: dict[str, dict[str, Tensor]], known: dict[str, Twin], path: Path) -> None:
    """Samples of the two pictures of two pixels over contours of their posterior."""
    with new_figure(2.2 * len(next(iter(drawn.values()))), 4.6) as figure:
        grid = figure.subplots(len(drawn), len(next(iter(drawn.values()))), squeeze=False)
        line = torch.linspace(-2.6, 2.6, 200)
        v, u = torch.meshgrid(line, line, indexing="ij")
        for axes, (name, columns) in zip(grid, drawn.items(), strict=True):
            density = known[name].posterior.log_prob(torch.stack([u, v], -1).view(-1, 1, 1, 2))
            relative = (density - density.max()).exp().view(200, 200)
            for ax, (title, samples) in zip(axes, columns.items(), strict=True):
                color = {"exact": GREY, "mode": ORANGE}.get(title.split(",")[0], BLUE)
                ax.plot(*samples[:400].view(-1, 2).T, ".", color=color, ms=2, alpha=0.6)
                ax.contour(u, v, relative, [0.01, 0.1, 0.5], colors="k", linewidths=0.6)
                ax.set(title=title, xticks=[], yticks=[], aspect="equal")
            axes[0].set_ylabel(name)
        figure.savefig(path)


def main() -> None:
    """One table for all problems, and a figure of the smallest."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--samples", type=int, default=400)
    p.add_argument("--figure", type=Path, help="PNG to draw")
    options = p.parse_args()
    known, rows = twins(), []
    shown = {
        "mode, isotropic, 20": ROWS[0],
        "sample, calibrated, 20": ROWS[6],
        "sample, gaussian, 20": ROWS[7],
        "sample, gaussian, 100": ROWS[10],
    }
    drawn = {}
    for name, twin in known.items():
        exact = twin.posterior.sample(options.samples, _generator(1))
        rows.append([name, "exact", "", "", "", *cells(distance(exact, twin))])
        print(*rows[-1], flush=True)
        columns = {"exact": exact}
        for row in ROWS:
            samples = draw(twin, row, options.samples)
            rows.append([name, *map(str, row[:2]), f"{row[2]:g}", str(row[3]),
                         *cells(distance(samples, twin))])  # fmt: skip
            print(*rows[-1], flush=True)
            columns |= {title: samples for title, one in shown.items() if one == row}
        if "2 pixels" in name:
            drawn[name] = {t: columns[t] for t in ("exact", *shown)}
    if options.figure is not None:
        save_figure(drawn, known, options.figure)
    report(
        "uncertainty_exact",
        "Samples against the exact posterior",
        ["posterior", "estimate", "covariance", "eta", "levels", "mean", "covariance, relative",
         "sliced Wasserstein", "weights of components", "KSD²", "Stein width"],
        rows,
        samples=options.samples,
    )  # fmt: skip


def cells(d: Distance) -> list[str]:
    """For the table."""
    weights = " ".join(f"{w:.2f}" for w in d.weights)
    return [
        f"{d.mean:.2f}",
        f"{d.covariance:.2f}",
        f"{d.wasserstein:.2f}",
        weights,
        f"{d.ksd:.3f}",
        f"{d.width:.2f}",
    ]


if __name__ == "__main__":
    main()

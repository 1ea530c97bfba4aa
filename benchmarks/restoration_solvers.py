"""The local MAP of JPEG files and few bits: ways to solve it, on training cells.

``steps``: the published K = 100 Adam steps on |H(x) - y|² through the proxy, rate 0.1;
``quadratic``: the Gaussian likelihood whose variance is that of the rounding, solved exactly;
``projection``: onto the intervals, the mode of the true likelihood; ``mean``: of the local
posterior within the intervals. Widths are factors on the covariance.
"""

from functools import partial
from typing import Any

import torch
from common import objects, parser, prior_facts, psnr, report, timed
from restoration_common import SIGMA_MAX, Case, Published, case
from torch import Tensor

from lmaps_science import LMAPS, load_prior
from lmaps_science.covariance import Covariance, calibrated, isotropic
from lmaps_science.interval import Interval
from lmaps_science.local_map import GradientSteps, PerturbAndSolve
from lmaps_science.operator import Operator, per_item
from lmaps_science.problems.restoration.quantised import Quantised

LEVELS = 20
KINDS = ("JPEG 10", "2 bits", "3 bits")


class Quadratic(PerturbAndSolve):
    """The mode under the Gaussian of the same variance as the rounding, in closed form."""

    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """Coefficient by coefficient."""
        operator: Any = self.operator
        assert not hasattr(covariance, "basis")  # noqa: S101 - a multiple of the identity
        c = operator.analysis(m)
        middle = c - (operator.levels(m) - y) / operator.gain
        share = 1 / (1 + 1 / (12 * operator.gain**2 * covariance.variance))  # type: ignore[union-attr]
        return operator.synthesis(c + share * (middle - c)).to(m.dtype), 0


class Watched(GradientSteps):
    """Gradient steps that count how often they end higher on the true objective than at m."""

    raised = 0
    levels = 0

    def solve(self, m: Tensor, covariance: Covariance, y: Tensor) -> tuple[Tensor, int]:
        """The point reached."""
        x, steps = super().solve(m, covariance, y)
        before = self.weight * self.operator.loss(m, y)
        prior = per_item((x - m).square()) / (2 * covariance.variance)  # type: ignore[union-attr]
        after = prior + self.weight * self.operator.loss(x, y)
        Watched.raised += int((after > before).sum())
        Watched.levels += len(m)
        return x, steps


def run(prior: Any, operator: Operator, y: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
    """One sample of each image."""
    lmaps = LMAPS(prior, operator, LEVELS, SIGMA_MAX, 0.01, **options)
    return lmaps(y).samples[:, 0]


def ways(prior: Any, s: Case) -> dict[str, list[tuple[str, Any]]]:  # noqa: ANN401
    """Name to settings and what makes the images."""
    assert isinstance(s.operator, Quantised)  # noqa: S101 - of KINDS
    published = Published(s.operator)
    curves = {
        "isotropic": isotropic(),
        **{f"calibrated × {w:g}": scaled(prior, w) for w in (1.0, 1.5, 4.0, 15.0)},
    }

    def with_curves(**options: Any) -> list[tuple[str, Any]]:  # noqa: ANN401
        return [
            (name, partial(run, prior, s.operator, s.y, covariance=curve, **options))
            for name, curve in curves.items()
        ]

    return {
        "steps": [
            (
                f"isotropic, rate {rate:g}",
                partial(
                    run,
                    prior,
                    published,
                    s.picture,
                    covariance=isotropic(),
                    solver=partial(Watched, learning_rate=rate),
                ),
            )
            for rate in (0.1,)
        ],
        "quadratic": with_curves(solver=Quadratic),
        "projection": with_curves(solver=partial(Interval, estimate="mode"))[:1],
        "mean": with_curves(solver=Interval),
    }


def scaled(prior: Any, width: float) -> Any:  # noqa: ANN401
    """The prior's error curve times `width`."""
    return calibrated(lambda sigma: width * prior.error_curve(sigma))


def main() -> None:
    """One table: degradation x way x setting."""
    p = parser(__doc__)
    p.set_defaults(pixels=64, cases=4)
    options = p.parse_args()
    torch.set_num_threads(1)
    prior = load_prior(options.prior).requires_grad_(False)
    truth = objects(options.data, "train", options.cases, options.pixels).float()
    rows = []
    for kind in KINDS:
        s = case(kind, truth)
        before = psnr(s.picture, truth).mean()
        for way, settings in ways(prior, s).items():
            for told, make in settings:
                Watched.raised = Watched.levels = 0
                x, seconds = timed(make)
                same = float((s.operator.forward(x) == s.y).double().mean())
                raised = f"{Watched.raised} of {Watched.levels}" if Watched.levels else "-"
                gain = psnr(x, truth).mean() - before
                rows.append(
                    [
                        kind,
                        way,
                        told,
                        f"{before + gain:.2f}",
                        f"{gain:+.2f}",
                        f"{100 * same:.1f} %",
                        raised,
                        f"{seconds / len(truth):.2f}",
                    ]
                )
                print(*rows[-1], sep=" | ", flush=True)
    report(
        "restoration_solvers",
        "The local MAP of rounded data, ways to solve it",
        [
            "degradation",
            "way",
            "covariance",
            "PSNR",
            "gain, dB",
            "degraded again, the same",
            "local MAPs that end above the start",
            "s an image",
        ],
        rows,
        cases=len(truth),
        image=f"{options.pixels}×{options.pixels}, training split",
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

"""Local MAPs of closures by four solvers, on the same subproblems, in one run.

The rivals work on u in x = m + Sigma^(1/2) u, where the prior term is 1/2 |u|²: their best form.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from blackhole_common import parser, read
from common import prior_facts, report
from torch import Tensor

from lmaps_science import LMAPS, load_prior
from lmaps_science.covariance import LowRank
from lmaps_science.gauss_newton import GaussNewton
from lmaps_science.problems import BlackHoleImaging
from lmaps_science.solver import Level

SIGMAS = (1.0, 0.26, 0.08)
REPEATS = 3


class Subproblem:
    """1/2 |x - m|² in the metric of Sigma's inverse plus 1/2 Σ r²."""

    def __init__(self, operator: BlackHoleImaging, y: Tensor, m: Tensor, sigma: LowRank) -> None:
        self.operator, self.y, self.m, self.covariance = operator, y.expand(len(m), -1), m, sigma

    def objective(self, x: Tensor) -> Tensor:
        """(batch,), in double precision."""
        d = (x - self.m).double().flatten(1)
        rest = self.covariance.rest
        along = d @ self.covariance.basis.double()
        weights = 1 / self.covariance.variances.double() - 1 / rest
        prior = d.square().sum(1) / rest + (along.square() * weights).sum(1)
        return 0.5 * (prior + self.operator.loss(x.double(), self.y))

    def image(self, u: Tensor) -> Tensor:
        """x of u."""
        return self.m + self.covariance.sqrt(u)

    def gradient(self, u: Tensor) -> Tensor:
        """Of the objective in u."""
        _, gradient = self.operator.loss_and_gradient(self.image(u), self.y)
        return u + self.covariance.sqrt(0.5 * gradient)

    def adam(self, steps: int, rate: float) -> Tensor:
        """Adam from m."""
        u = torch.zeros_like(self.m).requires_grad_(True)
        optimizer = torch.optim.Adam([u], lr=rate)
        for _ in range(steps):
            u.grad = self.gradient(u.detach())
            optimizer.step()
        return self.image(u.detach())

    def lbfgs(self, steps: int) -> Tensor:
        """L-BFGS from m with a strong-Wolfe line search, each image on its own."""
        solved = []
        for k in range(len(self.m)):
            alone = Subproblem(self.operator, self.y[:1], self.m[k : k + 1], self.covariance)
            u = torch.zeros_like(alone.m).requires_grad_(True)
            optimizer = torch.optim.LBFGS([u], max_iter=steps, line_search_fn="strong_wolfe")

            def closure(
                u: Tensor = u, alone: "Subproblem" = alone
            ) -> float:  # loss and gradient at once
                x = alone.image(u.detach())
                loss, gradient = alone.operator.loss_and_gradient(x, alone.y)
                u.grad = u.detach() + alone.covariance.sqrt(0.5 * gradient)
                return float(0.5 * (u.detach().square().sum() + loss.sum()))

            optimizer.step(closure)  # type: ignore[arg-type]
            solved.append(alone.image(u.detach()))
        return torch.cat(solved)

    def gauss_newton(self, steps: int) -> Tensor:
        """Levenberg-Marquardt in data space."""
        solver = GaussNewton(self.operator, self.y, 0.5, max_iterations=steps)
        return solver.mode(self.m, self.covariance).x0


def best_time(solve: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Result and the shortest of a few times."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        x = solve()
        times.append(time.process_time() - start)
    return x, min(times)


def main() -> None:
    """Print objective and processor time of each solver at three noise levels."""
    p = parser(__doc__)
    options = p.parse_args()
    torch.set_num_threads(1)
    prior, measurement = load_prior(options.prior), read(options.data, "11 April hi")
    levels: list[Level] = []
    sampler = LMAPS(prior, measurement.operator)
    sampler(measurement.y, options.samples, levels.append)
    rows = []
    for sigma in SIGMAS:
        level = min(levels, key=lambda level: abs(level.sigma - sigma))
        share = sampler.defaults.data_weight(level.sigma)
        covariance = sampler.covariance(level.sigma).scaled(share)
        assert isinstance(covariance, LowRank)  # noqa: S101 - the problem's default
        problem = Subproblem(measurement.operator, measurement.y, level.m.float(), covariance)
        solvers: dict[str, Callable[[], Tensor]] = {
            "Adam, K = 100, rate 0.1": lambda problem=problem: problem.adam(100, 0.1),
            "Adam, K = 100, rate 0.03": lambda problem=problem: problem.adam(100, 0.03),
            "Adam, K = 200, rate 0.03": lambda problem=problem: problem.adam(200, 0.03),
            "L-BFGS, 20": lambda problem=problem: problem.lbfgs(20),
            "L-BFGS, 100": lambda problem=problem: problem.lbfgs(100),
            "Levenberg-Marquardt, 6": lambda problem=problem: problem.gauss_newton(6),
            "Levenberg-Marquardt, 20": lambda problem=problem: problem.gauss_newton(20),
        }
        start = problem.objective(problem.m)
        rows.append([f"{level.sigma:.2f}", "(at m)", *_quantiles(start), ""])
        for name, solve in solvers.items():
            x, seconds = best_time(solve)
            milliseconds = f"{1000 * seconds / options.samples:.1f}"
            rows.append(
                [f"{level.sigma:.2f}", name, *_quantiles(problem.objective(x)), milliseconds]
            )
            print(rows[-1], flush=True)
    header = ["σ", "solver", "objective, median", "worst", "CPU ms an image"]
    report("blackhole_solvers", "Local MAP of closures", header, rows, prior=prior_facts(prior))


def _quantiles(objective: Tensor) -> list[str]:
    return [f"{np.median(objective):.1f}", f"{float(objective.max()):.1f}"]


if __name__ == "__main__":
    main()

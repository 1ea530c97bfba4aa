"""LMAPS beside other methods with the same prior, maps, masks and noise: a real brain.

All see the maps and the noise of each line that LMAPS found. Constants are tuned on another
mask than they are scored on, by PSNR. DPS, DAPS and RED-diff are InverseBench's own code, from
a checkout (--checkout).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import prior_facts, report, timed
from competitors import Method, diffpir, host_method, pigdm
from mri_common import cases, score, updated
from torch import Tensor, nn

from lmaps_science import LMAPS, load_prior
from lmaps_science.problems.mri.operator import MultiCoilMRI
from lmaps_science.problems.mri.preparation import PreparedSlice

HIGHEST = 3.0
"""Noise level where the methods begin: the prior knows none above."""
EDM = {"sigma_final": 0, "schedule": "linear", "timestep": "poly-7"}


@dataclass(frozen=True)
class Case:
    """A slice under one mask."""

    prepared: PreparedSlice

    @property
    def truth(self) -> Tensor:
        """(1, 2, y, x)."""
        assert self.prepared.truth is not None  # noqa: S101 - the k-space was complete
        return self.prepared.truth

    @property
    def operator(self) -> MultiCoilMRI:
        """With maps, noise and weights."""
        return self.prepared.operator

    @property
    def y(self) -> Tensor:
        """Data, (1, ...)."""
        return self.prepared.y


def families(
    checkout: Path | None, prior: nn.Module
) -> dict[str, tuple[Callable[..., Method], list[dict[str, float]]]]:
    """Name to how a case and constants make the method, and the constants to try."""

    def one(c: Case) -> Method:
        return lambda y: LMAPS(prior, c.operator)(y).samples[:, 0]

    def mean_of_8(c: Case) -> Method:
        return lambda y: LMAPS(prior, c.operator)(y, num_samples=8).mean

    def host(module: str, name: str, c: Case, **settings: Any) -> Method:  # noqa: ANN401
        return host_method(checkout, (module, name), prior, c, **settings)

    def dps(c: Case, guidance_scale: float) -> Method:
        config = {"num_steps": 1000, "sigma_max": HIGHEST, "sigma_min": 0.005, **EDM}
        return host(
            "dps", "DPS", c, diffusion_scheduler_config=config, guidance_scale=guidance_scale
        )

    def daps(c: Case, lr: float) -> Method:
        return host(
            "daps", "DAPS", c,
            annealing_scheduler_config={
                "num_steps": 200, "sigma_max": HIGHEST, "sigma_min": 0.01, **EDM,
            },
            diffusion_scheduler_config={"num_steps": 5, "sigma_min": 0.005, **EDM},
            lgvd_config={"num_steps": 100, "lr": lr, "tau": c.operator.sigma_noise,
                         "lr_min_ratio": 0.01},
        )  # fmt: skip

    def reddiff(c: Case, observation_weight: float) -> Method:
        return host(
            "reddiff", "REDDiff", c,
            base_lr=0.02, base_lambda=0.25, observation_weight=observation_weight,
        )  # fmt: skip

    found: dict[str, tuple[Callable[..., Method], list[dict[str, float]]]] = {
        "LMAPS, one sample": (one, [{}]),
        "LMAPS, mean of 8": (mean_of_8, [{}]),
        "DiffPIR": (
            lambda c, strength: diffpir(prior, c, strength, c.operator.sigma_noise, HIGHEST),
            [{"strength": s} for s in (1.0, 3.0, 10.0, 30.0)],
        ),
        "ΠGDM": (lambda c, eta: pigdm(prior, c, 100, eta, HIGHEST), [{"eta": e} for e in (0.2, 1)]),
    }
    if checkout:
        found |= {
            "RED-diff": (
                reddiff,
                [{"observation_weight": 10.0**k} for k in (1, 2, 3)],
            ),
            "DAPS": (daps, [{"lr": lr} for lr in (1e-5, 1e-4)]),
            "DPS": (dps, [{"guidance_scale": g} for g in (0.3, 1.0)]),
        }
    return found


def main() -> None:
    """One row for each acceleration and method."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kspace", type=Path, help="fully sampled k-space")
    p.add_argument("--prior", default="brain-128")
    p.add_argument("--checkout", type=Path, help="InverseBench")
    p.add_argument("--accelerations", type=int, nargs="+", default=[4, 8])
    p.add_argument("--seeds", type=int, default=2)
    options = p.parse_args()
    prior = load_prior(options.prior)
    rows: list[list[str]] = []
    for acceleration in options.accelerations:
        found = cases(options.kspace, "random", [acceleration], options.seeds + 1, "x")
        *test, tuning = (Case(updated(prior, case.prepared)) for case in found)
        for name, (family, points) in families(options.checkout, prior).items():

            def quality(point: dict[str, float], case: Case, family: Callable = family) -> float:
                x = family(case, **point)(case.y)
                return score(case.prepared, x.nan_to_num(0))[0]

            best = (
                points[0]
                if len(points) == 1
                else max(points, key=lambda point: quality(point, tuning))
            )
            results = [timed(partial(family(case, **best), case.y)) for case in test]
            scores = [score(c.prepared, x) for c, (x, _) in zip(test, results, strict=True)]
            psnr, ssim = torch.tensor(scores).mean(0).tolist()
            seconds = sum(s for _, s in results) / len(results)
            told = ", ".join(f"{k}={v:g}" for k, v in best.items())
            rows.append(
                [f"×{acceleration}", name, f"{psnr:.2f}", f"{ssim:.3f}", f"{seconds:.1f}", told]
            )
            print(rows[-1], flush=True)
            report(
                "mri_methods",
                "Methods side by side, one prior: a real brain, 16 coils",
                ["acceleration", "method", "PSNR", "SSIM", "s a mask", "tuned"],
                rows,
                command="python benchmarks/mri_methods.py KSPACE --checkout INVERSEBENCH",
                prior=prior_facts(prior),
                masks=len(test),
            )


if __name__ == "__main__":
    main()

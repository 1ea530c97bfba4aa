"""Exact LMAPS beside other methods: held-out cells, one prior, 360 / 180 / 60 receivers.

Constants of the other methods are tuned on training cells, by PSNR, from the grids below;
each grid holds InverseBench's published value. DPS, DAPS and RED-diff need ``--checkout``,
a folder of InverseBench.
"""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from common import in_chunks, objects, parser, prior_facts, psnr, report, study, timed
from competitors import Method, diffpir, host_method, pigdm

from lmaps_science import LMAPS, load_prior
from lmaps_science.baselines import tikhonov, total_variation
from lmaps_science.problems.scattering.metrics import ssim

TUNING_CASES = 4
VP = {"schedule": "vp", "timestep": "vp", "scaling": "vp"}


def families(options, prior) -> dict[str, tuple[Callable[..., Method], dict[str, list]]]:  # noqa: ANN001
    """Name to (study and constants -> method, grid of constants)."""

    def samples(**settings):  # noqa: ANN003, ANN202
        return lambda s, **grid: (
            lambda y: LMAPS(prior, s.operator, **settings, **grid)(y).samples[:, 0]
        )

    def mean_of_8(s):  # noqa: ANN001, ANN202
        return lambda y: LMAPS(prior, s.operator)(y, num_samples=8).mean

    def dps(s, guidance_scale):  # noqa: ANN001, ANN202
        config = {"num_steps": 1000, **VP}
        return host_method(
            options.checkout,
            "dps",
            "DPS",
            prior,
            s,
            diffusion_scheduler_config=config,
            guidance_scale=guidance_scale,
        )

    def daps(s, lr, tau):  # noqa: ANN001, ANN202
        edm = {"sigma_final": 0, "schedule": "linear", "timestep": "poly-7"}
        return host_method(
            options.checkout,
            "daps",
            "DAPS",
            prior,
            s,
            annealing_scheduler_config={
                "num_steps": 200,
                "sigma_max": 100,
                "sigma_min": 0.1,
                **edm,
            },
            diffusion_scheduler_config={"num_steps": 5, "sigma_min": 0.01, **edm},
            lgvd_config={"num_steps": 100, "lr": lr, "tau": tau, "lr_min_ratio": 0.01},
        )

    def reddiff(s, observation_weight, base_lambda):  # noqa: ANN001, ANN202
        return host_method(
            options.checkout,
            "reddiff",
            "REDDiff",
            prior,
            s,
            base_lr=0.02,
            observation_weight=observation_weight,
            base_lambda=base_lambda,
        )

    found = {
        "LMAPS, exact": (samples(), {}),
        "LMAPS, exact, mean of 8": (mean_of_8, {}),
        "LMAPS, K=100 gradient steps, 50 levels": (
            samples(solver="gradient", num_steps=50, sigma_max=100),
            {"learning_rate": [0.01, 0.1], "k1": [0.1, 1.0], "k2": [1e4, 1e6, 1e8]},
        ),
        "DiffPIR": (
            lambda s, **grid: diffpir(prior, s, **grid),
            {"strength": [8.0], "sigma_n": [0.05, 1e-3, 1e-4]},
        ),
        "PiGDM": (lambda s: pigdm(prior, s), {}),
        "Tikhonov": (
            lambda s, strength: lambda y: tikhonov(s.operator, y, strength),
            {"strength": [10.0**-k for k in range(6, 15)]},
        ),
        "TV": (
            lambda s, strength: lambda y: total_variation(s.operator, y, strength),
            {"strength": [10.0**-k for k in range(2, 8)]},
        ),
    }
    if options.checkout:
        found |= {
            "DPS": (dps, {"guidance_scale": [3.0, 10.0, 30.0, 100.0]}),
            "DAPS": (daps, {"lr": [1e-5, 1e-4], "tau": [1e-3, 1e-2]}),
            "RED-diff": (
                reddiff,
                {"observation_weight": [1.0, 100.0, 1e4], "base_lambda": [0.25]},
            ),
        }
    return {k: v for k, v in found.items() if not options.only or k in options.only}


def tune(family: Callable[..., Method], grid: dict[str, list], s) -> dict:  # noqa: ANN001
    """The constants of the best mean PSNR on the tuning cells."""
    points = [dict(zip(grid, p, strict=True)) for p in itertools.product(*grid.values())]
    if len(points) == 1:
        return points[0]

    def score(point: dict) -> float:
        try:
            return float(psnr(family(s, **point)(s.y), s.truth).nan_to_num(-100).mean())
        except FloatingPointError:
            return -100.0

    return max(points, key=score)


def main() -> None:
    """One table: receivers x method."""
    p = parser(__doc__)
    p.add_argument("--checkout", type=Path, help="InverseBench")
    p.add_argument("--only", nargs="+", help="names of methods")
    options = p.parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    training = objects(options.data, "train", TUNING_CASES, options.pixels)
    rows = []
    for receivers in options.receivers:
        s, tuning = study(truth, receivers), study(training, receivers)
        s.operator.spectrum()
        for name, (family, grid) in families(options, prior).items():
            constants = tune(family, grid, tuning)
            x, seconds = timed(partial(in_chunks, family(s, **constants), s.y))
            quality = psnr(x, truth)
            rows.append(
                [
                    str(receivers),
                    name,
                    f"{quality.mean():.2f} ± {quality.std() / len(quality) ** 0.5:.2f}",
                    f"{torch.as_tensor(ssim((x + 1) / 2, (truth + 1) / 2)).mean():.3f}",
                    f"{seconds / len(truth):.2f}",
                    ", ".join(f"{k}={v:g}" for k, v in constants.items()),
                ]
            )
            print(*rows[-1], sep=" | ", flush=True)
    report(
        "methods",
        "Methods side by side, one prior",
        ["receivers", "method", "PSNR, dB ± s.e.", "SSIM", "s a case", "tuned on training cells"],
        rows,
        pixels=options.pixels,
        cases=options.cases,
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

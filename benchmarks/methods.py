"""Exact LMAPS beside other methods: held-out cells, one prior, 360 / 180 / 60 receivers.

Constants of the other methods are tuned on training cells at 180 receivers, by PSNR, from the
points below, which hold InverseBench's published values. DPS, DAPS and RED-diff need
``--checkout``, a folder of InverseBench; they are slow, so they see the first cases only and
are compared with LMAPS on the same.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import Study, in_chunks, objects, parser, prior_facts, psnr, report, study, timed
from competitors import Method, diffpir, host_method, pigdm
from torch import nn

from lmaps_science import LMAPS, load_prior
from lmaps_science.baselines import tikhonov, total_variation
from lmaps_science.problems.scattering.metrics import ssim

TUNING_CASES, TUNING_RECEIVERS = 2, 180
SLOW = ("DPS", "DAPS", "RED-diff", "LMAPS, K=100 gradient steps")
VP = {"schedule": "vp", "timestep": "vp", "scaling": "vp"}
EDM = {"sigma_final": 0, "schedule": "linear", "timestep": "poly-7"}

Family = Callable[..., Method]
Point = dict[str, float]


def families(checkout: Path | None, prior: nn.Module) -> dict[str, tuple[Family, list[Point]]]:
    """Name to how a study and constants make the method, and the constants to try."""

    def exact(s: Study) -> Method:
        return lambda y: LMAPS(prior, s.operator)(y).samples[:, 0]

    def mean_of_8(s: Study) -> Method:
        return lambda y: LMAPS(prior, s.operator)(y, num_samples=8).mean

    def published(s: Study, **point: Any) -> Method:  # noqa: ANN401
        lmaps = LMAPS(prior, s.operator, 50, 100.0, solver="gradient", k1=1.0, **point)
        return lambda y: lmaps(y).samples[:, 0]

    def dps(s: Study, guidance_scale: float) -> Method:
        config = {"num_steps": 1000, **VP}
        return host_method(
            checkout,
            ("dps", "DPS"),
            prior,
            s,
            diffusion_scheduler_config=config,
            guidance_scale=guidance_scale,
        )

    def daps(s: Study, lr: float, tau: float) -> Method:
        return host_method(
            checkout,
            ("daps", "DAPS"),
            prior,
            s,
            annealing_scheduler_config={
                "num_steps": 200,
                "sigma_max": 100,
                "sigma_min": 0.1,
                **EDM,
            },
            diffusion_scheduler_config={"num_steps": 5, "sigma_min": 0.01, **EDM},
            lgvd_config={"num_steps": 100, "lr": lr, "tau": tau, "lr_min_ratio": 0.01},
        )

    def reddiff(s: Study, observation_weight: float) -> Method:
        settings = {"base_lr": 0.02, "base_lambda": 0.25, "observation_weight": observation_weight}
        return host_method(checkout, ("reddiff", "REDDiff"), prior, s, **settings)

    found: dict[str, tuple[Family, list[Point]]] = {
        "LMAPS, exact": (exact, [{}]),
        "LMAPS, exact, mean of 8": (mean_of_8, [{}]),
        "Tikhonov": (
            lambda s, strength: partial(_on, tikhonov, s, strength),
            [{"strength": 10.0**-k} for k in range(5, 13)],
        ),
        "TV": (
            lambda s, strength: partial(_on, total_variation, s, strength),
            [{"strength": 10.0**-k} for k in (1, 1.5, 2, 2.5, 3, 4, 5)],
        ),
        "DiffPIR": (
            partial(diffpir, prior),
            [{"strength": 8.0, "sigma_n": s} for s in (0.05, 1e-3, 1e-4, 3e-5)],
        ),
        "PiGDM": (partial(pigdm, prior), [{}]),
        "LMAPS, K=100 gradient steps": (
            published,
            [{"learning_rate": lr, "k2": k2} for lr in (0.01, 0.1) for k2 in (1e6, 1e8)],
        ),
    }
    if checkout:
        found |= {
            "RED-diff": (reddiff, [{"observation_weight": 10.0**k} for k in (0, 5, 6, 7)]),
            "DAPS": (
                daps,
                [{"lr": lr, "tau": tau} for lr, tau in ((1e-4, 1e-2), (1e-3, 1e-3), (1e-5, 1e-4))],
            ),
            "DPS": (dps, [{"guidance_scale": g} for g in (10.0, 30.0, 100.0)]),
        }
    return found


def _on(baseline: Callable, s: Study, strength: float, y: Any) -> Any:  # noqa: ANN401
    return baseline(s.operator, y, strength)


def tune(family: Family, points: list[Point], s: Study) -> Point:
    """The constants of the best mean PSNR on the tuning cells."""

    def score(point: Point) -> float:
        try:
            return float(psnr(family(s, **point)(s.y), s.truth).nan_to_num(-100).mean())
        except FloatingPointError:
            return -100.0

    return points[0] if len(points) == 1 else max(points, key=score)


def main() -> None:
    """One table: receivers x method."""
    p = parser(__doc__)
    p.add_argument("--checkout", type=Path, help="InverseBench")
    p.add_argument("--slow-cases", type=int, default=4)
    options = p.parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    tuning = study(objects(options.data, "train", TUNING_CASES, options.pixels), TUNING_RECEIVERS)
    methods = {
        name: (family, tune(family, points, tuning))
        for name, (family, points) in families(options.checkout, prior).items()
    }
    rows = []
    for receivers in options.receivers:
        s = study(truth, receivers)
        s.operator.spectrum()
        reference = None
        for name, (family, constants) in methods.items():
            count = options.slow_cases if name in SLOW else len(truth)
            x, seconds = timed(partial(in_chunks, family(s, **constants), s.y[:count]))
            quality = psnr(x, truth[:count])
            reference = quality if reference is None else reference
            ahead = reference[:count] - quality
            structure = ssim((x + 1) / 2, (truth[:count] + 1) / 2)
            rows.append(
                [
                    str(receivers),
                    name,
                    str(count),
                    f"{quality.mean():.2f}",
                    f"{structure.mean():.3f}",
                    f"{ahead.mean():+.2f} ± {ahead.std() / count**0.5:.2f}",
                    f"{seconds / count:.2f}",
                    ", ".join(f"{k}={v:.2g}" for k, v in constants.items()),
                ]
            )
            print(*rows[-1], sep=" | ", flush=True)
        report(
            "methods",
            "Methods side by side, one prior",
            [
                "receivers",
                "method",
                "cases",
                "PSNR",
                "SSIM",
                "LMAPS ahead, dB",
                "s a case",
                "tuned",
            ],
            rows,
            pixels=options.pixels,
            prior=prior_facts(prior),
        )


if __name__ == "__main__":
    main()

"""InverseBench's black-hole problem: ours and its own algorithms, one prior, one noise.

Twelve sources seen through InverseBench's operator (noise vis_thermal, seeded), made of the
reference observation that the tests have. The other methods' constants are tuned on two more
sources, by PSNR, over the ranges of InverseBench's own sweeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from blackhole_common import parser
from common import prior_facts, report, timed
from competitors import Method, host_method
from torch import Tensor, nn

from lmaps_science import LMAPS, load_prior
from lmaps_science.problems import BlackHoleImaging
from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.metrics import aligned_psnr
from lmaps_science.problems.blackhole.population import draw, read_models
from lmaps_science.problems.blackhole.sources import Field

REFERENCE = Path(__file__).parents[1] / "tests" / "golden" / "blackhole"
EDM = {"sigma_final": 0, "schedule": "linear", "timestep": "poly-7"}
VP = {"schedule": "vp", "timestep": "vp", "scaling": "vp"}


@dataclass(frozen=True)
class Cases:
    """Sources, operator and noisy data."""

    truth: Tensor
    operator: BlackHoleImaging
    y: Tensor


def objects(models: Path) -> Tensor:
    """Two to tune on, then twelve: both models left out, draws of the others, crescents."""
    field = Field(oversampling=4)
    used = torch.stack(list(read_models(models).values()))
    drawn = draw(7, {"simulation": 1.0}, used, seed=10**7)
    rings = sources.crescent(
        field,
        torch.tensor([44.0, 36.0, 42.0, 50.0, 40.0]),
        torch.tensor([12.0, 9.0, 10.0, 14.0, 16.0]),
        position_angle=torch.tensor([1.0, 2.9, 5.0, 3.6, 0.3]),
        asymmetry=torch.tensor([0.5, 0.6, 0.3, 0.7, 0.4]),
    )
    left_out = draw(
        2, {"simulation": 1.0}, torch.stack(list(read_models(models, True).values())), 3
    )
    return torch.cat(
        [drawn[:1], field.image(rings)[:1], left_out, drawn[1:], field.image(rings)[1:]]
    )


def measured(truth: Tensor) -> Cases:
    """With one noise seed per source."""
    operator = BlackHoleImaging.from_inversebench(REFERENCE)
    y = [
        operator({"target": x[None]}, torch.Generator().manual_seed(k)) for k, x in enumerate(truth)
    ]
    return Cases(truth, operator, torch.cat(y))


def families(
    checkout: Path | None, prior: nn.Module
) -> dict[str, tuple[Callable[..., Method], list[dict[str, float]]]]:
    """Name to how cases and constants make the method, and the constants to try."""

    def one(c: Cases) -> Method:
        return lambda y: LMAPS(prior, c.operator)(y).samples[:, 0]

    def mean_of_8(c: Cases) -> Method:
        return lambda y: LMAPS(prior, c.operator)(y, num_samples=8).mean

    def host(module: str, name: str, c: Cases, **settings: Any) -> Method:  # noqa: ANN401
        return host_method(checkout, (module, name), prior, c, **settings)

    def dps(c: Cases, guidance_scale: float) -> Method:
        config = {"num_steps": 1000, **VP}
        return host(
            "dps", "DPS", c, diffusion_scheduler_config=config, guidance_scale=guidance_scale
        )

    def daps(c: Cases, lr: float) -> Method:
        return host(
            "daps", "DAPS", c,
            annealing_scheduler_config={
                "num_steps": 200, "sigma_max": 100, "sigma_min": 5e-3, **EDM,
            },
            diffusion_scheduler_config={"num_steps": 5, "sigma_min": 1e-3, **EDM},
            lgvd_config={"num_steps": 20, "lr": lr, "tau": 1.0, "lr_min_ratio": 0.01},
        )  # fmt: skip

    def pnpdm(c: Cases, lr: float) -> Method:
        return host(
            "pnpdm", "PnPDM", c,
            annealing_scheduler_config={
                "num_steps": 100, "sigma_max": 10, "sigma_min": 0.02, "rho": 0.93,
            },
            diffusion_scheduler_config={"num_steps": 100, "sigma_min": 1e-2, **EDM},
            lgvd_config={"num_steps": 40, "lr": lr, "tau": 1},
        )  # fmt: skip

    def reddiff(c: Cases, observation_weight: float) -> Method:
        return host(
            "reddiff", "REDDiff", c,
            base_lr=1e-2, base_lambda=0.25, observation_weight=observation_weight,
        )  # fmt: skip

    found: dict[str, tuple[Callable[..., Method], list[dict[str, float]]]] = {
        "LMAPS": (one, [{}]),
        "LMAPS, mean of 8": (mean_of_8, [{}]),
    }
    if checkout:
        found |= {
            "RED-diff": (reddiff, [{"observation_weight": 10.0**-k} for k in (3, 4, 5)]),
            "DPS": (dps, [{"guidance_scale": g} for g in (3e-4, 1e-3, 3e-3)]),
            "DAPS": (daps, [{"lr": lr} for lr in (1e-6, 1e-5, 1e-4)]),
            "PnP-DM": (pnpdm, [{"lr": lr} for lr in (5e-5, 5e-6, 1e-6)]),
        }
    return found


def quality(c: Cases, x: Tensor) -> dict[str, Tensor]:
    """PSNR after alignment, blurred, and χ², each (cases,)."""
    psnr = aligned_psnr(c.operator.unnormalize(x), c.operator.unnormalize(c.truth))
    phase, amplitude = c.operator.chi_squared(x, c.y)
    return {**psnr, "phase": phase, "amplitude": amplitude}


def main() -> None:
    """Print one row per method."""
    p = parser(__doc__)
    p.add_argument("--models", type=Path, required=True, help="ngehtutil's models")
    p.add_argument("--checkout", type=Path, help="InverseBench")
    options = p.parse_args()
    prior = load_prior(options.prior)
    cases = measured(objects(options.models))
    tuning, test = (
        Cases(cases.truth[part], cases.operator, cases.y[part])
        for part in (slice(0, 2), slice(2, None))
    )
    rows: list[list[str]] = []
    first: Tensor | None = None
    for name, (family, points) in families(options.checkout, prior).items():

        def score(point: dict[str, float], family: Callable[..., Method] = family) -> float:
            x = family(tuning, **point)(tuning.y)
            return float(quality(tuning, x.nan_to_num(-1))["psnr"].mean())

        best = points[0] if len(points) == 1 else max(points, key=score)
        x, seconds = timed(lambda family=family, best=best: family(test, **best)(test.y))
        q = quality(test, x.nan_to_num(-1))
        first = q["psnr"] if first is None else first
        ahead = first - q["psnr"]
        rows.append(
            [
                name,
                f"{q['psnr'].mean():.2f}",
                f"{q['blur_psnr_15uas'].mean():.2f}",
                f"{q['phase'].median():.2f}",
                f"{q['amplitude'].median():.2f}",
                f"{ahead.mean():+.2f} ± {ahead.std() / len(ahead) ** 0.5:.2f}",
                f"{seconds / len(test.y):.1f}",
                ", ".join(f"{k}={v:g}" for k, v in best.items()),
            ]
        )
        print(rows[-1], flush=True)
        report(
            "blackhole_inversebench",
            "InverseBench's black-hole problem",
            ["method", "PSNR", "blurred 15 µas", "χ² phase", "χ² log amplitude",
             "LMAPS ahead, dB", "s a case", "tuned"],
            rows, prior=prior_facts(prior), cases=len(test.y), noise="vis_thermal",
        )  # fmt: skip


if __name__ == "__main__":
    main()

"""One sample, the mean of eight and the coverage of nominal 90 % intervals, held-out cells.

'auto' is the default: calibrated times the width measured on training cells.
"""

import torch
from common import in_chunks, objects, parser, prior_facts, psnr, report, study

from lmaps_science import LMAPS, load_prior

SAMPLES = 8
T_90 = 1.8946  # two-sided 90 % quantile of Student's t with 7 degrees of freedom


def coverage(samples: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> float:
    """Percentage of pixels whose truth lies in mean +- t_90 sqrt(1 + 1/n) std."""
    width = T_90 * (1 + 1 / samples.shape[1]) ** 0.5 * samples.std(1)
    inside = (truth - samples.mean(1)).abs() <= width
    return 100 * float(inside[where].float().mean())


def main() -> None:
    """One table: receivers x estimate x covariance."""
    options = parser(__doc__).parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    rows = []
    for receivers in options.receivers:
        s = study(truth, receivers)
        for estimate, covariance in (
            ("mode", "isotropic"),
            ("mode", "calibrated"),
            ("sample", "calibrated"),
            ("sample", "auto"),
        ):
            lmaps = LMAPS(prior, s.operator, estimate=estimate, covariance=covariance)
            samples = in_chunks(lambda y, run=lmaps: run(y, SAMPLES).samples, s.y, 2)
            row = [
                str(receivers),
                estimate,
                covariance,
                f"{psnr(samples[:, 0], truth).mean():.2f}",
                f"{psnr(samples.mean(1), truth).mean():.2f}",
                f"{coverage(samples, truth, truth > -2):.0f}",
                f"{coverage(samples, truth, truth > -0.9):.0f}",
            ]
            print(*row, flush=True)
            rows.append(row)
    report(
        "spread",
        "One sample, the mean of eight, and the coverage of nominal 90 % intervals",
        [
            "receivers",
            "estimate",
            "covariance",
            "one, dB",
            f"mean of {SAMPLES}, dB",
            "coverage, all %",
            "object %",
        ],
        rows,
        pixels=options.pixels,
        cases=options.cases,
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

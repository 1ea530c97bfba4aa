"""Exact local MAP against K gradient steps: same weight, covariance and levels, one run."""

from common import objects, parser, prior_facts, psnr, report, study

from lmaps_science import LMAPS, load_prior

LEVELS = 20
SETTINGS = (
    ("spectral", {}),
    ("adam K=100, lr 0.1", {"optimizer": "adam", "learning_rate": 0.1}),
    ("adam K=100, lr 0.03", {"optimizer": "adam", "learning_rate": 0.03}),
    ("adam K=100, lr 0.01", {"optimizer": "adam", "learning_rate": 0.01}),
)


def main() -> None:
    """One table: solver x time and PSNR."""
    p = parser(__doc__)
    p.set_defaults(cases=8, receivers=[360])
    options = p.parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    rows = []
    for receivers in options.receivers:
        s = study(truth, receivers)
        s.operator.spectrum()
        exact = None
        for label, settings in SETTINGS:
            solver = "spectral" if label == "spectral" else "gradient"
            lmaps = LMAPS(prior, s.operator, LEVELS, solver=solver, **settings)
            result = lmaps(s.y)
            x = result.samples[:, 0]
            total = sum(result.history["seconds"]) / options.cases
            network = sum(result.history["denoiser_seconds"]) / options.cases
            exact = x if exact is None else exact
            rows.append(
                [
                    str(receivers),
                    label,
                    f"{psnr(x, truth).mean():.2f}",
                    f"{100 * (x - exact).norm() / exact.norm():.1f}",
                    f"{total:.2f}",
                    f"{network:.2f}",
                    f"{total - network:.3f}",
                ]
            )
            print(*rows[-1], flush=True)
    report(
        "inner_solvers",
        f"Inner solvers at {LEVELS} levels, seconds per case",
        [
            "receivers",
            "solver",
            "PSNR, dB",
            "distance to exact, %",
            "total, s",
            "denoiser, s",
            "local MAP, s",
        ],
        rows,
        pixels=options.pixels,
        cases=options.cases,
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

"""The covariance of p(x0 | x_t) against the number of noise levels, held-out cells."""

from common import in_chunks, objects, parser, prior_facts, psnr, report, study

from lmaps_science import LMAPS, load_prior
from lmaps_science.covariance import NAMES

LEVELS = (5, 10, 20, 50)
REFERENCE = 200


def main() -> None:
    """One table: receivers x covariance x levels."""
    options = parser(__doc__).parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    rows = []
    for receivers in options.receivers:
        s = study(truth, receivers)
        for name in NAMES:
            if name == "gaussian" and options.pixels != prior.image_shape[-1]:
                continue
            row = [str(receivers), name]
            for levels in (*LEVELS, *[REFERENCE] * (name == "isotropic")):
                lmaps = LMAPS(prior, s.operator, num_steps=levels, covariance=name)
                x = in_chunks(lambda y, run=lmaps: run(y).samples[:, 0], s.y)
                row.append(f"{psnr(x, truth).mean():.2f}")
            print(*row, flush=True)
            rows.append(row + [""] * (name != "isotropic"))
    report(
        "covariances",
        "PSNR in dB of one sample against the number of noise levels",
        ["receivers", "covariance", *map(str, LEVELS), str(REFERENCE)],
        rows,
        pixels=options.pixels,
        cases=options.cases,
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

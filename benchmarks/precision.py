"""The denoiser in bfloat16 against float32; the loop's overhead; batch size and threads."""

import torch
from common import objects, parser, prior_facts, psnr, report, study

from lmaps_science import LMAPS, load_prior


def main() -> None:
    """One table: time and PSNR by precision, then what batch and threads change."""
    p = parser(__doc__)
    p.set_defaults(cases=8, receivers=[360])
    options = p.parse_args()
    prior = load_prior(options.prior)
    truth = objects(options.data, "test", options.cases, options.pixels)
    s = study(truth, options.receivers[0])
    lmaps = LMAPS(prior, s.operator)
    reference = lmaps(s.y).samples[:, 0]  # also the warm-up

    rows = []
    for label, bfloat16 in (("bfloat16", True), ("float32", False)) * 2:
        prior.use_bfloat16 = bfloat16
        result = lmaps(s.y)
        total, network = (sum(result.history[k]) for k in ("seconds", "denoiser_seconds"))
        rows.append(
            [
                f"{label}, batch {options.cases}",
                f"{network:.2f}",
                f"{total:.2f}",
                f"{total / network:.3f}",
                f"{psnr(result.samples[:, 0], truth).mean():.2f}",
                "",
            ]
        )
    prior.use_bfloat16 = True

    def change(x: torch.Tensor) -> str:
        return f"{(x - reference).abs().max():.1e}"

    single = torch.cat([lmaps(y[None]).samples[:, 0] for y in s.y])
    rows.append(["bfloat16, batch 1", "", "", "", "", change(single)])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows.append(["bfloat16, one thread", "", "", "", "", change(lmaps(s.y).samples[:, 0])])
    torch.set_num_threads(threads)
    prior.use_bfloat16 = False
    reference = lmaps(s.y).samples[:, 0]
    single = torch.cat([lmaps(y[None]).samples[:, 0] for y in s.y])
    rows.append(["float32, batch 1", "", "", "", "", change(single)])
    report(
        "precision",
        f"Denoiser precision and overhead, {options.cases} cases, 20 levels",
        ["run", "denoiser, s", "total, s", "total / denoiser", "PSNR, dB", "largest change"],
        rows,
        pixels=options.pixels,
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

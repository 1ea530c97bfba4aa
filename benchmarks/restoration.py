"""Restoration of held-out cells: LMAPS beside PiGDM and DPS with one prior.

The constants of the others are tuned on training cells, for each kind of degradation at its
middle strength, by PSNR. They see the degradation through the same proxy.
"""

import torch
from common import objects, parser, prior_facts, psnr, report, timed
from restoration_common import DEGRADATIONS, METHODS, case, tuned, with_constant

from lmaps_science import LMAPS, load_prior

TUNING_CASES = 2
TUNED_ON = {
    "JPEG 5": "JPEG 10",
    "JPEG 20": "JPEG 10",
    "2 bits": "3 bits",
    "4 bits": "3 bits",
}
SAMPLES = 4
AVERAGED = ("PiGDM",)


def main() -> None:
    """One table: degradation x method."""
    p = parser(__doc__)
    p.set_defaults(pixels=64, cases=8)
    options = p.parse_args()
    torch.set_num_threads(1)
    prior = load_prior(options.prior).requires_grad_(False)
    truth = objects(options.data, "test", options.cases, options.pixels).float()
    training = objects(options.data, "train", TUNING_CASES, options.pixels).float()
    constants: dict[tuple[str, str], float] = {}
    rows = []
    for name in DEGRADATIONS:
        s = case(name, truth)
        before = psnr(s.picture, truth)
        result, seconds = timed(lambda s=s: LMAPS(prior, s.operator)(s.y, SAMPLES).samples)
        one = psnr(result[:, 0], truth)
        found = {
            "LMAPS": (one, seconds / SAMPLES, ""),
            f"LMAPS, mean of {SAMPLES}": (psnr(result.mean(1), truth), seconds, ""),
        }
        for method in METHODS:
            key = (TUNED_ON.get(name, name), method)
            if key not in constants:
                constants[key] = tuned(method, prior, case(key[0], training), psnr)
            run = with_constant(method, constants[key])
            told = f"{METHODS[method][1]}={constants[key]:g}"
            x, seconds = timed(lambda s=s, run=run: run(prior, s))
            found[method] = (psnr(x, truth), seconds, told)
            if method in AVERAGED:
                others = [run(prior, s, seed=k) for k in range(1, SAMPLES)]
                mean = torch.stack([x, *others]).mean(0)
                found[f"{method}, mean of {SAMPLES}"] = (
                    psnr(mean, truth),
                    SAMPLES * seconds,
                    told,
                )
        for method, (quality, seconds, told) in found.items():
            # Like beside like: one sample of ours beside one, the mean beside means.
            ours = found[f"LMAPS, mean of {SAMPLES}"][0] if "mean" in method else one
            gain, behind = quality - before, ours - quality
            error = (len(truth)) ** 0.5
            rows.append(
                [
                    name,
                    method,
                    f"{before.mean():.2f}",
                    f"{quality.mean():.2f}",
                    f"{gain.mean():+.2f} ± {gain.std() / error:.2f}",
                    f"{behind.mean():+.2f} ± {behind.std() / error:.2f}",
                    f"{seconds / len(truth):.2f}",
                    told,
                ]
            )
            print(*rows[-1], sep=" | ", flush=True)
    report(
        "restoration",
        "Restoration of held-out cells, one prior",
        [
            "degradation",
            "method",
            "input PSNR",
            "PSNR",
            "gain, dB",
            "LMAPS ahead, dB",
            "s an image",
            "tuned",
        ],
        rows,
        pixels=options.pixels,
        cases=len(truth),
        prior=prior_facts(prior),
    )


if __name__ == "__main__":
    main()

"""M87* on two days in two bands, one setting for all, with each of the priors."""

from blackhole_common import FILES, HEADER, cells, image, parser, read
from common import prior_facts, report

from lmaps_science import load_prior


def main() -> None:
    """Print one row per file and prior."""
    p = parser(__doc__)
    p.add_argument("--priors", nargs="+", default=["blackhole-64", "sources-64"])
    options = p.parse_args()
    rows, facts = [], {}
    for name in options.priors:
        prior = load_prior(name)
        facts[f"prior {prior.name}"] = prior_facts(prior)
        for file in FILES:
            result = image(read(options.data, file), prior, options.samples)
            rows.append([file, prior.name, *cells(result)])
            print(rows[-1], flush=True)
    report("blackhole_real", "M87* from closures", ["data", "prior", *HEADER], rows, **facts)


if __name__ == "__main__":
    main()

"""Gradient of the black-hole loss against InverseBench's own; calls alternate."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import report

from lmaps_science.problems import BlackHoleImaging


def main() -> None:
    """One table."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkout", type=Path, help="folder of an InverseBench checkout")
    p.add_argument("root", type=Path, help="folder with obs.uvfits and gt.fits")
    p.add_argument("--repeats", type=int, default=20)
    options = p.parse_args()
    sys.path.insert(0, str(options.checkout))
    from inverse_problems.blackhole import BlackHoleImaging as Host

    host = Host(root=str(options.root), ttype="direct", device="cpu")
    ours = BlackHoleImaging.from_inversebench(options.root)
    generator = torch.Generator().manual_seed(0)
    x, truth = 2 * torch.rand(2, 1, 1, 64, 64, generator=generator) - 1
    y = ours({"target": truth}, generator)
    calls: list[Callable[[], torch.Tensor]] = [
        lambda: host.gradient(x, y),
        lambda: ours.gradient(x, y),
        lambda: ours.gradient(x.repeat(16, 1, 1, 1), y),
    ]
    times = np.zeros((options.repeats, len(calls)))
    for repeat in range(-1, options.repeats):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            times[repeat, number] = 1e3 * (time.perf_counter() - start)
    theirs, one, sixteen = np.median(times, 0)
    expected = host.gradient(x, y)
    difference = float((ours.gradient(x, y) - expected).norm() / expected.norm())
    report(
        "blackhole_operator",
        "One gradient, 64×64",
        [
            "visibilities",
            "InverseBench, ms",
            "ours, ms",
            "ours per image of 16, ms",
            "ratio of medians",
            "relative difference",
        ],
        [
            [
                str(len(ours.sampling) - 1),
                *(f"{value:.2f}" for value in (theirs, one, sixteen / 16)),
                f"{theirs / one:.1f}",
                f"{difference:.1e}",
            ]
        ],
        command="python benchmarks/blackhole_operator.py CHECKOUT FOLDER",
    )


if __name__ == "__main__":
    main()

"""Gradient of the scattering loss against InverseBench's own, and the cost of the set-up.

Both gradients are of the same loss at the same image; calls alternate, so that both meet the
same load on the machine.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import report

from lmaps_science.problems import InverseScattering


def alternate(calls: list[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Milliseconds of each call, `repeats` times in turn, after one to warm up."""
    times: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if repeat:
                own.append(1e3 * (time.perf_counter() - start))
    return times


def set_up(receivers: int) -> tuple[InverseScattering, float, float]:
    """The operator with its spectrum, and wall and processor seconds that took."""
    wall, processor = time.perf_counter(), time.process_time()
    operator = InverseScattering(num_receivers=receivers)
    operator.spectrum()
    return operator, time.perf_counter() - wall, time.process_time() - processor


def compare(host: Any, receivers: int, repeats: int) -> list[str]:  # noqa: ANN401
    """A row of the table: milliseconds of the host's gradient and of ours, and how they differ."""
    ours = InverseScattering(num_receivers=receivers)
    generator = torch.Generator().manual_seed(0)
    x, truth = 2 * torch.rand(2, 1, 1, 128, 128, generator=generator) - 1
    y = ours({"target": truth.double()}, generator)
    single, batch = y.to(torch.complex64), x.repeat(8, 1, 1, 1)
    calls = [
        lambda: host.gradient(x, y),
        lambda: ours.gradient(x, single),
        lambda: ours.gradient(batch, single),
    ]
    expected = host.gradient(x, y)
    difference = (ours.gradient(x, single) - expected).norm() / expected.norm()
    theirs, one, eight = (sorted(times) for times in alternate(calls, repeats))
    middle = repeats // 2
    return [
        str(receivers),
        f"{theirs[middle]:.1f}",
        f"{one[middle]:.1f}",
        f"{eight[middle] / 8:.1f}",
        f"{theirs[middle] / one[middle]:.1f}",
        f"{theirs[0] / one[0]:.1f}",
        f"{difference:.1e}",
    ]


def main() -> None:
    """Two tables: gradients, and set-up if asked for."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkout", type=Path, help="folder of an InverseBench checkout")
    p.add_argument("--receivers", type=int, nargs="+", default=[360, 180, 60])
    p.add_argument("--repeats", type=int, default=30)
    p.add_argument("--set-up", action="store_true", help="also time the spectrum (minutes)")
    options = p.parse_args()
    sys.path.insert(0, str(options.checkout))
    from inverse_problems.inverse_scatter import InverseScatter

    normalisation = {"sigma_noise": 1e-4, "unnorm_shift": 1.0, "unnorm_scale": 0.5}
    hosts = {
        receivers: InverseScatter(
            numTrans=20, numRec=receivers, svd=False, device="cpu", **normalisation
        )
        for receivers in options.receivers
    }
    report(
        "scattering_gradient",
        "One gradient, 128×128, 20 transmitters",
        [
            "receivers",
            "InverseBench, ms",
            "ours, ms",
            "ours per image of 8, ms",
            "ratio of medians",
            "ratio of minima",
            "relative difference",
        ],
        [compare(host, receivers, options.repeats) for receivers, host in hosts.items()],
        command="python benchmarks/scattering_gradient.py CHECKOUT",
    )
    if options.set_up:
        report_set_up(options.receivers)


def report_set_up(geometries: list[int]) -> None:
    """The set-up from nothing, then from the cache."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LMAPS_CACHE"] = folder
        for receivers in geometries:
            operator, wall, processor = set_up(receivers)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            _, cached, _ = set_up(receivers)
            rank = str(len(operator.spectrum().values))
            seconds = [f"{value:.1f}" for value in (wall, processor, cached)]
            rows.append([str(receivers), rank, *seconds, f"{peak:.1f}"])
    report(
        "scattering_set_up",
        "Set-up with the spectrum, 128×128, 20 transmitters",
        ["receivers", "rank", "s", "processor s", "s from the cache", "peak memory so far, GiB"],
        rows,
        command="python benchmarks/scattering_gradient.py CHECKOUT --set-up",
    )


if __name__ == "__main__":
    main()

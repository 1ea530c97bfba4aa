"""What `ProxyGradient` costs beside a call of the true forward: median of alternating calls."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from common import report
from torch import Tensor

from lmaps_science.problems.restoration.quantised import JPEG, Quantisation, quality_table
from lmaps_science.proxy import ProxyGradient

SHAPE = (128, 128)
BATCH = 4


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call, which other programs do not disturb."""
    start = time.process_time()
    call()
    return time.process_time() - start


def blur_by_scipy(x: np.ndarray) -> np.ndarray:
    """A forward outside torch."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(x, 3.0, axes=(2, 3))


def main() -> None:
    """One table: forward x overhead."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, 1, *SHAPE, generator=generator) - 0.5
    smooth = torch.nn.functional.avg_pool2d(x, 9, 1, 4)
    jpeg = JPEG(SHAPE, quality_table(10))
    forwards: list[tuple[str, Callable[[Tensor], object], ProxyGradient, int]] = [
        ("JPEG 10 (Pillow)", jpeg.degrade, ProxyGradient(jpeg.degrade), 100),
        (
            "3 bits (torch)",
            Quantisation(SHAPE, 3).degrade,
            ProxyGradient(Quantisation(SHAPE, 3).degrade),
            1000,
        ),
        (
            "Gaussian filter (scipy)",
            lambda x: torch.from_numpy(blur_by_scipy(x.numpy())),
            ProxyGradient(blur_by_scipy, numpy=True),
            1000,
        ),
    ]
    rows = []
    for name, forward, proxy, calls in forwards:
        tracked = smooth.clone().requires_grad_(True)
        times: dict[str, list[float]] = {"true": [], "proxied": [], "pullback": []}
        for _ in range(calls):
            times["true"].append(seconds(lambda forward=forward: forward(smooth)))
            times["proxied"].append(seconds(lambda proxy=proxy, tracked=tracked: proxy(tracked)))
            value = proxy(tracked).sum()
            times["pullback"].append(seconds(value.backward))
        true, proxied, pullback = (statistics.median(t) for t in times.values())
        rows.append(
            [
                name,
                f"{1e3 * true:.3f}",
                f"{1e3 * (proxied - true):+.3f}",
                f"{100 * (proxied / true - 1):+.1f} %",
                f"{1e3 * pullback:.3f}",
                str(calls),
            ]
        )
    report(
        "proxy_overhead",
        "Overhead of the proxy gradient",
        ["forward", "alone, ms", "proxy adds, ms", "overhead", "backward, ms", "calls"],
        rows,
        images=f"{BATCH} of {SHAPE[0]}×{SHAPE[1]}",
    )


if __name__ == "__main__":
    main()

"""Every algorithm of an InverseBench checkout on its own operator and on ours, tiny data.

    python compare_algorithms.py CHECKOUT FOLDER PROBLEM

prints one line of JSON per algorithm: what became of it on each operator, the seconds, and
the relative difference of the two results from the same data and seed. Where that is above 1e-3
the noise may be another draw, and the relative errors of both are compared over more seeds. Run it
in a folder of its own: InverseBench caches its SVD there.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from tiny import GENTLE, ONE_BY_ONE, data, host_operator, methods, network, our_operator, seed_host

CHANGES = {"blackhole": GENTLE, "scattering": ONE_BY_ONE, "mri": {}}


SEEDS = 30


def run(
    method: DictConfig,
    operator: object,
    net: torch.nn.Module,
    y: torch.Tensor,
    seed: int = 0,
) -> tuple[str, float, torch.Tensor | None]:
    """What became of it, the seconds, and the result."""
    seed_host(seed)
    start = time.perf_counter()
    try:
        algorithm = instantiate(method, forward_op=operator, net=net)
        result = algorithm.inference(y, num_samples=1).detach()
    except Exception as error:
        reason = error.__cause__ or error  # Hydra wraps what a constructor raises
        return f"{type(reason).__name__}: {str(reason).splitlines()[0][:60]}", 0.0, None
    seconds = time.perf_counter() - start
    if not torch.isfinite(result).all():
        return "not finite", seconds, None
    # DAPS and PnP-DM return zeros when a step has diverged.
    return ("runs", seconds, result) if result.any() else ("diverged to zeros", seconds, None)


def errors(truth: torch.Tensor, *arguments: object) -> list[float]:
    """Relative error over seeds: its mean, and the standard deviation of that."""
    found = [run(*arguments, seed=seed)[2] for seed in range(1, SEEDS + 1)]
    values = [float((x - truth).norm() / truth.norm()) for x in found if x is not None]
    return [float(np.mean(values)), float(np.std(values) / len(values) ** 0.5)]


def main() -> None:
    checkout, folder, problem = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, str(checkout))
    logging.disable(logging.INFO)
    torch.manual_seed(1)
    root = folder / "blackhole"
    host, ours, net = host_operator(problem, root), our_operator(problem, root), network(problem)
    measured = data(problem)
    y = host(measured)
    ours(measured)
    for name, method in methods(checkout, CHANGES[problem]):
        (theirs, their_seconds, expected), (own, seconds, result) = (
            run(method, operator, net, y.clone()) for operator in (host, ours)
        )
        row = {
            "algorithm": name,
            "host": theirs,
            "ours": own,
            "host_seconds": round(their_seconds, 3),
            "seconds": round(seconds, 3),
        }
        if expected is not None and result is not None:
            row["difference"] = float((result - expected).norm() / expected.norm())
            if row["difference"] > 1e-3:
                row["errors"] = [
                    errors(measured["target"], method, operator, net, y.clone())
                    for operator in (host, ours)
                ]
        print("ROW", json.dumps(row), flush=True)  # noqa: T201


main()

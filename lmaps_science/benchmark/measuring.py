"""What a task costs: calls of the denoiser and of the operator, time, memory, where and when."""

import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from typing import Any

from torch import Tensor

from lmaps_science.benchmark.provenance import host_versions
from lmaps_science.operator import Operator
from lmaps_science.prior.preconditioning import Preconditioned
from lmaps_science.samplers import Batched, Sampler
from lmaps_science.solver import Level, Reconstruction

_EVALUATIONS = {"forward": 1, "adjoint": 1, "loss": 1, "loss_and_gradient": 2, "normal": 2}
"""Evaluations of H or J^T in each of an operator's methods; those inside another do not count."""

_PEAK, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Calls:
    """Counts of single images.

    Attributes
    ----------
    denoiser : int
        Images denoised.
    operator : int
        Evaluations of H or J^T on an image by the sampler. Products with the eigenvectors of
        J^T J are none.
    """

    denoiser: int = 0
    operator: int = 0
    _depth: int = field(default=0, repr=False)

    @contextmanager
    def watching(self, operator: Operator) -> Iterator[None]:
        """Count what is asked of this operator."""
        names = [name for name in _EVALUATIONS if hasattr(operator, name)]
        for name in names:
            setattr(operator, name, self._counted(getattr(operator, name), _EVALUATIONS[name]))
        try:
            yield
        finally:
            for name in names:
                delattr(operator, name)

    def _counted(self, method: Callable[..., Any], evaluations: int) -> Callable[..., Any]:
        @wraps(method)
        def call(x: Tensor, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
            self.operator += 0 if self._depth else evaluations * len(x)
            self._depth += 1
            try:
                return method(x, *rest, **named)
            finally:
                self._depth -= 1

        return call


class CountedPrior(Batched):
    """A prior that counts the images that it denoises."""

    def __init__(self, prior: Preconditioned, size: int, calls: Calls) -> None:
        super().__init__(prior, size)
        self.calls = calls

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """Denoised images, (batch, channels, y, x)."""
        self.calls.denoiser += len(x)
        return super().__call__(x, sigma)


def counted(make: Callable[..., Sampler], calls: Calls) -> Callable[..., Sampler]:
    """A factory of samplers that count what they ask of the operator."""

    def factory(prior: Any, operator: Operator, steps: int | None, seed: int) -> Sampler:  # noqa: ANN401
        with calls.watching(operator):
            sampler = make(prior, operator, steps, seed)

        def run(
            y: Tensor, num_samples: int, callback: Callable[[Level], None] | None
        ) -> Reconstruction:
            with calls.watching(operator):
                return sampler(y, num_samples, callback)

        return run

    return factory


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Yields a mapping that holds seconds, memory, host and date once the block is over."""
    _reset_peak()
    cost: dict[str, Any] = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    start, processor = time.perf_counter(), time.process_time()
    yield cost
    cost |= {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - processor,
        "peak_memory_mib": _peak_mib(),
        "host": f"{socket.gethostname()} ({platform.machine()})",
        "host_versions": host_versions(),
    }


def _reset_peak() -> None:
    """Begin a new peak, where the system lets us; else it is that of the process so far."""
    try:
        _RESET.write_text("5")
    except OSError:
        return


def _peak_mib() -> float:
    try:
        line = next(text for text in _PEAK.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        import resource

        scale = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale

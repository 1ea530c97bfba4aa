"""How far a run has come, and how long it will take."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lmaps_science.benchmark.execution import Done
from lmaps_science.benchmark.task import Task


class Progress(NamedTuple):
    """What the callback of `run` receives after each unit.

    Attributes
    ----------
    latest : Done
        What was just finished.
    done, total, failed : int
        Units.
    seconds_left : float or None
        Of all workers together; None as long as nothing is known.
    """

    latest: Done
    done: int
    total: int
    failed: int
    seconds_left: float | None


class Watch:
    """Counts, and the time that is left, by what each method took so far."""

    def __init__(
        self,
        total: int,
        done: int,
        todo: Sequence[Task],
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.total, self.done, self.failed = total, done, list[Done]()
        self.workers, self.callback = 1, callback
        self.left: dict[tuple[str, str], int] = defaultdict(int)
        self.took: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for task in todo:
            self.left[task.group, task.method] += 1

    def tell(self, done: Done) -> None:
        """Count a unit, and tell the callback."""
        if done.error:
            self.failed.append(done)
        if isinstance(done.unit, Task):
            key = (done.unit.group, done.unit.method)
            self.left[key] -= 1
            self.done += not done.error
            self.took[key][0] += done.seconds
            self.took[key][1] += not done.error
        if self.callback is not None:
            progress = Progress(done, self.done, self.total, len(self.failed), self.seconds_left())
            self.callback(progress)

    def seconds_left(self) -> float | None:
        """Of all workers together; None as long as nothing is known."""
        seconds, count = (sum(took[i] for took in self.took.values()) for i in (0, 1))
        if not count:
            return None
        mean = {key: s / n if n else seconds / count for key, (s, n) in self.took.items()}
        expected = sum(n * mean.get(key, seconds / count) for key, n in self.left.items())
        return expected / self.workers

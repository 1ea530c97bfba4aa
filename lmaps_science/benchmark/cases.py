"""Where the cases of a benchmark come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmaps_science.problem import Measurement

NUM_TUNING = 3
"""Cases that a source has to tune constants on."""


@dataclass(frozen=True)
class Simulated:
    """A measurement that was made here.

    Attributes
    ----------
    operator : Operator
        That made it.
    y : Tensor
        Its data, (1, ...).
    truth : Tensor
        In physical units, (1, 1, y, x).
    """

    operator: Any
    y: Tensor
    truth: Tensor | None


@dataclass(frozen=True)
class Source(ABC):
    """Measurements of one kind, by name; the fields of a subclass are its options in a suite.

    Attributes
    ----------
    mirror : str or None
        Folder or address of public data sets that have no address of their own.
    """

    mirror: str | None = field(default=None, kw_only=True, compare=False)

    @abstractmethod
    def cases(self) -> list[str]:
        """Names of the cases to score."""

    def tuning_cases(self) -> list[str]:
        """Names of others, to tune constants on."""
        return []

    @abstractmethod
    def measure(self, case: str, device: str) -> Measurement:
        """The measurement of a case, the same whenever and wherever it is asked for."""

    def measured(self) -> dict[str, Any] | None:
        """How InverseBench would call the measurement's settings, if it can make the same."""
        return None

    def provenance(self) -> dict[str, str]:
        """SHA-256 of what it reads, by name; raises if something is missing."""
        return {}


def make_source(
    problem: str, data: str, options: Mapping[str, Any], mirror: str | None = None
) -> Source:
    """The source that a suite names.

    Raises
    ------
    ValueError
        If there is none, or it has no such option.
    """
    from lmaps_science.benchmark.registry import SOURCES, find_kind

    find_kind(problem)
    known = {name: kind for (p, name), kind in SOURCES.items() if p in (problem, "")}
    if data not in known:
        raise ValueError(
            f"data {data!r}: expected one of {', '.join(known)} for problem {problem!r}"
        )
    kind = known[data]
    takes = [f.name for f in fields(kind) if f.name not in ("mirror", "problem")]
    if unknown := sorted(set(options) - set(takes)):
        raise ValueError(
            f"{', '.join(unknown)}: not an option of data {data!r}, which has "
            f"{', '.join(takes) or 'none'}"
        )
    extra = {"problem": problem} if any(f.name == "problem" for f in fields(kind)) else {}
    return kind(**options, **extra, mirror=mirror)


def seed_of(case: str) -> int:
    """A seed that depends on the name of a case alone."""
    return int.from_bytes(sha256(case.encode()).digest()[:4], "big")


def generator_of(case: str) -> torch.Generator:
    """Random numbers that depend on the name of a case alone."""
    return torch.Generator().manual_seed(seed_of(case))


@cache
def data_set_file(name: str, mirror: str | None) -> Path:
    """The first file of a public data set, fetched and verified once in each process."""
    from lmaps_science.datasets import get_data

    return get_data(name, mirror=mirror)[0]


def numbered(name: str, count: int) -> list[str]:
    """``name-1`` to ``name-count``, sorted by name as by number."""
    width = len(str(count))
    return [f"{name}-{index:0{width}d}" for index in range(1, count + 1)]


def index_of(case: str) -> int:
    """The number of a `numbered` case, from 0."""
    return int(case.rsplit("-", 1)[1]) - 1

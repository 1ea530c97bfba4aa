"""What a benchmark was run with: versions, weights, data."""

import platform
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lmaps_science.benchmark.methods import find_method
from lmaps_science.benchmark.mixture import KnownPrior
from lmaps_science.benchmark.suite import Suite
from lmaps_science.prior.registry import file_sha256, verified_path

_PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "sigpy", "ehtim", "deepinv")


def provenance(suite: Suite, mirror: str | None) -> dict[str, Any]:
    """What must be the same for results to lie in one folder.

    Returns
    -------
    dict
        ``versions`` of this package, ``cases`` of each group by name, ``priors`` and ``data``:
        SHA-256 by name.

    Raises
    ------
    ValueError, OSError
        If a prior or a data set is missing.
    """
    sources = {group.name: group.source(mirror) for group in suite.groups}
    return {
        "cases": {group.name: group.case_names(sources[group.name]) for group in suite.groups},
        "versions": {"lmaps-science": version("lmaps-science")},
        "priors": _priors(suite),
        "data": {
            name: sha256
            for source in sources.values()
            for name, sha256 in source.provenance().items()
        },
    }


def _priors(suite: Suite) -> Mapping[str, str]:
    used = {
        group.prior
        for group in suite.groups
        if group.prior != KnownPrior.name
        and any(find_method(method.method).uses_prior for method in group.methods)
    }
    return {name: file_sha256(_path(name)) for name in sorted(used)}


def _path(name: str) -> Path:
    path = Path(name)
    return path if path.is_file() else verified_path(name)


@lru_cache(maxsize=1)
def host_versions() -> dict[str, str]:
    """Versions that may differ between machines, whose rounding then does."""
    packages = {name: _version(name) for name in _PACKAGES}
    return {"python": platform.python_version()} | {n: v for n, v in packages.items() if v}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

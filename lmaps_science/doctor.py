"""What ``lmaps doctor`` reports: whether this installation is sound and fast."""

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

import torch

from lmaps_science import cache
from lmaps_science.prior.preconditioning import computes_in_bfloat16
from lmaps_science.prior.registry import PriorRecord, list_priors, verified_path


class Finding(NamedTuple):
    """One line of the report; `healthy` is None where there is nothing to judge."""

    name: str
    value: str
    healthy: bool | None = None


def examine() -> list[Finding]:
    """All findings; a check that fails is a finding too."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions,
        _hardware,
        _cache,
        _priors,
        _hydra,
        _extras,
    )
    return [finding for check in checks for finding in _findings(check)]


def _findings(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:  # a broken installation may fail anywhere
        return [Finding(check.__name__.strip("_"), f"{error}", healthy=False)]


def _versions() -> Iterator[Finding]:
    yield Finding("lmaps-science", version("lmaps-science"))
    yield Finding("Python", f"{platform.python_version()}, {platform.platform()}")
    names = ("torch", "numpy", "scipy", "h5py", "safetensors", "hydra-core")
    yield Finding("packages", ", ".join(f"{name} {version(name)}" for name in names))


def _hardware() -> Iterator[Finding]:
    cores = os.cpu_count()
    yield Finding("processor", f"{cores} cores, PyTorch uses {torch.get_num_threads()} threads")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("GPU", ", ".join(gpus) or "none found by PyTorch")
    ratio = _seconds(torch.float32) / _seconds(torch.bfloat16)
    words = f"{ratio:.1f} times as fast as" if ratio > 1 else f"{1 / ratio:.1f} times slower than"
    used = "bfloat16" if computes_in_bfloat16("cpu") else "float32"
    yield Finding(
        "bfloat16", f"a convolution is {words} in float32 on this processor: priors use {used}"
    )


def _seconds(dtype: torch.dtype) -> float:
    """Least of five times of a convolution such as the priors are made of."""
    x = torch.zeros(4, 64, 64, 64, dtype=dtype).contiguous(memory_format=torch.channels_last)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, dtype=dtype)
    times = []
    with torch.no_grad():
        for _ in range(6):
            start = time.perf_counter()
            layer(x)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def _cache() -> Iterator[Finding]:
    held = cache.describe()
    if held.folder is None:
        yield Finding("cache", "switched off by LMAPS_CACHE")
        return
    size = f"{held.num_files} files, {held.num_bytes / 2**20:.0f} of {held.max_bytes >> 20} MiB"
    existing = next(path for path in (held.folder, *held.folder.parents) if path.exists())
    writable = os.access(existing, os.W_OK)
    yield Finding("cache", f"{held.folder}, {size}{'' if writable else ', not writable'}", writable)


def _priors() -> Iterator[Finding]:
    records = list_priors()
    if not records:
        yield Finding("priors", "none are installed; `lmaps train` makes one", healthy=False)
    yield from map(_prior, records)


def _prior(record: PriorRecord) -> Finding:
    name = f"prior {record.name}"
    try:
        verified_path(record.name)
    except (ValueError, OSError) as error:
        return Finding(name, str(error), healthy=False)
    shape = "×".join(map(str, record.image_shape))
    return Finding(name, f"{shape}, {record.bytes / 2**20:.1f} MiB, verified", healthy=True)


def _hydra() -> Iterator[Finding]:
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    modules = {plugin.__module__ for plugin in Plugins.instance().discover(SearchPathPlugin)}
    found = any(module.startswith("hydra_plugins.lmaps_science") for module in modules)
    yield Finding(
        "InverseBench plugin",
        "found by Hydra: algorithm=lmaps works" if found else "not found by Hydra; reinstall",
        found,
    )


def _extras() -> Iterator[Finding]:
    for extra, packages in _extra_packages().items():
        missing = [name for name in packages if not _installed(name)]
        advice = f'lacks {", ".join(missing)}: pip install "lmaps-science[{extra}]"'
        yield Finding(f"extra {extra}", advice if missing else "installed")
    if _installed("wandb"):
        advice = "InverseBench's wandb=True passes an argument that current wandb rejects"
        yield Finding("wandb", f"{version('wandb')}; {advice}")


def _extra_packages() -> dict[str, list[str]]:
    """Packages of each optional extra for users, from the installed metadata."""
    extras: dict[str, list[str]] = {}
    for line in requires("lmaps-science") or ():
        match = re.match(r"""([\w.-]+).*;\s*extra\s*==\s*['"](\w+)['"]""", line)
        if match and match[2] not in ("dev", "all"):
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True

"""A checkout of InverseBench: whether it runs here, and its ``main.py`` with what it needs."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lmaps_science.doctor import Finding

_PARTS = ("main.py", "eval.py", "algo", "configs", "inverse_problems", "training")
_ADDRESS = "https://github.com/devzhk/InverseBench"

_PACKAGES = ("torchvision", "wandb", "piq", "lmdb", "scikit-image", "tqdm", "requests")
_OF_PROBLEMS = {"blackhole": ("ehtim", "pandas"), "fwi": ("devito", "distributed")}

_EVALUATOR = "problem.evaluator._target_=lmaps_science.inversebench.evaluators.Image"
_NEEDED = {
    "inv-scatter": ("pretrain=inv-scatter", "+problem.model.svd=False"),
    "blackhole": (
        "pretrain=blackhole",
        "+problem.model.ttype=direct",
        "problem.model.noise_type=vis_thermal",
    ),
    "ffhq": ("pretrain=ffhq256", _EVALUATOR),
    "fwi": ("pretrain=fwi",),
    "multi-coil-mri-brain": ("pretrain=mri-brain-mvue",),
    "multi-coil-mri-knee": ("pretrain=mri-knee-mvue",),
    "navier-stokes": ("pretrain=navier-stokes",),
}
"""Overrides by the beginning of a problem's name.

Without them: the network of another problem; minutes of a dense SVD; a Fourier transform whose
package no longer builds, and unseeded station gains; LPIPS weights.
"""
_NEEDED_BY_LMAPS = {"navier-stokes": ("algorithm.method.through_no_grad=true",)}


def check_checkout(folder: str | Path) -> Path:
    """The folder, if it is a checkout of InverseBench.

    Raises
    ------
    ValueError
        If it is not; the message names what is missing.
    """
    folder = Path(folder)
    missing = [part for part in _PARTS if not (folder / part).exists()]
    if missing:
        raise ValueError(
            f"{folder}: expected a checkout of InverseBench, {', '.join(missing)} missing: git "
            f"clone {_ADDRESS}"
        )
    return folder


def needed_overrides(overrides: Sequence[str]) -> list[str]:
    """What a command line lacks, with which `main.py` would not run or run for nothing.

    Parameters
    ----------
    overrides : sequence of str
        Of Hydra, such as ``problem=blackhole``.

    Returns
    -------
    list of str
        Overrides to add; none of a key that is given.
    """
    given = {_key(override): override.partition("=")[2] for override in overrides}
    problem, algorithm = given.get("problem", "navier-stokes"), given.get("algorithm", "")
    tables = [_NEEDED] + ([_NEEDED_BY_LMAPS] if algorithm.startswith("lmaps") else [])
    wanted = [
        override
        for table in tables
        for name, overrides_of_it in table.items()
        if problem.startswith(name)
        for override in overrides_of_it
    ]
    return [override for override in wanted if _key(override) not in given]


def run_main(checkout: Path, overrides: Sequence[str]) -> int:
    """Run the checkout's ``main.py`` in its folder; its exit code.

    What it lacks is added, see `needed_overrides`.
    """
    command = [sys.executable, "main.py", *overrides, *needed_overrides(overrides)]
    return subprocess.run(command, cwd=checkout, check=False).returncode  # noqa: S603


def examine_packages() -> list[Finding]:
    """What InverseBench imports."""
    return [
        Finding("hydra-core", *_in_range("hydra-core", (1, 3), (1, 5))),
        *(Finding(name, *_importable(name)) for name in _PACKAGES),
    ]


def check_packages() -> None:
    """Check that InverseBench can be imported here.

    Raises
    ------
    ValueError
        If not; the message names every package and what to do.
    """
    bad = [f"{name} {value}" for name, value, healthy in examine_packages() if not healthy]
    if bad:
        raise ValueError(f"InverseBench does not run here: {'; '.join(bad)}")


def examine_problems(checkout: Path) -> list[Finding]:
    """For each problem its command, and which data, weights and packages it lacks."""
    return list(_problems(checkout))


def _importable(name: str) -> tuple[str, bool]:
    found = _version(name)
    if found is None:
        return f"missing: pip install {name}", False
    if name == "torchvision":  # it is built for one version of torch, and fails beside others
        try:
            import_module(name)
        except Exception as error:  # whatever it raises: ImportError, RuntimeError, OSError
            torch = _version("torch")
            why = str(error).splitlines()[0]
            return f"{found} does not import beside torch {torch} ({why}): reinstall both", False
    return found, True


def _in_range(name: str, low: tuple[int, int], high: tuple[int, int]) -> tuple[str, bool]:
    found = _version(name)
    if found is None:
        return f"missing: pip install {name}", False
    major, minor = (int(part) for part in found.split(".")[:2])
    if low <= (major, minor) < high:
        return found, True
    limits = ", ".join(f"{sign}{a}.{b}" for sign, (a, b) in ((">=", low), ("<", high)))
    return f"{found}, InverseBench needs {limits}: pip install '{name}{limits}'", False


def _problems(checkout: Path) -> Iterator[Finding]:
    for path in sorted((checkout / "configs" / "problem").glob("*.yaml")):
        lacking = list(_lacking(checkout, path))
        overrides = [f"problem={path.stem}", "algorithm=lmaps"]
        command = " ".join(["python main.py", *overrides, *needed_overrides(overrides)])
        ready = "ready" if not lacking else "; ".join(lacking)
        yield Finding(path.stem, f"{ready}\n{command}", None if lacking else True)


def _lacking(checkout: Path, path: Path) -> Iterator[str]:
    from omegaconf import OmegaConf

    config: Any = OmegaConf.load(path)
    for what, where in (("data", config.data.get("root")), ("prior", config.get("prior"))):
        if where is not None and not (checkout / where).exists():
            key = {"data": "problem.data.root", "prior": "problem.prior"}[what]
            yield f"no {what} at {where} ({key}=...)"
    for name, packages in _OF_PROBLEMS.items():
        if path.stem.startswith(name):
            yield from (f"{p} missing: pip install {p}" for p in packages if _version(p) is None)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

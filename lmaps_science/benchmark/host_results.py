"""Results that InverseBench itself wrote, ``result_*.pt``, as rows beside ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_PROBLEMS = {
    "InverseScatter": "scattering",
    "MultiCoilMRI": "mri",
    "BlackHoleImaging": "blackhole",
}
_IRRELEVANT = {"_target_", "svd", "ttype", "root", "device"}


def find_results(folder: Path) -> list[Path]:
    """Files of results in a folder and those below it."""
    return sorted(folder.rglob("result_*.pt"))


def read_results(folder: Path) -> list[dict[str, Any]]:
    """One row for each result; the image is the mean of its samples.

    Parameters
    ----------
    folder : Path
        ``exps/inference`` of a checkout, or a part of it: ``config.yaml`` lies beside the results.

    Returns
    -------
    list of dict
        Rows as `Store.rows` gives them. ``settings["measured"]`` tells how the data were measured.

    Raises
    ------
    ValueError
        If there is no result, or one cannot be read.
    """
    rows = [row for path in find_results(folder) for row in _rows(path)]
    if not rows:
        raise ValueError(f"{folder}: expected results of `lmaps benchmark run` or of InverseBench")
    return rows


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    config = _config(path)
    target = str(config["problem"]["model"]["_target_"]).rsplit(".", 1)[-1]
    if target not in _PROBLEMS:
        return
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        images, truth = found["recon"].double(), found["target"].double()
    except Exception as error:
        raise ValueError(f"{path}: not a result of InverseBench ({_first(error)})") from error
    problem = _PROBLEMS[target]
    measured = {k: v for k, v in config["problem"]["model"].items() if k not in _IRRELEVANT}
    truth = truth.reshape(-1, *truth.shape[-3:])[:1]
    mean = images.reshape(-1, *truth.shape[1:]).mean(0, keepdim=True)
    yield {
        "problem": problem,
        "group": f"InverseBench, {config['problem']['name']}: {_told(measured)}",
        "case": path.stem,
        "method": f"InverseBench, {_method(config)}",
        "seed": int(config.get("seed", 0)),
        **_metrics(problem, mean, truth),
        "num_samples": len(images),
        "settings": {"measured": measured, "prior": config["problem"].get("prior")},
        "notes": [],
    }


def _metrics(problem: str, image: Tensor, truth: Tensor) -> dict[str, float]:
    """The figures that ours are told by, of images in InverseBench's units."""
    from lmaps_science.problems import metrics
    from lmaps_science.problems.blackhole.metrics import aligned_psnr
    from lmaps_science.problems.mri import metrics as mri
    from lmaps_science.problems.scattering.metrics import nrmse, ssim

    if problem == "mri":
        return {"psnr": float(mri.psnr(image, truth)), "ssim": float(mri.ssim(image, truth))}
    if problem == "blackhole":
        return {name: float(value) for name, value in aligned_psnr(image, truth).items()}
    functions = {"psnr": metrics.psnr, "ssim": ssim, "nrmse": nrmse}
    return {name: round(float(f(image, truth)), 5) for name, f in functions.items()}


def _config(path: Path) -> Mapping[str, Any]:
    from omegaconf import OmegaConf

    config = path.with_name("config.yaml")
    if not config.is_file():
        raise ValueError(f"{config}: missing, InverseBench writes it beside its results")
    content = OmegaConf.to_container(OmegaConf.load(config), resolve=False)
    assert isinstance(content, dict)  # noqa: S101 - InverseBench wrote it
    return {str(key): value for key, value in content.items()}


def _method(config: Mapping[str, Any]) -> str:
    name, run = config["algorithm"]["name"], config.get("exp_name", "default")
    return str(name) if run in ("default", "") else f"{name} ({run})"


def _told(measured: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in measured.items())


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

"""What the studies share: held-out cells, operators, the prior, tables with provenance."""

import argparse
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lmaps_science.problems import InverseScattering
from lmaps_science.problems.scattering.objects import cells

RESULTS = Path(__file__).parent / "results"
TILES = "dsb2018_fluo_tiles128.npz"


@dataclass(frozen=True)
class Study:
    """Objects, operator and data of one geometry.

    Attributes
    ----------
    truth : Tensor
        (cases, 1, y, x) in [-1, 1].
    operator : InverseScattering
        20 transmitters on the whole circle.
    y : Tensor
        Noisy data, (cases, transmitters, receivers).
    """

    truth: Tensor
    operator: InverseScattering
    y: Tensor


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every study takes."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--data", type=Path, required=True, help=f"folder that holds {TILES}")
    p.add_argument("--prior", default="cells-128")
    p.add_argument("--pixels", type=int, default=128, choices=(64, 128))
    p.add_argument("--cases", type=int, default=20)
    p.add_argument("--receivers", type=int, nargs="+", default=[360, 180, 60])
    return p


def objects(data: Path, split: str, count: int, pixels: int) -> Tensor:
    """`count` tiles of as many different images, cropped to the centre `pixels`."""
    tiles, image = cells(data / TILES, split, return_index=True)
    order = np.random.default_rng(11).permutation(len(tiles))
    _, first = np.unique(image[order], return_index=True)
    chosen = order[np.sort(first)][:count]
    start = (tiles.shape[-1] - pixels) // 2
    crop = tiles[chosen][:, start : start + pixels, start : start + pixels]
    return torch.from_numpy(np.ascontiguousarray(crop))[:, None]


def study(truth: Tensor, receivers: int) -> Study:
    """Measure `truth` with one noise seed per case."""
    operator = InverseScattering(num_pixels=truth.shape[-1], num_receivers=receivers)
    y = torch.cat(
        [
            operator({"target": x[None]}, torch.Generator().manual_seed(case))
            for case, x in enumerate(truth.double())
        ]
    )
    return Study(truth, operator, y)


def psnr(x: Tensor, truth: Tensor) -> Tensor:
    """PSNR of each image in dB, both clipped to [-1, 1], data range 2."""
    error = (x.clamp(-1, 1) - truth) / 2
    return -10 * torch.log10(error.square().flatten(1).mean(1))


def in_chunks(run: Callable[[Tensor], Tensor], y: Tensor, size: int = 10) -> Tensor:
    """`run` on `size` cases at a time."""
    return torch.cat([run(part) for part in y.split(size)])


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """A result and the seconds it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def report(
    name: str, title: str, header: list[str], rows: Iterable[list[str]], **facts: object
) -> None:
    """Print a Markdown table and keep it, with what made it, under results/."""
    lines = [
        f"# {title}",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    facts = {
        "command": f"python benchmarks/{name}.py",
        **facts,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "date": time.strftime("%Y-%m-%d"),
    }
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    suffix = f"-{facts['pixels']}" if "pixels" in facts else ""
    (RESULTS / f"{name}{suffix}.md").write_text(text)


def prior_facts(prior: object) -> str:
    """Name and hash of the prior in use."""
    return f"{getattr(prior, 'name', '?')} (SHA-256 {str(getattr(prior, 'sha256', '?'))[:16]})"

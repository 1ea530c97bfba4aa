"""InverseBench's operator solved by ours, and as it stands: images and seconds of both.

python benchmarks/inversebench_recognised.py --checkout InverseBench --data DIR
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import objects, report
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from lmaps_science.inversebench.algorithm import LMAPS
from lmaps_science.inversebench.network import export

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "blackhole"
Case = tuple[str, str, Any, dict[str, Tensor]]
"""What it is, the prior, InverseBench's operator, the object."""


def network(name: str, folder: Path) -> nn.Module:
    """A prior as InverseBench loads it."""
    weights, config = export(name, folder / f"{name}.pt")
    net: nn.Module = instantiate(OmegaConf.load(config).model)
    net.load_state_dict(torch.load(weights, weights_only=True)["ema"])
    return net.eval()


def scattering(data: Path, receivers: int) -> Case:
    """A held-out cell."""
    from inverse_problems.inverse_scatter import InverseScatter

    scale = {"unnorm_shift": 1.0, "unnorm_scale": 0.5, "sigma_noise": 1e-4}
    host = InverseScatter(numTrans=20, numRec=receivers, svd=False, device="cpu", **scale)
    what = f"inv-scatter, 128×128, 20 × {receivers}"
    return what, "cells-128", host, {"target": objects(data, "test", 1, 128)}


def blackhole() -> Case:
    """A crescent."""
    from inverse_problems.blackhole import BlackHoleImaging

    host = BlackHoleImaging(str(GOLDEN), noise_type="vis_thermal", ttype="direct", device="cpu")
    y, x = torch.meshgrid(*[torch.arange(64.0) - 31.5] * 2, indexing="ij")
    ring = torch.exp(-((torch.hypot(x, y) - 8) ** 2) / 8) * (1 + 0.5 * y / 8).clamp(min=0.1)
    return (
        "blackhole, 64×64",
        "blackhole-64",
        host,
        {"target": (2 * ring / ring.max() - 1)[None, None]},
    )


def mri() -> Case:
    """A slice of ellipses in eight coils, every fourth line at random."""
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    host = MultiCoilMRI(total_lines=128, acceleration_ratio=4, device="cpu")
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 128)] * 2, indexing="ij")
    angle = torch.arange(8)[:, None, None] * torch.pi / 4
    maps = torch.exp(-((x - angle.cos()) ** 2) - (y - angle.sin()) ** 2) * torch.exp(1j * angle)
    maps = (maps / maps.abs().square().sum(0).sqrt()).to(torch.complex64)[None]
    head = (x**2 / 0.5 + y**2 / 0.7 < 1).float() - 0.5 * ((x**2 + (y - 0.2) ** 2) < 0.1).float()
    image = torch.complex(head, 0.2 * head * x)
    kspace = host.fft(maps * image)
    noise = 0.01 * torch.randn(kspace.shape, dtype=torch.complex64)
    target = torch.view_as_real(image).permute(2, 0, 1)[None]
    objects = {"target": target, "maps": maps, "kspace": kspace + noise}
    return "multi-coil-mri, 128×128, 8 coils, ×4", "brain-128", host, objects


def compare(case: Case, folder: Path) -> list[str]:
    """Both ways, the second image of each: what the first sets up is kept."""
    what, prior, host, scene = case
    torch.manual_seed(0)
    y, net = host(scene), network(prior, folder)
    images, seconds = [], []
    for recognise in (True, False):
        algorithm = LMAPS(net, host, recognise=recognise, verbose=False)
        for _ in range(2 if recognise else 1):
            start = time.perf_counter()
            image = algorithm.inference(y)
            elapsed = time.perf_counter() - start
        images.append(image)
        seconds.append(elapsed)
    difference = float((images[0] - images[1]).norm() / images[1].norm())
    row = [what, f"{difference:.1e}", f"{seconds[0]:.1f}", f"{seconds[1]:.1f}"]
    row.append(f"{seconds[1] / seconds[0]:.0f}")
    print(*row, sep=" | ", flush=True)
    return row


def main() -> None:
    """One row for each problem."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--checkout", type=Path, required=True, help="InverseBench")
    p.add_argument("--data", type=Path, required=True, help="folder of the cells")
    options = p.parse_args()
    sys.path.insert(0, str(options.checkout.absolute()))
    with tempfile.TemporaryDirectory() as folder:
        cases = [scattering(options.data, 60), scattering(options.data, 360), mri(), blackhole()]
        rows = [compare(case, Path(folder)) for case in cases]
    report(
        "inversebench_recognised",
        "algorithm=lmaps with our operator in InverseBench's place, and without",
        ["problem", "relative difference", "s, recognised", "s, as it stands", "times faster"],
        rows,
    )


if __name__ == "__main__":
    main()

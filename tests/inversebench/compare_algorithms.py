"""Every algorithm of an InverseBench checkout on its own operator and on ours, tiny data.

    python compare_algorithms.py CHECKOUT FOLDER PROBLEM

prints one line of JSON per algorithm: what became of it on each operator, the seconds, and
the relative difference of the two results from the same data and seed. Run it in a folder of its
own: InverseBench caches its SVD there.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from lmaps_science.inversebench import operators
from lmaps_science.inversebench.network import HostNetwork

SCHEDULE = {"diffusion_scheduler_config": {"num_steps": 10}}
FEW = {"scheduler_config": {"num_steps": 6}}
SMALLER = {
    "adam": {"num_steps": 5},
    "cs_mri": {},
    "csgm_mri": {"sigmas_config": {"num_steps": 12}, "start_iter": 2},
    "daps": {
        "annealing_scheduler_config": {"num_steps": 6},
        "lgvd_config": {"num_steps": 5},
    },
    "ddnm": FEW,
    "ddrm": FEW,
    "ddsmc": {
        "annealing_scheduler_config": {"num_steps": 6},
        "rho_scheduler_config": {"num_steps": 6},
        "smc_config": {"num_particles": 4},
        "verbose": False,
    },
    "diffpir": SCHEDULE,
    "dpg": {**SCHEDULE, "num_mc_samples": 8, "batch_size": 4},
    "dps": SCHEDULE,
    "dps_gsg": {**SCHEDULE, "num_queries": 8, "batch_size": 4},
    "enkg": {"num_steps": 8, "num_samples": 8, "batch_size": 4},
    "fps": {**FEW, "num_particles": 4},
    "lbfgs": {"num_steps": 3},
    "lgd": SCHEDULE,
    "mcgdiff": {**FEW, "num_particles": 4},
    "pigdm": FEW,
    "pnpdm": {
        "annealing_scheduler_config": {"num_steps": 6},
        # With fewer, the host's stochastic sampler of the prior explodes by itself.
        "diffusion_scheduler_config": {"num_steps": 40},
        "lgvd_config": {"num_steps": 5},
    },
    "reddiff": {"num_steps": 10},
    "scg": {**SCHEDULE, "num_candidates": 4, "batch_size": 2},
    "score_mri": FEW,
    "sitcom": {},
    "uncond": SCHEDULE,
}

# Closures of an image of noise are far from linear: with InverseBench's steps for other problems
# the iterations diverge, and rounding decides where to.
GENTLE = {
    "csgm_mri": {"mse": 1e-3},
    "daps": {"lgvd_config": {"lr": 1e-12}},
    "diffpir": {"sigma_n": 1e3},
    "dps": {"guidance_scale": 1e-3},
    "dps_gsg": {"guidance_scale": 1e-3},
    "enkg": {"guidance_scale": 1e-3},
    "reddiff": {"observation_weight": 1e-8},
    "score_mri": {"lamb": 1e-8},
}


def network(channels: int, side: int) -> HostNetwork:
    """A denoiser of independent Gaussian pixels."""
    unet = {
        "type": "ShuffleUNet",
        "image_channels": channels,
        "channels": [8, 8],
        "num_blocks": 1,
        "stem_channels": 8,
        "embedding_channels": 8,
    }
    preconditioning = {"type": "EDM", "sigma_data": 0.5}
    net = HostNetwork("tiny", unet, preconditioning, (channels, side, side), 100.0)
    return net.eval().requires_grad_(False)


def scattering(folder: Path) -> tuple:
    from inverse_problems.inverse_scatter import InverseScatter

    options = {"Nx": 16, "Ny": 16, "numTrans": 8, "numRec": 32, "sigma_noise": 1e-3}
    host = InverseScatter(**options, unnorm_shift=1.0, unnorm_scale=0.5, device="cpu")
    ours = operators.InverseScatter(**options)
    return host, ours, {"target": torch.rand(1, 1, 16, 16) - 0.5}, network(1, 16)


def blackhole(folder: Path) -> tuple:
    from inverse_problems.blackhole import BlackHoleImaging

    root = str(folder / "blackhole")
    host = BlackHoleImaging(root, ttype="direct", device="cpu")
    y, x = np.mgrid[:64, :64] - 31.5
    ring = np.exp(-((np.hypot(x, y) - 16) ** 2) / 18) * (1 + 0.5 * x / 32)
    target = torch.from_numpy(2 * ring / ring.max() - 1)[None, None]
    return host, operators.BlackHoleImaging(root), {"target": target.float()}, network(1, 64)


def mri(folder: Path) -> tuple:
    from inverse_problems.multi_coil_mri import MultiCoilMRI

    options = {"total_lines": 16, "acceleration_ratio": 2, "device": "cpu"}
    host, ours = MultiCoilMRI(**options), operators.MultiCoilMRI(**options)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 16)] * 2, indexing="ij")
    turns = torch.arange(3) * 2 * torch.pi / 3
    near = torch.exp(
        -((x - turns.cos()[:, None, None]) ** 2 + (y - turns.sin()[:, None, None]) ** 2)
    )
    maps = (near / near.square().sum(0).sqrt()).to(torch.complex64)[None]
    image = torch.complex((x**2 + y**2 < 0.5).float(), 0.2 * (x.abs() < 0.4).float())
    kspace = host.fft(maps * image)
    data = {"target": torch.view_as_real(image).permute(2, 0, 1)[None], "maps": maps}
    return host, ours, {**data, "kspace": kspace + 0.01 * torch.randn_like(kspace)}, network(2, 16)


def run(config: Path, operator: object, net: HostNetwork, y: torch.Tensor, gentle: bool) -> tuple:
    """What became of it, the seconds, and the result."""
    method = OmegaConf.load(config).method
    method = OmegaConf.merge(
        method, SMALLER[config.stem], GENTLE.get(config.stem, {}) if gentle else {}
    )
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the host's own
    start = time.perf_counter()
    try:
        algorithm = instantiate(method, forward_op=operator, net=net)
        result = algorithm.inference(y, num_samples=1).detach()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:80]}", 0.0, None
    seconds = time.perf_counter() - start
    if not torch.isfinite(result).all():
        return "not finite", seconds, None
    # DAPS and PnP-DM return zeros when a step has diverged.
    return ("runs", seconds, result) if result.any() else ("diverged to zeros", seconds, None)


def main() -> None:
    checkout, folder, problem = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, str(checkout))
    logging.disable(logging.INFO)
    torch.manual_seed(1)
    host, ours, data, net = {"scattering": scattering, "blackhole": blackhole, "mri": mri}[problem](
        folder
    )
    y = host(data)
    ours(data)
    for config in sorted((checkout / "configs" / "algorithm").glob("*.yaml")):
        if config.stem not in SMALLER:
            continue
        (theirs, their_seconds, expected), (own, seconds, result) = (
            run(config, operator, net, y.clone(), problem == "blackhole")
            for operator in (host, ours)
        )
        row = {
            "algorithm": config.stem,
            "host": theirs,
            "ours": own,
            "host_seconds": round(their_seconds, 3),
            "seconds": round(seconds, 3),
        }
        if expected is not None and result is not None:
            row["difference"] = float((result - expected).norm() / expected.norm())
        print("ROW", json.dumps(row), flush=True)  # noqa: T201


main()

"""InverseBench's three problems and its algorithms at sizes of seconds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from lmaps_science.inversebench import operators
from lmaps_science.inversebench.network import HostNetwork

PROBLEMS = ("scattering", "mri", "blackhole")

SCATTERING = {"Nx": 16, "Ny": 16, "numTrans": 8, "numRec": 32, "sigma_noise": 1e-3}
MRI = {"total_lines": 16, "acceleration_ratio": 2, "device": "cpu"}
IMAGES = {"scattering": (1, 16), "mri": (2, 16), "blackhole": (1, 64)}
"""Channels and side."""

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
        # With few levels of either, it asks for particles of negative probability.
        "annealing_scheduler_config": {"num_steps": 50},
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

ONE_BY_ONE = {"dpg": {"batch_size": 1}, "scg": {"batch_size": 1}}
"""InverseBench's scattering answers for the first image of a batch only."""


def methods(checkout: Path, changes: dict[str, dict]) -> Iterator[tuple[str, DictConfig]]:
    """Every algorithm of a checkout that is known here: its name, and its method made small."""
    for config in sorted((checkout / "configs" / "algorithm").glob("*.yaml")):
        if config.stem in SMALLER:
            method = OmegaConf.load(config).method
            smaller = OmegaConf.merge(method, SMALLER[config.stem], changes.get(config.stem, {}))
            yield config.stem, smaller


def seed_host(seed: int) -> None:
    """Seed both generators that InverseBench draws from."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the host's own


def network(problem: str) -> HostNetwork:
    """A denoiser of independent Gaussian pixels."""
    channels, side = IMAGES[problem]
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


def our_operator(problem: str, blackhole: Path) -> Any:
    """Our operator in the host's place; `blackhole` is the folder of the observation."""
    if problem == "scattering":
        return operators.InverseScatter(**SCATTERING)
    if problem == "mri":
        return operators.MultiCoilMRI(**MRI)
    return operators.BlackHoleImaging(str(blackhole))


def host_operator(problem: str, blackhole: Path) -> Any:
    """The host's own; its checkout is on the path."""
    if problem == "scattering":
        from inverse_problems.inverse_scatter import InverseScatter

        return InverseScatter(**SCATTERING, unnorm_shift=1.0, unnorm_scale=0.5, device="cpu")
    if problem == "mri":
        from inverse_problems.multi_coil_mri import MultiCoilMRI

        return MultiCoilMRI(**MRI)
    from inverse_problems.blackhole import BlackHoleImaging

    return BlackHoleImaging(str(blackhole), ttype="direct", device="cpu")


def data(problem: str) -> dict[str, torch.Tensor]:
    """One object as the host's data sets give it."""
    if problem == "scattering":
        return {"target": torch.rand(1, 1, 16, 16) - 0.5}
    if problem == "blackhole":
        y, x = np.mgrid[:64, :64] - 31.5
        ring = np.exp(-((np.hypot(x, y) - 16) ** 2) / 18) * (1 + 0.5 * x / 32)
        target = torch.from_numpy(2 * ring / ring.max() - 1)[None, None]
        return {"target": target.float()}
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 16)] * 2, indexing="ij")
    turns = torch.arange(3) * 2 * torch.pi / 3
    near = torch.exp(
        -((x - turns.cos()[:, None, None]) ** 2 + (y - turns.sin()[:, None, None]) ** 2)
    )
    maps = (near / near.square().sum(0).sqrt()).to(torch.complex64)[None]
    image = torch.complex((x**2 + y**2 < 0.5).float(), 0.2 * (x.abs() < 0.4).float())
    kspace = torch.fft.fftshift(
        torch.fft.fft2(torch.fft.ifftshift(maps * image, dim=(-2, -1)), norm="ortho"), dim=(-2, -1)
    )
    kspace = kspace + 0.01 * torch.randn_like(kspace)
    target = torch.view_as_real(image).permute(2, 0, 1)[None]
    return {"target": target, "maps": maps, "kspace": kspace}

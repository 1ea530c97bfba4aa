"""Draw docs/how_it_works.png: what happens at four of the noise levels of one reconstruction.

python docs/make_levels.py
"""

from pathlib import Path

import torch

from lmaps_science import LMAPS, load_prior
from lmaps_science.demo import nuclei
from lmaps_science.plot import save_images
from lmaps_science.problems import InverseScattering
from lmaps_science.problems.metrics import chi_squared
from lmaps_science.solver import Level

SHOWN = (0, 4, 9, 19)
"""Which of the twenty levels."""


def main() -> None:
    """One column for each: x_t, m and x0*."""
    operator = InverseScattering(num_pixels=64, num_transmitters=5, num_receivers=30)
    y = operator({"target": nuclei()[:1, :, 32:96, 32:96]}, torch.Generator().manual_seed(0))
    levels: list[Level] = []
    LMAPS(load_prior("cells-128"), operator)(y, callback=levels.append)

    def misfit(x: torch.Tensor) -> str:
        value = float(chi_squared(operator, x, y))
        return f"{value:.2f}" if value < 10 else f"{value:.0f}"

    shown = [levels[step] for step in SHOWN]
    noisy = {f"$x_t$, σ = {level.sigma:.2g}": level.x for level in shown}
    denoised = {f"m, χ² = {misfit(v.m)}": v.m for v in shown}
    solved = {f"$x_0^*$, χ² = {misfit(v.x0)}": v.x0 for v in shown}
    save_images(
        Path(__file__).parent / "how_it_works.png",
        noisy | denoised | solved,
        columns=len(SHOWN),
        vmin=-1,
        vmax=1,
    )


if __name__ == "__main__":
    main()

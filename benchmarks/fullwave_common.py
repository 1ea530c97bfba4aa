"""What the studies of strong scattering share: simulated objects, and methods to compare with.

Whatever weight a compared method needs is the one that suits the truth best: a bound on what it
can do, which nobody can tune to.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import shift
from scipy.optimize import minimize
from torch import Tensor

from lmaps_science import LMAPS
from lmaps_science.baselines import total_variation
from lmaps_science.problems.scattering.distorted_born import DistortedBorn
from lmaps_science.problems.scattering.fullwave import FullWaveScattering
from lmaps_science.problems.scattering.geometry import Geometry, circle
from lmaps_science.problems.scattering.shapes import draw

WIDTH, SIDE = 0.15, 64
HELD_OUT_SEED = 2 * 10**6
"""Of objects that no prior was trained or measured on."""


def geometry(ghz: float, side: int = SIDE) -> Geometry:
    """Twelve transmitters and 72 receivers around a field 15 cm wide."""
    pixel = WIDTH / side
    # The common centre of two fine pixels is half of one beyond that of the first.
    moved = (WIDTH / SIDE - pixel) / 2
    angles = 2 * np.pi * np.arange(12) / 12
    transmitters = 0.75 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    wavenumber = 2 * np.pi * ghz * 1e9 / 299_792_458
    places = (transmitters + moved, circle(72, 0.75) + moved)
    return Geometry(*places, wavenumber, pixel, (side, side))


def simulated(
    count: int,
    contrast: float,
    ghz: Sequence[float] = (1.0, 2.0, 4.0),
    noise: float = 0.02,
    seed: int = HELD_OUT_SEED,
) -> list[tuple[FullWaveScattering, Tensor, Tensor]]:
    """Operators, data and true contrasts (1, 1, y, x) of held-out objects.

    Fields are computed on a grid twice as fine, and noise of `noise` times their root mean square
    is added.
    """
    fine = draw(count, 2 * SIDE, seed) / 2 + 0.5
    fine = contrast * fine / fine.amax((1, 2, 3), keepdim=True)
    exact = FullWaveScattering([geometry(f, 2 * SIDE) for f in ghz], 1.0, 1.0)
    cases = []
    for k, image in enumerate(fine.split(1)):
        field = exact.forward(exact.normalize(image))[0]
        sigmas = noise * field.abs().square().mean((1, 2)).sqrt()
        generator = torch.Generator().manual_seed(k)
        draws = torch.randn(field.shape, generator=generator, dtype=field.dtype)
        noisy = field + sigmas[:, None, None] * draws
        operator = FullWaveScattering(
            [geometry(f) for f in ghz], sigmas.tolist(), contrast_scale=1.5 * contrast
        )
        truth = torch.nn.functional.avg_pool2d(image, 2)
        cases.append((operator, operator.check_data(noisy), truth))
    return cases


def error(image: Tensor, truth: Tensor) -> float:
    """Relative error of a contrast."""
    return float((image - truth).norm() / truth.norm())


def registered_error(image: Tensor, truth: Tensor) -> tuple[float, NDArray[np.float64]]:
    """Relative error with the truth moved to where it fits best; that move in pixels (y, x)."""
    fixed, moving = image.squeeze().numpy(), truth.squeeze().numpy()

    def misfit(move: NDArray) -> float:
        moved = shift(moving, move, order=1)
        return float(np.linalg.norm(fixed - moved) / np.linalg.norm(moved))

    starts = [np.array([y, x]) for y in (-1.0, 0.0, 1.0) for x in (-1.0, 0.0, 1.0)]
    found = min(
        (minimize(misfit, s, method="Nelder-Mead", options={"xatol": 0.01}) for s in starts),
        key=lambda result: result.fun,
    )
    return found.fun, found.x


def best(images: Iterable[Tensor], truth: Tensor) -> Tensor:
    """The image nearest to the truth."""
    return min(images, key=lambda image: error(image, truth))


def born_total_variation(born: DistortedBorn, y: Tensor, truth: Tensor) -> Tensor:
    """Total variation in the Born approximation, the best of weights a factor 3 apart."""
    weights = 10 ** torch.arange(-5.0, -0.9, 0.5)
    return best((born.unnormalize(total_variation(born, y, float(w))) for w in weights), truth)


def born_lmaps(prior: Callable, operator: FullWaveScattering, y: Tensor, truth: Tensor) -> Tensor:
    """LMAPS in the Born approximation, the best of noise levels that allow for its error."""
    images = []
    for factor in (1, 3, 10, 30, 100):
        born = operator.born()
        looser = DistortedBorn(
            [replace(e, factor=e.factor / factor) for e in born.expansions],
            born.contrast,
            2 * born.unnorm_scale,
        )
        samples = LMAPS(prior, looser, covariance="calibrated")(y / factor)
        images.append(looser.unnormalize(samples.mean))
    return best(images, truth)


def full_wave_total_variation(
    operator: FullWaveScattering, y: Tensor, weight: float, num_steps: int = 40
) -> Tensor:
    """Minimise the relative misfit squared + `weight` times total variation by L-BFGS.

    As in the prototype of this study; started at a contrast of 0.05, contrasts are not negative.
    """
    energy, shape = float(y.abs().square().sum()), (1, *operator.image_shape)

    def objective(values: NDArray) -> tuple[float, NDArray]:
        contrast = torch.from_numpy(values).view(shape)
        loss, gradient = operator.loss_and_gradient(operator.normalize(contrast), y)
        roughness = contrast.clone().requires_grad_(True)
        penalty = weight * _total_variation(roughness) / shape[-1]
        penalty.backward()
        slope = gradient / operator.unnorm_scale / energy + roughness.grad
        return float(loss) / energy + penalty.item(), slope.double().numpy().ravel()

    start = np.full(int(np.prod(shape)), 0.05)
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * len(start),
        options={"maxiter": num_steps},
    )
    return torch.from_numpy(found.x).view(shape)


def _total_variation(image: Tensor) -> Tensor:
    along, across = image.diff(dim=-1)[..., :-1, :], image.diff(dim=-2)[..., :-1]
    return (along**2 + across**2 + 1e-6).sqrt().sum()

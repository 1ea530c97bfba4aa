"""Random sources to train a prior on: simulated black holes, and much that is none.

A prior of rings alone finds rings. This population holds as many discs, doubles, jets and
clouds, so that a ring in the image is owed to the data.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.sources import Field

EVERYTHING: Mapping[str, float] = {
    "simulation": 0.40,
    "crescent": 0.22,
    "disc": 0.12,
    "double": 0.08,
    "blobs": 0.08,
    "jet": 0.05,
    "cloud": 0.05,
}
"""Share of each kind."""

NO_RINGS: Mapping[str, float] = {
    "disc": 0.2,
    "double": 0.15,
    "blobs": 0.3,
    "jet": 0.15,
    "cloud": 0.2,
}
"""The same without black holes and without anything hollow."""

HELD_OUT = ("rowan_m87.txt", "avery_m87_2_eofn.txt")
"""Models of ngehtutil that no prior is trained on."""

_MODEL_PIXEL = 1.25
_MODEL_SIZE = 192
MODEL_WIDTH = _MODEL_SIZE * _MODEL_PIXEL
"""Of the images of `read_models`, microarcsecond."""


def read_models(path: str | Path, held_out: bool = False) -> dict[str, Tensor]:
    """Black-hole models of ngehtutil by name, on 192×192 pixels of 1.25 µas, peak 1.

    Parameters
    ----------
    path : str or Path
        HDF5 with one image per model in ``/full``, attribute ``uas_per_pixel``.
    held_out : bool
        Those left out of training, instead of the others.
    """
    import h5py

    with h5py.File(path) as file:
        chosen = {name: d for name, d in file["full"].items() if (name in HELD_OUT) == held_out}
        return {
            name: _resample(
                torch.from_numpy(d[...].astype(np.float32)), float(d.attrs["uas_per_pixel"])
            )
            for name, d in chosen.items()
        }


def draw(
    count: int,
    shares: Mapping[str, float] = EVERYTHING,
    models: Tensor | None = None,
    seed: int = 0,
    field: Field = Field(),  # noqa: B008 - it cannot be changed
) -> Tensor:
    """Random sources, blurred by up to 21 µas, in random order.

    Parameters
    ----------
    count : int
        How many.
    shares : mapping of str to float
        Share of each kind; they need not add up to one.
    models : Tensor, optional
        Black-hole images (models, y, x) as `read_models` gives them, for 'simulation'.
    seed : int
        Of everything random.
    field : Field
        Where to draw them.

    Returns
    -------
    Tensor
        (count, 1, y, x) in [-1, 1], peak 1.
    """
    generator = torch.Generator().manual_seed(seed)
    names, weights = list(shares), torch.tensor(list(shares.values()), dtype=torch.float32)
    kinds = torch.multinomial(weights, count, replacement=True, generator=generator)
    parts = []
    for index, name in enumerate(names):
        number = int((kinds == index).sum())
        if not number:
            continue
        if name == "simulation":
            if models is None:
                raise ValueError("sources of kind 'simulation' need models: see read_models")
            brightness = _simulations(number, field, models, generator)
        else:
            brightness = _KINDS[name](number, field, generator)
        parts.append(avg_pool2d(brightness[:, None].clamp(min=0), field.oversampling))
    images = torch.cat(parts)
    blurred = torch.rand(count, generator=generator) < 0.8
    std = _uniform(count, 0, 9, generator) * blurred * field.image_size / field.width_uas
    order = torch.randperm(count, generator=generator)
    return sources.normalized(_blur(images, std))[order]


def _simulations(count: int, field: Field, models: Tensor, generator: Generator) -> Tensor:
    """Models turned, scaled, shifted, mixed, and brightened to one side."""
    first, second = (_moved_model(count, field, models, generator) for _ in range(2))
    mixed = torch.rand(count, generator=generator) < 0.25
    share = (_uniform(count, 0, 0.6, generator) * mixed)[:, None, None]
    contrast = _uniform(count, 0.7, 1.6, generator)[:, None, None]
    image = ((1 - share) * first + share * second).clamp(min=0) ** contrast
    east, north = field.offsets()
    lopsided = torch.rand(count, generator=generator) < 0.5
    strength = (_uniform(count, 0, 0.8, generator) * lopsided)[:, None, None]
    angle = _angle(count, generator)[:, None, None]
    return image * (1 + strength * torch.cos(torch.atan2(east, north) - angle))


def _moved_model(count: int, field: Field, models: Tensor, generator: Generator) -> Tensor:
    chosen = models[torch.randint(len(models), (count,), generator=generator)]
    angle, scale = _angle(count, generator), _uniform(count, 0.65, 1.45, generator)
    mirror = 1 - 2 * torch.randint(0, 2, (count,), generator=generator)
    shift_east, shift_north = 6 * torch.randn(2, count, generator=generator)
    east, north = field.offsets(shift_east, shift_north)
    cos, sin = (f[:, None, None] for f in (angle.cos() / scale, angle.sin() / scale))
    x = -(cos * east - sin * north) * mirror[:, None, None]
    y = -(sin * east + cos * north)
    place = torch.stack([x, y], -1) / (MODEL_WIDTH / 2)
    moved = grid_sample(chosen[:, None], place, align_corners=False)[:, 0]
    return moved / moved.amax((1, 2), keepdim=True)


def _crescents(count: int, field: Field, generator: Generator) -> Tensor:
    diameter = _uniform(count, 16, 78, generator)
    thickness = 0.08 * (0.75 / 0.08) ** torch.rand(count, generator=generator)
    hollow = torch.rand(count, generator=generator) < 0.7
    east, north = 6 * torch.randn(2, count, generator=generator)
    return sources.crescent(
        field,
        diameter,
        (thickness * diameter / 2).clamp(min=4),
        position_angle=_angle(count, generator),
        asymmetry=_uniform(count, 0, 1, generator),
        floor=_uniform(count, 0, 0.5, generator) * ~hollow,
        axis_ratio=_uniform(count, 0.8, 1, generator),
        axis_angle=_angle(count, generator),
        east=east,
        north=north,
    )


def _discs(count: int, field: Field, generator: Generator) -> Tensor:
    """Discs, half of them sharp, with a gradient across."""
    diameter = _uniform(count, 14, 86, generator)
    sharp = torch.rand(count, generator=generator) < 0.6
    east, north = 6 * torch.randn(2, count, generator=generator)
    image = sources.disc(
        field,
        diameter,
        edge=torch.where(sharp, 4.0, diameter / 2),
        axis_ratio=_uniform(count, 0.5, 1, generator),
        axis_angle=_angle(count, generator),
        east=east,
        north=north,
    )
    dx, dy = field.offsets(east, north)
    angle = _angle(count, generator)[:, None, None]
    slope = (_uniform(count, 0, 0.9, generator) / diameter * 2)[:, None, None]
    return image * (1 + slope * (dx * angle.sin() + dy * angle.cos())).clamp(0, 2)


def _doubles(count: int, field: Field, generator: Generator) -> Tensor:
    return _gaussians(count, field, generator, least=2, most=2)


def _blobs(count: int, field: Field, generator: Generator) -> Tensor:
    return _gaussians(count, field, generator, least=1, most=8)


def _gaussians(count: int, field: Field, generator: Generator, least: int, most: int) -> Tensor:
    number = torch.randint(least, most + 1, (count,), generator=generator)
    image = torch.zeros(count, 1, 1)
    for index in range(most):
        east, north = (2 * torch.rand(2, count, generator=generator) - 1) * 34
        peak = _uniform(count, 0.25, 1, generator) * (index < number)
        image = image + peak[:, None, None] * sources.gaussian(
            field,
            _uniform(count, 6, 33, generator),
            axis_ratio=_uniform(count, 0.5, 1, generator),
            axis_angle=_angle(count, generator),
            east=east,
            north=north,
        )
    return image


def _jets(count: int, field: Field, generator: Generator) -> Tensor:
    """A core and a bending trail of ever wider and fainter Gaussians."""
    direction, bend = _angle(count, generator), 0.6 * torch.randn(count, generator=generator)
    step = _uniform(count, 6, 13, generator)
    fading, widening = _uniform(count, 0.55, 0.92, generator), _uniform(count, 1, 1.25, generator)
    east, north = -0.25 * 6 * step * torch.stack([direction.sin(), direction.cos()])
    width = _uniform(count, 6, 16, generator)
    peak = torch.ones(count)
    image = torch.zeros(count, 1, 1)
    for index in range(7):
        image = image + peak[:, None, None] * sources.gaussian(field, width, east=east, north=north)
        heading = direction + bend * index / 6
        east, north = east + step * heading.sin(), north + step * heading.cos()
        width = width * widening
        peak = peak * fading * _uniform(count, 0.7, 1.3, generator)
    return image


def _clouds(count: int, field: Field, generator: Generator) -> Tensor:
    """The exponential of a Gaussian random field with a power-law spectrum, in an envelope."""
    size = field.image_size * field.oversampling
    fy, fx = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None]
    frequency = torch.sqrt(fy**2 + fx**2).clamp(min=1 / size)
    slope = _uniform(count, 1.8, 3, generator)[:, None, None]
    noise = torch.fft.rfft2(torch.randn(count, size, size, generator=generator))
    texture = torch.fft.irfft2(noise * frequency**-slope, s=(size, size))
    texture = texture / texture.std((1, 2), keepdim=True)
    east, north = 6 * torch.randn(2, count, generator=generator)
    envelope = sources.gaussian(
        field,
        _uniform(count, 25, 75, generator),
        axis_ratio=_uniform(count, 0.5, 1, generator),
        axis_angle=_angle(count, generator),
        east=east,
        north=north,
    )
    return envelope * torch.exp(_uniform(count, 0.5, 1.2, generator)[:, None, None] * texture)


_KINDS: Mapping[str, Callable[[int, Field, Generator], Tensor]] = {
    "crescent": _crescents,
    "disc": _discs,
    "double": _doubles,
    "blobs": _blobs,
    "jet": _jets,
    "cloud": _clouds,
}


def _uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _angle(count: int, generator: Generator) -> Tensor:
    return _uniform(count, 0, 2 * math.pi, generator)


def _blur(images: Tensor, std: Tensor) -> Tensor:
    """Blur images (batch, 1, y, x) by `std` pixels each, dark beyond their edges."""
    size = 2 * images.shape[-1]
    fy, fx = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None]
    transfer = torch.exp(-2 * math.pi**2 * (fy**2 + fx**2) * std[:, None, None, None] ** 2)
    spectrum = torch.fft.rfft2(images, s=(size, size)) * transfer
    half = images.shape[-1]
    return torch.fft.irfft2(spectrum, s=(size, size))[..., :half, :half].clamp(min=0)


def _resample(image: Tensor, pixel_uas: float) -> Tensor:
    """A model on the common grid, blurred first where that grid is the coarser one."""
    if pixel_uas < _MODEL_PIXEL:
        std = 0.45 * _MODEL_PIXEL / pixel_uas
        image = _blur(image[None, None], torch.tensor([std]))[0, 0]
    axis = (torch.arange(_MODEL_SIZE) - (_MODEL_SIZE - 1) / 2) * _MODEL_PIXEL
    axis = axis / (pixel_uas * len(image) / 2)
    place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    resampled = grid_sample(image[None, None], place[None], align_corners=False)[0, 0]
    return (resampled / resampled.max()).clamp(min=0)

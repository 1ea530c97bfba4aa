"""Complex images to train an MRI prior on: magnitudes in random contrasts, with drawn phases.

A prior of one scanner's contrast finds that contrast everywhere. Here the anatomy is warped, its
grey values are mapped by a random curve, partly inverted, and a coil's shading lies over it.
Magnitudes of any origin serve; the phase is drawn, so no raw data are needed.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

HELD_OUT = 9
"""People whose number ends in this digit are never trained on."""

_BRIGHTEST = 1.2
_TONES = torch.linspace(0, _BRIGHTEST, 7)


class Phase(IntEnum):
    """Classes of complex images, by what is known of their phase."""

    NONE = 0
    """Real images."""
    RESIDUAL = 1
    """What a phase reference leaves: small and band-limited, 0.03 to 0.5 rad."""
    SMOOTH = 2
    """Any smooth phase."""


def read_slices(path: str | Path, held_out: bool = False) -> Tensor:
    """Magnitudes of people to train on, or of those held out.

    Parameters
    ----------
    path : str or Path
        ``.npz`` with ``slices`` (count, y, x) and ``subject``, the person's number, (count,).
    held_out : bool
        The people whose number ends in `HELD_OUT`, instead of the others.

    Returns
    -------
    Tensor
        (count, y, x); the 99.5th percentile of each slice is 1.
    """
    with np.load(path) as arrays:
        chosen = (arrays["subject"] % 10 == HELD_OUT) == held_out
        slices = torch.from_numpy(arrays["slices"][chosen].astype(np.float32))
    bright = torch.quantile(slices.flatten(1), 0.995, dim=1)
    return (slices / bright[:, None, None]).clamp(0, _BRIGHTEST)


class ComplexImages:
    """Draws complex images as two channels (real, imaginary); classes as in `Phase`.

    The 99th percentile of an image's magnitude is about 1, 0.75 to 1.25; less in dark crops.

    Parameters
    ----------
    magnitudes : Tensor
        (count, y, x), square, not negative, bright tissue near 1.
    shares : sequence of float
        Of each class.
    """

    def __init__(self, magnitudes: Tensor, shares: Sequence[float] = (0.2, 0.5, 0.3)) -> None:
        if magnitudes.ndim != 3 or magnitudes.shape[1] != magnitudes.shape[2]:
            raise ValueError(
                f"magnitudes: expected shape (count, side, side), got {tuple(magnitudes.shape)}"
            )
        if len(shares) != len(Phase):
            raise ValueError(f"shares: expected one for each of {len(Phase)} classes, got {shares}")
        self.magnitudes = magnitudes
        self.shares = torch.tensor(shares, dtype=torch.float32)

    @property
    def image_size(self) -> int:
        """Pixels along each side of a whole image."""
        return self.magnitudes.shape[-1]

    def draw(self, count: int, size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw images, whole or cropped, with a pixel of the same size.

        Parameters
        ----------
        count, size : int
            How many, and pixels along each side.
        generator : Generator
            Source of everything random.

        Returns
        -------
        tuple of Tensor
            Images, (count, 2, size, size), and their classes, (count,).
        """
        index = torch.randint(len(self.magnitudes), (count,), generator=generator)
        whole = self.magnitudes[index, None]
        curves = _tone_curves(count, generator)
        shading = _uniform(count, 0, 0.5, generator) * _field(count, size, 32, 64, generator)
        magnitude = shading.exp() * _toned(_warped(whole, size, generator), curves)
        # A dark crop stays as dark as it is in the whole image.
        bright = torch.maximum(_brightness(_toned(whole, curves)), _brightness(magnitude))
        magnitude = magnitude * _uniform(count, 0.75, 1.25, generator) / bright.clamp(min=0.15)
        label = torch.multinomial(self.shares, count, replacement=True, generator=generator)
        phase = _phases(label, size, generator)
        return torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], 1), label


def of_class(magnitudes: Tensor, phase: Phase, count: int, size: int | None = None) -> Tensor:
    """Images of one class, always the same, (count, 2, size, size).

    Parameters
    ----------
    magnitudes : Tensor
        As for `ComplexImages`.
    phase : Phase
        The class.
    count : int
        How many.
    size : int, optional
        Pixels along each side; whole images by default.
    """
    source = ComplexImages(magnitudes, shares=[float(phase == other) for other in Phase])
    return source.draw(count, size or source.image_size, Generator().manual_seed(0))[0]


def _brightness(images: Tensor) -> Tensor:
    """99th percentile of each image, of every other pixel, (count, 1, 1, 1)."""
    return torch.quantile(images[..., ::2, ::2].flatten(1), 0.99, dim=1)[:, None, None, None]


def _warped(images: Tensor, size: int, generator: Generator) -> Tensor:
    """Windows of images, zoomed, stretched, turned, mirrored, shifted and bent."""
    count = len(images)
    zoom = _log_uniform(count, 0.8, 1.5, generator)
    stretch = _log_uniform(count, 0.86, 1.16, generator)
    turns = torch.randint(4, (count, 1, 1, 1), generator=generator)
    angle = turns * math.pi / 2 + math.radians(20) * _uniform(count, -1, 1, generator)
    mirror = torch.randint(2, (count, 1, 1, 1), generator=generator) * 2 - 1
    width = size / (images.shape[-1] * zoom)
    # Windows keep to the head: the smaller, the farther from the centre.
    reach = (0.7 - 0.6 * width).clamp(min=0.08)
    shift = [reach * _uniform(count, -1, 1, generator) for _ in range(2)]
    along, across = width * stretch, width / stretch
    rows = [
        torch.cat([along * angle.cos() * mirror, -across * angle.sin(), shift[0]], -1),
        torch.cat([along * angle.sin() * mirror, across * angle.cos(), shift[1]], -1),
    ]
    grid = affine_grid(torch.cat(rows, 2)[:, 0], [count, 1, size, size], align_corners=False)
    bending = [_field(count, size, 16, 32, generator)[:, 0] for _ in range(2)]
    grid = grid + torch.stack(bending, -1) * _uniform(count, 0, 0.025, generator)
    return grid_sample(images, grid, "bicubic", align_corners=False).clamp(0, _BRIGHTEST)


def _tone_curves(count: int, generator: Generator) -> Tensor:
    """New grey values of `_TONES`, (count, tones): powers, inversions and free curves; f(0) = 0."""
    exponent, share, kind, darkening = (
        _uniform(count, *limits, generator).view(-1, 1)
        for limits in [(-0.8, 0.8), (0, 1), (0, 1), (0.5, 1)]
    )
    power = _TONES ** exponent.exp()
    inverted = share * (1.15 - 0.95 * _TONES) + 0.3 * (1 - share) * power
    free = 0.1 + 0.9 * torch.rand(count, len(_TONES), generator=generator)
    free = share * free + (1 - share) * power
    curves = torch.where(kind < 0.4, power, torch.where(kind < 0.7, inverted, free))
    curves[:, :1] = 0
    curves[:, 1:2] *= darkening
    return curves


def _toned(images: Tensor, curves: Tensor) -> Tensor:
    """Map grey values (count, 1, y, x) by curves, linear between `_TONES`."""
    position = images.flatten(1) / _BRIGHTEST * (len(_TONES) - 1)
    below = position.long().clamp(max=len(_TONES) - 2)
    low, high = curves.gather(1, below), curves.gather(1, below + 1)
    return torch.lerp(low, high, position - below).view_as(images)


def _phases(label: Tensor, size: int, generator: Generator) -> Tensor:
    """Phases of images of the classes `label`, (count, 1, size, size), radian."""
    count = len(label)
    residual = _field(count, size, 5, 20, generator) * _log_uniform(count, 0.03, 0.5, generator)
    smooth = _field(count, size, 16, 64, generator) * _uniform(count, 0, 2, generator)
    # An echo that is up to 1.5 samples off centre in 96.
    slopes = [_uniform(count, -0.1, 0.1, generator) for _ in range(2)]
    pixel = torch.arange(size) - size / 2
    smooth = smooth + slopes[0] * pixel + slopes[1] * pixel[:, None]
    smooth = smooth + _uniform(count, 0, 2 * math.pi, generator) + 0.3 * residual
    label = label.view(-1, 1, 1, 1)
    return residual * (label == Phase.RESIDUAL) + smooth * (label == Phase.SMOOTH)


def _field(count: int, size: int, least: float, most: float, generator: Generator) -> Tensor:
    """Smooth random fields, (count, 1, size, size): normal numbers every `least` to `most` pixels.

    Bicubic between the nodes.
    """
    spacing = _log_uniform(count, least, most, generator)[:, 0, 0]
    nodes = math.ceil(size / least) + 5
    values = torch.randn(count, 1, nodes, nodes, generator=generator)
    scale = (size - 1) / (spacing * (nodes - 1))
    start = scale - 1 + (2 + 2 * torch.rand(count, 2, generator=generator)) / (nodes - 1)
    matrix = torch.eye(2) * scale[:, None]
    theta = torch.cat([matrix, start[:, :, None]], 2)
    grid = affine_grid(theta, [count, 1, size, size], align_corners=True)
    return grid_sample(values, grid, "bicubic", align_corners=True)


def _uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)


def _log_uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    return _uniform(count, math.log(low), math.log(high), generator).exp()

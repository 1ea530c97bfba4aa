"""Controls: known sources, observed with a file's own coverage and noise.

Imaged like the measurement, they show what it could have told apart: a disc that comes out as
a ring would mean that the ring is the prior's.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from lmaps_science.problems.blackhole import sources
from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS, FourierSampling
from lmaps_science.problems.blackhole.observation import Observation
from lmaps_science.problems.blackhole.population import MODEL_WIDTH
from lmaps_science.problems.blackhole.sources import Field

_OFF_CENTRE = {"east": -3.0, "north": 2.0}


def control_images(
    field: Field = Field(oversampling=4),  # noqa: B008 - it cannot be changed
    models: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Sources by name: crescents and rings, sources without a hole, and given models.

    Parameters
    ----------
    field : Field
        Where to draw them.
    models : mapping of str to Tensor, optional
        Black-hole images (y, x) as `population.read_models` gives them.

    Returns
    -------
    dict of str to Tensor
        (1, 1, y, x) in [-1, 1], peak 1.
    """
    brightness = {
        "crescent": _ring(field, 42.0, 10.0, position_angle=168.5, asymmetry=0.7),
        "crescent_north": _ring(field, 42.0, 10.0, position_angle=331.4, asymmetry=0.7),
        "large_ring": _ring(field, 52.0, 10.0, position_angle=108.0, asymmetry=0.4),
        "small_ring": _ring(field, 32.0, 9.0, position_angle=216.0, asymmetry=0.4),
        "disc": sources.disc(field, 66.0, edge=6.0, **_OFF_CENTRE),
        "double": sources.double(field, 37.6, math.radians(118.6), fwhm=14.1, flux_ratio=0.7),
        "gaussian": sources.gaussian(field, 40.0, **_OFF_CENTRE),
    }
    for name, model in (models or {}).items():
        brightness[name] = _on_field(model, field)
    return {name: field.image(b) for name, b in brightness.items()}


def simulate(
    observation: Observation,
    image: Tensor,
    compact_flux: float = 0.6,
    seed: int = 0,
    gain_std: float = 0.2,
    fractional_error: float = 0.01,
    extended_flux: float = 0.53,
    field_of_view_uas: float = 160.0,
) -> Observation:
    """A source as an observation would have seen it.

    Parameters
    ----------
    observation : Observation
        Averaged over scans; its coverage and thermal noise are used.
    image : Tensor
        (1, 1, y, x) in [-1, 1].
    compact_flux : float
        Total of the image, Jansky.
    seed : int
        Of everything random.
    gain_std : float
        Standard deviation of the log amplitude of a station's gain in a scan; its phase is
        random.
    fractional_error : float
        Error that does not close, relative to each visibility, per real and imaginary part.
    extended_flux : float
        Seen by intra-site baselines in addition, Jansky.
    field_of_view_uas : float
        Width of the image.

    Returns
    -------
    Observation
        With other visibilities.
    """
    if image.ndim != 4 or image.shape[:2] != (1, 1) or image.shape[2] != image.shape[3]:
        raise ValueError(f"expected one image (1, 1, n, n), got {tuple(image.shape)}")
    generator = np.random.default_rng(seed)
    size = image.shape[-1]
    sampling = FourierSampling(observation.uv, size, field_of_view_uas * RADIANS_PER_UAS / size)
    brightness = (image.double() + 1).clamp(min=0)
    visibility = compact_flux * sampling.forward(brightness / brightness.sum())[0].cpu().numpy()
    visibility = visibility + extended_flux * observation.intra_site
    visibility = visibility * (1 + fractional_error * _complex_normal(generator, len(visibility)))
    first, second = _gains(observation, gain_std, generator).T
    noise = observation.sigma * _complex_normal(generator, len(visibility))
    return replace(observation, visibility=first * visibility * second.conj() + noise)


def correlation(image: Tensor, truth: Tensor) -> Tensor:
    """Largest normalised cross-correlation over (circular) shifts, at most 1.

    Parameters
    ----------
    image, truth : Tensor
        (batch, 1, y, x); one truth serves a batch. Offset and scale of either do not matter.

    Returns
    -------
    Tensor
        (batch,).
    """
    a, b = (t.double() - t.double().mean((-2, -1), keepdim=True) for t in (image, truth))
    product = torch.fft.rfft2(a) * torch.fft.rfft2(b).conj()
    highest = torch.fft.irfft2(product, s=a.shape[-2:]).flatten(1).amax(1)
    return highest / (a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1))


def _ring(
    field: Field, diameter: float, width: float, position_angle: float, asymmetry: float
) -> Tensor:
    angle = math.radians(position_angle)
    return sources.crescent(field, diameter, width, angle, asymmetry, **_OFF_CENTRE)


def _on_field(model: Tensor, field: Field) -> Tensor:
    """The brightness of a model (y, x) where a field samples it, (1, y, x)."""
    east, north = torch.broadcast_tensors(*field.offsets())
    place = torch.stack([-east, -north], -1) / (MODEL_WIDTH / 2)
    return grid_sample(model[None, None].float(), place, align_corners=False)[0]


def _gains(
    observation: Observation, std: float, generator: np.random.Generator
) -> NDArray[np.complex128]:
    """Gains of the two stations of every visibility, (visibilities, 2), constant in a scan."""
    scan = np.repeat(observation.scan, 2).astype(str)
    pairs = np.stack([scan, observation.stations.ravel()], 1)
    _, index = np.unique(pairs, axis=0, return_inverse=True)
    count = index.max(initial=-1) + 1
    amplitude = np.exp(std * generator.standard_normal(count))
    gains = amplitude * np.exp(2j * np.pi * generator.random(count))
    return gains[index.reshape(-1, 2)]


def _complex_normal(generator: np.random.Generator, count: int) -> NDArray[np.complex128]:
    """Unit variance in each of the real and imaginary parts."""
    return generator.standard_normal(count) + 1j * generator.standard_normal(count)

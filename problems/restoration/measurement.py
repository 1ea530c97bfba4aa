"""From an image file and what is known of its degradation to an operator and its data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.problems.restoration.cosine import BLOCK, block_dct
from lmaps_science.problems.restoration.degradation import Degradation
from lmaps_science.problems.restoration.files import (
    ImageFile,
    estimate_noise,
    grey_scale,
    quantised_levels,
    read_image,
)
from lmaps_science.problems.restoration.grey import GreyScale
from lmaps_science.problems.restoration.jpeg_file import read_jpeg
from lmaps_science.problems.restoration.linear import (
    Blur,
    Inpainting,
    LinearDegradation,
    SuperResolution,
    box_mask,
    gaussian_kernel,
    motion_kernel,
    random_mask,
)
from lmaps_science.problems.restoration.quantised import (
    JPEG,
    WHITE,
    Clipping,
    Quantisation,
    Quantised,
    quality_table,
    to_8_bit,
)

DEGRADED_NOISE = 0.01
"""Standard deviation, grey values, that linear degradations add to a clean image."""

Build = Callable[..., Quantised | LinearDegradation]
"""An operator of the grey scale, by name."""


@dataclass(frozen=True, eq=False)
class RestorationMeasurement:
    """A degraded image.

    Attributes
    ----------
    operator : Quantised or LinearDegradation
        What degraded it.
    y : Tensor
        Data, (1, 1, ...).
    truth : Tensor or None
        Grey values of the clean image where it was degraded here, (1, 1, y, x).
    format : str
        Of the file.
    notes : list of str
        What was done to the file.
    """

    operator: Quantised | LinearDegradation
    y: Tensor
    truth: Tensor | None
    format: str
    notes: list[str]

    @property
    def picture(self) -> NDArray[np.float64]:
        """Grey values of the degraded image, (y, x)."""
        return _picture(self.operator, self.y)


def read_degraded(
    path: Path, known: Degradation, degrade: bool = False, device: str = "cpu"
) -> RestorationMeasurement:
    """Read a degraded image, or degrade a clean one.

    Parameters
    ----------
    path : Path
        PNG, JPEG or TIFF.
    known : Degradation
        How the file was degraded or, with `degrade`, is to be.
    degrade : bool
        Whether the file is the clean image, which becomes the truth.
    device : str
        Where the operator computes.

    Raises
    ------
    ValueError
        If the file is not what such a degradation leaves, or an option is missing.
    """
    image = read_image(path)
    notes = ["colours were turned into luminance"] if image.converted else []
    if degrade:
        return _degraded(image, known, device, notes)
    if known.operator == "jpeg":
        return _jpeg(path, image, known.quality, device, notes)
    if known.operator == "quantise":
        assert known.bits is not None  # noqa: S101 - `Degradation` checks it
        levels, bits = quantised_levels(image, known.bits), known.bits
        build: Build = partial(Quantisation, _shape(levels), bits, device=device)
        return _measured(build, levels, levels / (2**bits - 1), image, notes)
    if known.operator == "saturate":
        return _saturated(image, known.saturation, device, notes)
    noise = known.noise or estimate_noise(image)
    mask = _mask(known, _shape(image.levels)) if known.operator == "inpaint" else None
    build = _linear(known, _fine_shape(image, known), noise, mask, device)
    grey = image.grey if mask is None else image.grey * mask.numpy()
    seen = image.grey if mask is None else image.grey[mask.numpy()]
    origin = "given" if known.noise else "found in the file"
    notes.append(f"noise {noise:.2g} of white, {origin}")
    return _measured(build, grey, seen, image, notes)


def _degraded(
    image: ImageFile, known: Degradation, device: str, notes: list[str]
) -> RestorationMeasurement:
    """Data of a clean image."""
    shape = _shape(image.levels)
    clean = torch.from_numpy(image.grey)[None, None].to(device)
    mask = None
    if known.operator == "jpeg":
        if known.quality is None:
            raise ValueError("quality: --degrade needs the quality to compress with, 1 to 100")
        clean = torch.from_numpy(to_8_bit(_whole_blocks(clean))).to(device) / WHITE
        table = quality_table(known.quality)
        build: Build = partial(JPEG, shape, table, device=device)
    elif known.operator == "quantise":
        build = partial(Quantisation, shape, known.bits, device=device)
    elif known.operator == "saturate":
        if known.saturation is None:
            raise ValueError("saturation: --degrade needs the grey value to saturate at, 0 to 1")
        build = partial(Clipping, shape, known.saturation, device=device)
    else:
        if known.operator == "inpaint":
            mask = _mask(known, shape)
        if known.operator == "super-resolution":
            factor = known.factor or 1
            ny, nx = (n - n % factor for n in shape)
            clean, shape = clean[..., :ny, :nx], (ny, nx)
        build = _linear(known, shape, known.noise or DEGRADED_NOISE, mask, device)
    plain = build(grey=GreyScale())
    y = plain.perturb(plain.forward(plain.normalize(clean)), torch.Generator().manual_seed(0))
    if isinstance(plain, Quantised):
        y = plain.forward(plain.normalize(clean))
    picture = _picture(plain, y)
    seen = picture if mask is None else picture[mask.numpy()]
    operator = build(grey=grey_scale(seen))
    truth = clean[..., : shape[0], : shape[1]].float()
    notes = [*notes, "the file was degraded here; it is the truth to compare with"]
    return RestorationMeasurement(operator, y.float(), truth, image.format, notes)


def _measured(
    build: Build, data: NDArray, seen: NDArray, image: ImageFile, notes: list[str]
) -> RestorationMeasurement:
    operator = build(grey=grey_scale(seen))
    y = torch.from_numpy(data)[None, None].float().to(operator.device)
    return RestorationMeasurement(operator, y, None, image.format, notes)


def _jpeg(
    path: Path, image: ImageFile, quality: int | None, device: str, notes: list[str]
) -> RestorationMeasurement:
    """Integers of a JPEG file, or of the decoded picture that another file holds."""
    if image.format == "JPEG":
        if quality is not None:
            raise ValueError(
                f"quality: {path} is a JPEG file and holds its own tables: leave it out, or "
                "compress the picture once more with --degrade"
            )
        data = read_jpeg(path.read_bytes())
        shape, table, indices = data.shape, data.table, data.indices.astype(np.float64)
        notes = ["the luminance of a colour file was restored"] if data.num_components > 1 else []
    else:
        if quality is None:
            raise ValueError(
                f"quality: {path} is no JPEG file: give the quality that its picture was "
                "compressed with before it was saved as it is"
            )
        shape, table = _shape(image.levels), quality_table(quality)
        indices = _decoded_indices(image, table, quality)
        notes = [*notes, f"taken for the decoded picture of a JPEG file of quality {quality}"]
    y = torch.from_numpy(indices)[None, None]
    operator = JPEG(shape, table, grey_scale(_picture(JPEG(shape, table), y)), device)
    return RestorationMeasurement(operator, y.float().to(device), None, image.format, notes)


def _decoded_indices(
    image: ImageFile, table: NDArray[np.int64], quality: int
) -> NDArray[np.float64]:
    """Integers of a decoded picture, if it is one of that table.

    Decoding rounds each pixel, an error of 0.3 levels in each coefficient.
    """
    levels = WHITE * torch.from_numpy(image.grey)
    blocks = _whole_blocks(levels[None, None])
    steps = torch.from_numpy(np.tile(table, [n // BLOCK for n in blocks.shape[-2:]]))
    coefficients = block_dct(blocks - 128)[0, 0] / steps
    error = (coefficients - coefficients.round()).abs() * steps
    if float(error.median()) > 0.5:
        raise ValueError(
            f"quality: this is not the decoded picture of a JPEG file of quality {quality}: its "
            "cosine coefficients are no multiples of the table. Give the right quality, or "
            "degrade a clean image with --degrade"
        )
    return coefficients.round().numpy()


def _saturated(
    image: ImageFile, saturation: float | None, device: str, notes: list[str]
) -> RestorationMeasurement:
    """By default, what is as bright as the brightest pixel is saturated."""
    level = float(image.levels.max()) / image.white if saturation is None else saturation
    share = float((image.grey >= level - 0.5 / image.white).mean())
    if share == 0:
        raise ValueError(
            f"saturation: no pixel is as bright as {level:g} of white, the brightest is "
            f"{image.grey.max():.4g}: give a lower value, or leave it out"
        )
    bits = 8 if image.white == WHITE else 16
    build: Build = partial(Clipping, _shape(image.levels), level, bits, device=device)
    notes = [*notes, f"{100 * share:.1f} % of the pixels are saturated, at {level:.3g} of white"]
    return _measured(build, image.levels.round(), image.grey, image, notes)


def _linear(
    known: Degradation, shape: tuple[int, int], noise: float, mask: Tensor | None, device: str
) -> Build:
    common: dict[str, Any] = {"sigma_noise": noise, "device": device}
    if mask is not None:
        return partial(Inpainting, mask, **common)
    if known.operator == "super-resolution":
        return partial(SuperResolution, shape, known.factor, **common)
    if known.operator == "gaussian-blur":
        kernel = gaussian_kernel(known.blur or 0.0)
    else:
        kernel = motion_kernel(known.length or 0.0, known.angle or 0.0)
    return partial(Blur, shape, kernel, **common)


def _fine_shape(image: ImageFile, known: Degradation) -> tuple[int, int]:
    ny, nx = _shape(image.levels)
    factor = known.factor or 1
    return ny * factor, nx * factor


def _mask(known: Degradation, shape: tuple[int, int]) -> Tensor:
    """Known pixels, (y, x), bool."""
    given = [v for v in (known.mask, known.box, known.missing) if v is not None]
    if len(given) != 1:
        raise ValueError("operator 'inpaint': expected one of mask, box and missing")
    if known.box is not None:
        return box_mask(shape, (known.box, known.box))
    if known.missing is not None:
        return random_mask(shape, known.missing, torch.Generator().manual_seed(0))
    assert known.mask is not None  # noqa: S101 - one of three
    levels = read_image(known.mask).levels
    if levels.shape != shape:
        raise ValueError(
            f"mask: expected the image's {shape[0]}×{shape[1]} pixels, got "
            f"{levels.shape[0]}×{levels.shape[1]}"
        )
    return torch.from_numpy(levels == 0)


def _shape(image: NDArray | Tensor) -> tuple[int, int]:
    return int(image.shape[0]), int(image.shape[1])


def _picture(operator: Quantised | LinearDegradation, y: Tensor) -> NDArray[np.float64]:
    ny, nx = operator.picture_shape
    return operator.picture(y.double())[0, 0, :ny, :nx].cpu().numpy()


def _whole_blocks(images: Tensor) -> Tensor:
    """Images (batch, 1, y, x) whose last pixels are repeated up to multiples of 8."""
    ny, nx = images.shape[-2:]
    return torch.nn.functional.pad(images, (0, -nx % BLOCK, 0, -ny % BLOCK), "replicate")

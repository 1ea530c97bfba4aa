"""Degradations that round: JPEG, few bits, saturation.

The data are integers. Each says that a *level*, an affine function of the image, lies within
half a unit of it; at the ends of the scale, on one side only. The levels are a diagonal
multiple of the coefficients of an orthonormal transform, so that an operator knows the bounds of
each coefficient (`lmaps_science.interval`). Rounding errors spread evenly over a unit have the
variance 1/12, which is the noise level that everything else takes.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from io import BytesIO

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lmaps_science.operator import Operator
from lmaps_science.problems.restoration.cosine import BLOCK, block_dct, inverse_block_dct
from lmaps_science.problems.restoration.grey import GreyScale
from lmaps_science.problems.restoration.jpeg_file import read_jpeg
from lmaps_science.proxy import ProxyGradient

WHITE = 255
"""Largest grey level of 8 bits."""


class Quantised(Operator):
    """A degradation that rounds levels to integers.

    Forward is the real degradation; its gradient is that of the levels before rounding, in place
    of the identity that the paper takes.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    gain : Tensor
        Levels per unit of a coefficient of the normalised image, broadcasts to (1, y, x).
    grey : GreyScale
        Of the images.
    device : str or torch.device
        Where to compute.

    Attributes
    ----------
    picture_shape : tuple of int
        (y, x) of what is shown.
    """

    problem = "quantised"

    def __init__(
        self,
        shape: tuple[int, int],
        gain: Tensor,
        grey: GreyScale,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__((1, *shape), 1 / math.sqrt(12), grey.check().shift, grey.scale, device)
        self.grey, self.picture_shape = grey, shape
        self.gain = gain.to(self.device, torch.float64)
        self.proxy = ProxyGradient(self.degrade, self.levels)
        self._offset = self.levels(torch.zeros(1, *self.image_shape, device=self.device).double())

    @abstractmethod
    def degrade(self, x: Tensor) -> Tensor:
        """Integers of normalised images (batch, 1, y, x), by the real thing."""

    @abstractmethod
    def levels(self, x: Tensor) -> Tensor:
        """What is rounded, in units of the integers, (batch, 1, y, x); autograd sees it."""

    @abstractmethod
    def picture(self, y: Tensor) -> Tensor:
        """Grey values from 0 to 1 that a viewer shows of the data, (batch, 1, y, x)."""

    def forward(self, x: Tensor) -> Tensor:
        """The degraded image's integers, (batch, 1, y, x)."""
        return self.proxy(x)

    def __call__(
        self,
        data: Mapping[str, Tensor],
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Degrade ``data["target"]``; the rounding is all the noise that there is."""
        return self.forward(data["target"].to(self.device))

    def analysis(self, x: Tensor) -> Tensor:
        """Coefficients of the transform, here the pixels themselves."""
        return x

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """The images of coefficients."""
        return coefficients

    def bounds(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest coefficients of images with the data `y`, (batch, 1, y, x)."""
        ends = (self.lowest_level(y), self.highest_level(y))
        lower, upper = ((end.double() - self._offset) / self.gain for end in ends)
        return lower.float(), upper.float()

    def lowest_level(self, y: Tensor) -> Tensor:
        """Least level that becomes `y`."""
        return y - 0.5

    def highest_level(self, y: Tensor) -> Tensor:
        """Largest level that becomes `y`."""
        return y + 0.5


class JPEG(Quantised):
    """JPEG compression of 8-bit grey images by Pillow.

    The data are the integers of the file, in the place of the pixels of their 8 × 8 blocks:
    quantised cosine coefficients divided by `table`.

    Parameters
    ----------
    shape : tuple of int
        (y, x) of the picture; the operator's images have whole blocks, up to 7 pixels more.
    table : array
        Quantisation table, (8, 8), grey levels; `quality_table` makes it of a quality.
    grey, device
        As for `Quantised`.
    """

    problem = "jpeg"

    def __init__(
        self,
        shape: tuple[int, int],
        table: ArrayLike,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        self.table = np.asarray(table, np.int64)
        if self.table.shape != (BLOCK, BLOCK) or self.table.min() < 1:
            raise ValueError(
                f"table: expected (8, 8) positive integers, got {self.table.shape} from "
                f"{self.table.min()} on"
            )
        rows, columns = (-(-n // BLOCK) for n in shape)
        steps = np.tile(self.table, (rows, columns)).astype(np.float64)
        self.steps = torch.from_numpy(steps).to(device)
        whole = (BLOCK * rows, BLOCK * columns)
        super().__init__(whole, WHITE * grey.check().scale / self.steps, grey, device)
        self.picture_shape = shape

    def levels(self, x: Tensor) -> Tensor:
        """Cosine coefficients of the grey levels around 128, in units of the table."""
        shifted = WHITE * self.unnormalize(x) - 128
        return block_dct(shifted) / self.steps.to(x.dtype)

    def degrade(self, x: Tensor) -> Tensor:
        """Integers of the compressed file."""
        grey = to_8_bit(self.unnormalize(x)[:, 0])
        indices = [read_jpeg(compress(image, self.table)).indices for image in grey]
        return torch.from_numpy(np.stack(indices))[:, None].to(x.device, x.dtype)

    def analysis(self, x: Tensor) -> Tensor:
        """Cosine coefficients of 8 × 8 blocks."""
        return block_dct(x)

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """The images of cosine coefficients."""
        return inverse_block_dct(coefficients)

    def picture(self, y: Tensor) -> Tensor:
        """The decoded file."""
        levels = inverse_block_dct(y * self.steps.to(y.dtype)) + 128
        return levels.round().clamp(0, WHITE) / WHITE


class Quantisation(Quantised):
    """Rounding to 2^bits evenly spaced grey values from black to white.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    bits : int
        1 to 16.
    grey, device
        As for `Quantised`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        bits: int,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        if not 1 <= bits <= 16:
            raise ValueError(f"bits: expected 1 to 16, got {bits}")
        self.largest = 2**bits - 1
        gain = torch.tensor(self.largest * grey.check().scale)
        super().__init__(shape, gain, grey, device)

    def levels(self, x: Tensor) -> Tensor:
        """Grey values in units of the step."""
        return self.largest * self.unnormalize(x)

    def degrade(self, x: Tensor) -> Tensor:
        """Integers from 0 to 2^bits - 1."""
        return self.levels(x).round().clamp(0, self.largest)

    def picture(self, y: Tensor) -> Tensor:
        """The rounded grey values."""
        return y / self.largest

    def lowest_level(self, y: Tensor) -> Tensor:
        """Half a step below; black may be anything darker."""
        return torch.where(y <= 0, -math.inf, y - 0.5)

    def highest_level(self, y: Tensor) -> Tensor:
        """Half a step above; white may be anything brighter."""
        return torch.where(y >= self.largest, math.inf, y + 0.5)


class Clipping(Quantisation):
    """A detector that saturates at a grey value, and rounds to 2^bits levels below it.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    saturation : float
        Grey value, in (0, 1].
    bits : int
        Of the file.
    grey, device
        As for `Quantised`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        saturation: float,
        bits: int = 8,
        grey: GreyScale = GreyScale(),  # noqa: B008 - immutable
        device: str | torch.device = "cpu",
    ) -> None:
        if not 0 < saturation <= 1:
            raise ValueError(f"saturation: expected a grey value in (0, 1], got {saturation}")
        super().__init__(shape, bits, grey, device)
        self.saturated = float(round(saturation * self.largest))

    def degrade(self, x: Tensor) -> Tensor:
        """Integers up to that of the saturation."""
        return super().degrade(x).clamp(max=self.saturated)

    def highest_level(self, y: Tensor) -> Tensor:
        """Half a step above; what is saturated may be anything brighter."""
        return torch.where(y >= self.saturated, math.inf, y + 0.5)


def compress(image: NDArray[np.uint8], table: NDArray[np.int64]) -> bytes:
    """A JPEG file of a grey image (y, x) with a quantisation table (8, 8)."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", qtables=[table.flatten().tolist()])
    return file.getvalue()


def quality_table(quality: int) -> NDArray[np.int64]:
    """The luminance table of libjpeg's quality, 1 to 100, (8, 8)."""
    from PIL import Image

    if not 1 <= quality <= 100:
        raise ValueError(f"quality: expected 1 to 100, got {quality}")
    file = BytesIO()
    Image.new("L", (BLOCK, BLOCK)).save(file, "JPEG", quality=quality)
    return read_jpeg(file.getvalue()).table


def to_8_bit(grey: Tensor) -> NDArray[np.uint8]:
    """Grey values from 0 to 1, any shape, as integers of 8 bits."""
    return (WHITE * grey.detach().clamp(0, 1)).round().cpu().numpy().astype(np.uint8)

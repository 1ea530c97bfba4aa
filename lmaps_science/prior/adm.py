"""The U-Nets of InverseBench's checkpoints, from their published descriptions.

`DhariwalUNet` is ADM (Dhariwal & Nichol 2021, arXiv 2105.05233) and `SongUNet` DDPM++
(Song et al. 2021, arXiv 2011.13456), both as Karras et al. (2022, arXiv 2206.00364) train
them and with their parameter names, so that a ``state_dict`` of either loads as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Style:
    """Where the two published networks differ.

    Attributes
    ----------
    eps : float
        Of the group normalisation.
    gain : float
        Factor of each residual sum.
    adaptive : bool
        The embedding scales and shifts after the normalisation; else it shifts before it.
    projects_rescaled : bool
        The skip of a block that changes the resolution has a 1x1 convolution.
    head_channels : int or None
        Channels per attention head (no attention below that); None for one head.
    attends_last : bool
        Going up, only the last block of an attending level attends.
    sine_first : bool
        The noise features are sines, then cosines, and their lowest frequency is 1e-4.
    output : str
        Where the checkpoints have the last normalisation and convolution.
    """

    eps: float
    gain: float
    adaptive: bool
    projects_rescaled: bool
    head_channels: int | None
    attends_last: bool
    sine_first: bool
    output: str


ADM = Style(
    eps=1e-5,
    gain=1.0,
    adaptive=True,
    projects_rescaled=False,
    head_channels=64,
    attends_last=False,
    sine_first=False,
    output="out_{layer}",
)
DDPM = Style(
    eps=1e-6,
    gain=math.sqrt(0.5),
    adaptive=False,
    projects_rescaled=True,
    head_channels=None,
    attends_last=True,
    sine_first=True,
    output="dec.{size}x{size}_aux_{layer}",
)


def rescale(x: Tensor, scale: float) -> Tensor:
    """Images at `scale` (1/2, 1 or 2) times their resolution, by the 2x2 box filter."""
    if scale < 1:
        return functional.avg_pool2d(x, 2)
    return functional.interpolate(x, scale_factor=scale, mode="nearest") if scale > 1 else x


def box_filter() -> Tensor:
    """Return the filter of `rescale`, a constant that checkpoints keep beside the weights."""
    return torch.full((1, 1, 2, 2), 0.25)


def group_norm(channels: int, eps: float) -> nn.GroupNorm:
    """Normalisation in at most 32 groups of at least 4 channels."""
    return nn.GroupNorm(min(32, channels // 4), channels, eps)


class Rescale(nn.Module):
    """`rescale` as a layer."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("resample_filter", box_filter())

    def forward(self, x: Tensor) -> Tensor:
        """Rescaled images."""
        return rescale(x, self.scale)


class ScaledConv2d(nn.Conv2d):
    """A same-size convolution of the rescaled image."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, scale: float = 1.0
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.scale = scale
        if scale != 1:
            self.register_buffer("resample_filter", box_filter())

    def forward(self, x: Tensor) -> Tensor:
        """Convolved images."""
        return super().forward(rescale(x, self.scale))


class Block(nn.Module):
    """Residual block, modulated by the noise-level embedding, then self-attention.

    Parameters
    ----------
    in_channels, out_channels, embedding_channels : int
        Widths.
    style : Style
        Which published network it belongs to.
    scale : float
        Change of resolution: 1/2, 1 or 2.
    attention : bool
        Whether self-attention follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding_channels: int,
        style: Style,
        scale: float = 1.0,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.style = style
        self.norm0 = group_norm(in_channels, style.eps)
        self.conv0 = ScaledConv2d(in_channels, out_channels, 3, scale)
        self.affine = nn.Linear(embedding_channels, (1 + style.adaptive) * out_channels)
        self.norm1 = group_norm(out_channels, style.eps)
        self.conv1 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        nn.init.zeros_(self.conv1.weight)

        self.skip: nn.Module = nn.Identity()
        if in_channels != out_channels or (scale != 1 and style.projects_rescaled):
            self.skip = ScaledConv2d(in_channels, out_channels, 1, scale)
        elif scale != 1:
            self.skip = Rescale(scale)

        self.num_heads = 0
        if attention:
            self.num_heads = out_channels // style.head_channels if style.head_channels else 1
        if self.num_heads:
            self.norm2 = group_norm(out_channels, style.eps)
            self.qkv = nn.Conv2d(out_channels, 3 * out_channels, 1)
            self.proj = nn.Conv2d(out_channels, out_channels, 1)
            nn.init.zeros_(self.proj.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Features (batch, out_channels, y * scale, x * scale)."""
        h = self.conv0(functional.silu(self.norm0(x)))
        modulation = self.affine(embedding)[:, :, None, None]
        if self.style.adaptive:
            scale, shift = modulation.chunk(2, dim=1)
            h = self.norm1(h) * (1 + scale) + shift
        else:
            h = self.norm1(h + modulation)
        h = self.style.gain * (self.skip(x) + self.conv1(functional.silu(h)))
        return self.style.gain * (h + self.attend(h)) if self.num_heads else h

    def attend(self, h: Tensor) -> Tensor:
        """Self-attention between pixels, the shape of `h`."""
        # The projection's channels run over heads, then channels, then query | key | value.
        parts = self.qkv(self.norm2(h)).flatten(2).unflatten(1, (self.num_heads, -1, 3))
        query, key, value = parts.permute(3, 0, 1, 4, 2)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(2, 3).reshape(h.shape))


class UNet(nn.Module):
    """What the two U-Nets share.

    Parameters
    ----------
    image_channels : int
        Channels of the image.
    image_size : int
        Side of the training images: it names the levels and places the attention. The
        network takes any image whose sides are multiples of `divisor`.
    model_channels : int
        Unit of width.
    channel_mult : sequence of int
        Width of each level, from the full resolution down, in `model_channels`.
    num_blocks : int
        Residual blocks per level on the way down; one more on the way up.
    attention_sizes : sequence of int
        Image sides at which the blocks attend.
    """

    style: ClassVar[Style]

    def __init__(
        self,
        image_channels: int,
        image_size: int,
        model_channels: int,
        channel_mult: Sequence[int],
        num_blocks: int,
        attention_sizes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.divisor = 2 ** (len(channel_mult) - 1)
        self.image_size, self.model_channels = image_size, model_channels
        embedding = 4 * model_channels
        self.map_layer0 = nn.Linear(model_channels, embedding)
        self.map_layer1 = nn.Linear(embedding, embedding)

        width, skips = model_channels, [model_channels]
        self.enc = nn.ModuleDict()
        self.enc[f"{image_size}x{image_size}_conv"] = nn.Conv2d(image_channels, width, 3, padding=1)
        levels = [(image_size >> i, mult * model_channels) for i, mult in enumerate(channel_mult)]
        for level, (size, channels) in enumerate(levels):
            at, attends = f"{size}x{size}", size in attention_sizes
            if level > 0:
                self.enc[f"{at}_down"] = Block(width, width, embedding, self.style, 0.5)
                skips.append(width)
            for i in range(num_blocks):
                block = Block(width, channels, embedding, self.style, attention=attends)
                self.enc[f"{at}_block{i}"] = block
                width = channels
                skips.append(width)

        self.dec = nn.ModuleDict()
        for level, (size, channels) in reversed(list(enumerate(levels))):
            at, attends = f"{size}x{size}", size in attention_sizes
            if level == len(levels) - 1:
                self.dec[f"{at}_in0"] = Block(width, width, embedding, self.style, attention=True)
                self.dec[f"{at}_in1"] = Block(width, width, embedding, self.style)
            else:
                self.dec[f"{at}_up"] = Block(width, width, embedding, self.style, 2.0)
            for i in range(num_blocks + 1):
                attention = attends and (i == num_blocks or not self.style.attends_last)
                block = Block(
                    width + skips.pop(), channels, embedding, self.style, attention=attention
                )
                self.dec[f"{at}_block{i}"] = block
                width = channels

        last = nn.Conv2d(width, image_channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        self._set_output("norm", group_norm(width, self.style.eps))
        self._set_output("conv", last)

    def _output_name(self, layer: str) -> str:
        return self.style.output.format(size=self.image_size, layer=layer)

    def _set_output(self, layer: str, module: nn.Module) -> None:
        parent, _, name = self._output_name(layer).rpartition(".")
        self.get_submodule(parent).add_module(name, module)

    def forward(self, x: Tensor, noise_label: Tensor) -> Tensor:
        """Network output.

        Parameters
        ----------
        x : Tensor
            Scaled noisy images, (batch, channels, y, x); y and x multiples of `divisor`.
        noise_label : Tensor
            Noise-level label, (batch,).

        Returns
        -------
        Tensor
            (batch, channels, y, x).
        """
        embedding = functional.silu(self.map_layer0(self._noise_features(noise_label)))
        embedding = functional.silu(self.map_layer1(embedding))
        stem, *down = self.enc.values()
        h = stem(x)
        skips = [h]
        for block in down:
            h = block(h, embedding)
            skips.append(h)
        for name, block in self.dec.items():
            if "_aux_" not in name:
                joined = torch.cat([h, skips.pop()], dim=1) if "_block" in name else h
                h = block(joined, embedding)
        norm, conv = (self.get_submodule(self._output_name(layer)) for layer in ("norm", "conv"))
        return conv(functional.silu(norm(h)))

    def _noise_features(self, noise_label: Tensor) -> Tensor:
        """Sinusoids of the label at frequencies from 1 to 1e-4, (batch, model_channels)."""
        count = self.model_channels // 2
        exponents = torch.arange(count, device=noise_label.device)
        exponents = exponents / (count - 1 if self.style.sine_first else count)
        phases = noise_label[:, None] * 10_000**-exponents
        features = [phases.cos(), phases.sin()]
        return torch.cat(features[::-1] if self.style.sine_first else features, dim=1)


class DhariwalUNet(UNet):
    """ADM (Dhariwal & Nichol 2021)."""

    style = ADM


class SongUNet(UNet):
    """DDPM++ (Song et al. 2021)."""

    style = DDPM

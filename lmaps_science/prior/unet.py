"""A U-Net that is fast on a CPU: the body works at half resolution.

Pixel-unshuffle folds 2x2 pixels into channels before the U-Net and pixel-shuffle
unfolds them after it (Shi et al. 2016); a light full-resolution branch keeps the
detail. Purely convolutional, so it takes any image size that the depth divides.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, modulated by the noise-level embedding."""

    def __init__(self, in_channels: int, out_channels: int, embedding_channels: int) -> None:
        super().__init__()
        self.norm0 = nn.GroupNorm(8, in_channels)
        self.conv0 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.modulation = nn.Linear(embedding_channels, 2 * out_channels)
        self.norm1 = nn.GroupNorm(8, out_channels)
        self.conv1 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = (
            nn.Conv2d(in_channels, out_channels, 1)
            if in_channels != out_channels
            else nn.Identity()
        )
        nn.init.zeros_(self.conv1.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Features (batch, out_channels, y, x) from (batch, in_channels, y, x)."""
        h = self.conv0(functional.silu(self.norm0(x)))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(functional.silu(torch.addcmul(shift, self.norm1(h), scale + 1)))
        return self.skip(x) + h


class ShuffleUNet(nn.Module):
    """U-Net with a half-resolution body.

    Parameters
    ----------
    image_channels : int
        Channels of the image.
    channels : sequence of int
        Channels at each level of the body, from half resolution down.
    num_blocks : int
        Residual blocks per level, on the way down and on the way up.
    stem_channels : int
        Channels of the full-resolution branch.
    embedding_channels : int
        Width of the noise-level embedding.
    num_classes : int
        Classes of images that the network tells apart; 0 for none.
    """

    def __init__(
        self,
        image_channels: int = 1,
        channels: Sequence[int] = (48, 96, 128),
        num_blocks: int = 2,
        stem_channels: int = 16,
        embedding_channels: int = 128,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.divisor = 2 ** len(channels)
        self.num_classes = num_classes
        frequencies = torch.exp(torch.linspace(math.log(0.5), math.log(40.0), 32))
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.embedding = nn.Sequential(
            nn.Linear(64, embedding_channels),
            nn.SiLU(),
            nn.Linear(embedding_channels, embedding_channels),
            nn.SiLU(),
        )
        self.stem = nn.Conv2d(image_channels, stem_channels, 3, padding=1)
        self.fold = nn.Conv2d(4 * stem_channels, channels[0], 3, padding=1)

        width, skips = channels[0], []
        self.down = nn.ModuleList()
        self.downsample = nn.ModuleList()
        for level, level_channels in enumerate(channels):
            blocks = nn.ModuleList()
            for _ in range(num_blocks):
                blocks.append(ResidualBlock(width, level_channels, embedding_channels))
                width = level_channels
                skips.append(width)
            self.down.append(blocks)
            if level < len(channels) - 1:
                self.downsample.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
        self.middle = ResidualBlock(width, width, embedding_channels)
        self.up = nn.ModuleList()
        for level_channels in reversed(channels):
            blocks = nn.ModuleList()
            for _ in range(num_blocks):
                blocks.append(
                    ResidualBlock(width + skips.pop(), level_channels, embedding_channels)
                )
                width = level_channels
            self.up.append(blocks)

        self.norm = nn.GroupNorm(8, width)
        self.unfold = nn.Conv2d(width, 4 * stem_channels, 3, padding=1)
        self.merge = nn.Conv2d(2 * stem_channels, stem_channels, 3, padding=1)
        self.head = nn.Conv2d(stem_channels, image_channels, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        self.class_embedding = nn.Embedding(num_classes, 64) if num_classes else None

    def forward(self, x: Tensor, noise_label: Tensor, class_label: Tensor | None = None) -> Tensor:
        """Network output.

        Parameters
        ----------
        x : Tensor
            Scaled noisy images, (batch, channels, y, x); y and x multiples of `divisor`.
        noise_label : Tensor
            Noise-level label, (batch,).
        class_label : Tensor, optional
            Class of each image, (batch,), integers; needed if the network has classes.

        Returns
        -------
        Tensor
            (batch, channels, y, x).
        """
        embedding = self.embedding(self._features(noise_label, class_label))
        detail = self.stem(x.contiguous(memory_format=torch.channels_last))
        h = self.fold(functional.pixel_unshuffle(detail, 2))
        skips = []
        for level, blocks in enumerate(self.down):
            for block in cast(nn.ModuleList, blocks):
                h = block(h, embedding)
                skips.append(h)
            if level < len(self.downsample):
                h = self.downsample[level](h)
        h = self.middle(h, embedding)
        for level, blocks in enumerate(self.up):
            if level > 0:
                h = functional.interpolate(h, scale_factor=2, mode="nearest")
            for block in cast(nn.ModuleList, blocks):
                h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        h = functional.pixel_shuffle(self.unfold(functional.silu(self.norm(h))), 2)
        h = self.merge(functional.silu(torch.cat([detail, h], dim=1)))
        return self.head(functional.silu(h))

    def _features(self, noise_label: Tensor, class_label: Tensor | None) -> Tensor:
        """Sinusoids of the noise label plus the vector of the class, (batch, 64)."""
        phase = noise_label[:, None] * self.frequencies
        features = torch.cat([phase.sin(), phase.cos()], dim=1)
        if self.class_embedding is None and class_label is None:
            return features
        if self.class_embedding is None or class_label is None:
            raise ValueError(
                f"this network has {self.num_classes} classes of images: "
                + ("give the class of each" if class_label is None else "give no class")
            )
        return features + self.class_embedding(class_label)

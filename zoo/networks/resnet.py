"""The residual generator of CycleGAN (Zhu et al. 2017) and its form for enhancement (Athreya et al. 2023)."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple

Skip = Literal["concat", "add", "none"]
Upsampling = Literal["nearest", "transposed"]
BlockPadding = Literal["zeros", "reflect"]


class ResidualBlock(nn.Module):
    """3 x 3, instance norm, ReLU, dropout if any, 3 x 3, instance norm, plus the input."""

    def __init__(self, channels: int, padding: BlockPadding, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


class ResNetGenerator(nn.Module):
    """Two halvings, residual blocks, two doublings: ``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``, tanh.

    Channels are 64, 128, 256 and back; instance norm has no parameters, so every convolution has a bias. Parameters
    for 1 channel: 15 blocks with ``concat`` 18,630,913, with ``add`` or ``none`` 18,446,593; 9 blocks 11,549,953 and
    11,365,633 (also with ``transposed``: CycleGAN's own generator).

    Args:
        blocks: residual blocks at a quarter of the size.
        width: channels of the first layer.
        upsampling: ``nearest``, then a 3 x 3 convolution; or ``transposed`` convolutions, as CycleGAN has them.
        skip: how an encoder's features reach the decoder at their size: beside its own, added to them, or not.
        block_padding: of the residual blocks; CycleGAN's reflect.
        dropout: in the middle of every residual block; pGAN's (Dar et al. 2019).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        blocks: int = 15,
        width: int = 64,
        upsampling: Upsampling = "nearest",
        skip: Skip = "concat",
        block_padding: BlockPadding = "zeros",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.skip, self.in_channels, self.width = skip, in_channels, width
        self.stem = _block(nn.Conv2d(in_channels, width, 7, padding=3, padding_mode="reflect"), width)
        self.down1 = _block(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width)
        self.down2 = _block(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), 4 * width)
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width, block_padding, dropout) for _ in range(blocks)))
        self.up1 = Up(4 * width, 2 * width, upsampling, skip)
        self.up2 = Up(2 * width, width, upsampling, skip)
        self.head = nn.Conv2d(width, out_channels, 7, padding=3, padding_mode="reflect")

    def forward(self, image: Tensor, encoded: Sequence[int] = (), decode: bool = True) -> Any:
        """The translation; with numbers of residual blocks in ``encoded``, the pair of it and :meth:`encode`'s maps;
        without ``decode`` these alone, and nothing is computed past the last of those blocks."""
        image, cut = pad_to_multiple(image, 4)
        full = self.stem(image)
        convolved_half, half = _through(self.down1, full)
        convolved_quarter, features = _through(self.down2, half)
        maps = [image, convolved_half, convolved_quarter]
        last = len(self.blocks) if decode else max(encoded)
        for number, block in enumerate(list(self.blocks)[:last], 1):
            features = block(features)
            maps += [features] if number in encoded else []
        if not decode:
            return maps
        made = cut(self.head(self.up2(self.up1(features, half), full)).tanh())
        return (made, maps) if encoded else made

    def encode(self, image: Tensor, blocks: Sequence[int]) -> list[Tensor]:
        """What the encoder makes of ``(B, in_channels, H, W)``: the image, padded to a multiple of 4; what the two
        halving convolutions give, before norm and ReLU; what the residual ``blocks`` give, numbered from 1 in
        ascending order. Their channels are :meth:`encoded_channels`."""
        return self(image, blocks, decode=False)

    def encoded_channels(self, blocks: Sequence[int]) -> list[int]:
        """Of each map that :meth:`encode` gives."""
        return [self.in_channels, 2 * self.width, *(4 * self.width for _ in (0, *blocks))]


class Up(nn.Module):
    """Twice the size and half the channels, with the encoder's features of that size."""

    def __init__(self, before: int, channels: int, upsampling: Upsampling, skip: Skip) -> None:
        super().__init__()
        self.skip, self.nearest = skip, upsampling == "nearest"
        joined = channels if skip == "concat" else 0
        if self.nearest:  # the features join before the convolution, as printed
            self.layers = _block(nn.Conv2d(before + joined, channels, 3, padding=1), channels)
        else:
            self.layers = _block(nn.ConvTranspose2d(before + joined, channels, 3, 2, 1, 1), channels)

    def forward(self, features: Tensor, encoded: Tensor) -> Tensor:
        if self.nearest:
            features = F.interpolate(features, scale_factor=2, mode="nearest")
        if self.skip == "concat":
            features = torch.cat([features, encoded], dim=1)
        features = self.layers(features)
        return features + encoded if self.skip == "add" else features


def _through(block: nn.Sequential, features: Tensor) -> tuple[Tensor, Tensor]:
    """What a block's convolution gives, and what the block does."""
    convolution, norm, activation = block
    convolved = convolution(features)
    return convolved, activation(norm(convolved))


def _block(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.InstanceNorm2d(channels), nn.ReLU())

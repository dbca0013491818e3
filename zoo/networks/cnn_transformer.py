"""The translator of HSC-T: an encoder of convolutions and a Transformer, a decoder of transposed convolutions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CNNTransformerEncoder(nn.Module):
    """``(B, C, H, W)`` to a map ``z`` of ``widths[-1]`` channels at an eighth of each side, and the maps before it.

    The paper says "CNN-Transformer-combined" and no more. Here: three convolutional stages of which the last two halve
    the image and end in a residual block; a patch embedding that halves it again; a learned map of positions, resized
    to the image at hand; pre-norm Transformer blocks over all places. GroupNorm and LayerNorm keep no statistics that
    a momentum copy would have to follow, and their output has a mean worth pooling. 14,756,992 parameters for 3
    channels. Sides must be multiples of 8.

    Args:
        widths: channels of the four stages.
        depth: Transformer blocks.
        heads: of each block.
        positions: rows and columns of the map of positions: 256 / 8 for the paper's images.
    """

    stride = 8

    def __init__(
        self,
        in_channels: int = 3,
        widths: tuple[int, int, int, int] = (64, 128, 256, 384),
        depth: int = 6,
        heads: int = 6,
        positions: tuple[int, int] = (32, 32),
    ) -> None:
        super().__init__()
        first, second, third, self.channels = widths
        self.skip_channels = (first, second, third)
        self.stages = nn.ModuleList(
            [
                _normed(nn.Conv2d(in_channels, first, 7, padding=3, padding_mode="reflect")),
                nn.Sequential(_normed(nn.Conv2d(first, second, 4, 2, 1)), ResidualBlock(second)),
                nn.Sequential(_normed(nn.Conv2d(second, third, 4, 2, 1)), ResidualBlock(third)),
            ]
        )
        self.embedding = nn.Conv2d(third, self.channels, 4, 2, 1)
        self.positions = nn.Parameter(torch.randn(1, self.channels, *positions) * 0.02)
        self.blocks = nn.Sequential(*(_transformer_block(self.channels, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(self.channels)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``z`` of shape ``(B, widths[3], H / 8, W / 8)`` and the outputs of the three stages, largest first."""
        skips = []
        for stage in self.stages:
            image = stage(image)
            skips.append(image)
        embedded = self.embedding(image)
        embedded = embedded + self._positions(embedded.shape[-2:])
        tokens = self.norm(self.blocks(embedded.flatten(2).transpose(1, 2)))
        return tokens.transpose(1, 2).unflatten(2, embedded.shape[-2:]), skips

    def _positions(self, size: torch.Size) -> Tensor:
        if self.positions.shape[-2:] == size:
            return self.positions
        return F.interpolate(self.positions, tuple(size), mode="bicubic", antialias=True)


class TransposedDecoder(nn.Module):
    """``z`` back to an image in [-1, 1]: transposed convolutions that double the sides, 7 x 7 convolution, tanh.

    Args:
        channels: of ``z``.
        widths: channels after each doubling; (256, 128, 64) for the paper's three.
        skip_channels: of the encoder's maps, largest map first, where they are to be concatenated; () for none.
    """

    def __init__(
        self, channels: int, out_channels: int, widths: tuple[int, ...], skip_channels: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        extra = skip_channels[::-1] or (0,) * len(widths)
        before = [channels, *(width + more for width, more in zip(widths, extra, strict=True))]
        self.steps = nn.ModuleList(
            _normed(nn.ConvTranspose2d(inputs, width, 4, 2, 1)) for inputs, width in zip(before, widths, strict=False)
        )
        self.head = nn.Conv2d(before[-1], out_channels, 7, padding=3, padding_mode="reflect")
        self.concatenates = bool(skip_channels)

    def forward(self, z: Tensor, skips: list[Tensor]) -> Tensor:
        for step, skip in zip(self.steps, skips[::-1] if self.concatenates else [None] * len(self.steps), strict=True):
            z = step(z)
            z = z if skip is None else torch.cat([z, skip], dim=1)
        return self.head(z).tanh()


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with GroupNorm around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _normed(nn.Conv2d(channels, channels, 3, padding=1)),
            nn.Conv2d(channels, channels, 3, padding=1),
            group_norm(channels),
        )

    def forward(self, image: Tensor) -> Tensor:
        return F.relu(image + self.layers(image))


def _transformer_block(channels: int, heads: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        channels, heads, 4 * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


def group_norm(channels: int) -> nn.GroupNorm:
    """Of 32 groups, or as many of them as divide the channels."""
    return nn.GroupNorm(math.gcd(32, channels), channels)


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(convolution, group_norm(convolution.out_channels), nn.ReLU())

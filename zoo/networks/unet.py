"""The U-Net of Pix2Pix (Isola et al. 2017), of any depth."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple
from zoo.networks.self_attention import SelfAttention


class UNet(nn.Module):
    """Encoder of strided 4 x 4 convolutions, mirrored decoder, skip connections, tanh.

    With ``depth=8, width=64`` this is the U-Net-256 of the paper: 54,411,907 parameters for 1 to 3 channels.
    Inputs ``(B, C, H, W)`` whose sides are not multiples of ``2 ** depth`` are padded and the output is cut back.

    Args:
        depth: levels; the innermost map of a 256 x 256 image is 1 x 1 at depth 8.
        width: channels of the first level; they double up to eight times that.
        dropout: after the norm of the three decoder steps that follow the innermost.
        attention_levels: where self-attention follows the decoder's norm, as the number of halvings of the image's
            size, from 1 to ``depth - 1``. With 2 and 3 54,514,309 parameters for 1 to 3 channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int = 8,
        width: int = 64,
        dropout: float = 0.5,
        attention_levels: Collection[int] = (),
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth {depth}: a U-Net needs at least 2 levels")
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.multiple = 2**depth
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(widths):
            before = in_channels if level == 0 else widths[level - 1]
            self.encoder.append(_down(before, channels, first=level == 0, last=level == depth - 1))
        for step, level in enumerate(reversed(range(depth))):
            before = widths[level] * (1 if step == 0 else 2)
            if level == 0:
                self.decoder.append(_up_to_image(before, out_channels))
            else:
                up = _up(before, widths[level - 1], dropout if 1 <= step <= 3 else 0.0)
                if level in attention_levels:
                    up.append(SelfAttention(widths[level - 1]))
                self.decoder.append(up)

    def forward(self, source: Tensor) -> Tensor:
        image, cut = pad_to_multiple(source, self.multiple)
        features = []
        for down in self.encoder:
            image = down(image)
            features.append(image)
        image = features.pop()
        for up in self.decoder:
            image = up(image)
            if features:
                image = torch.cat([image, features.pop()], dim=1)
        return cut(image)


def _down(before: int, channels: int, first: bool, last: bool) -> nn.Sequential:
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers.append(nn.Conv2d(before, channels, 4, 2, 1, bias=False))
    if not (first or last):
        layers.append(nn.BatchNorm2d(channels))
    return nn.Sequential(*layers)


def _up(before: int, channels: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU(), nn.ConvTranspose2d(before, channels, 4, 2, 1, bias=False)]
    layers.append(nn.BatchNorm2d(channels))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def _up_to_image(before: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(before, out_channels, 4, 2, 1), nn.Tanh())

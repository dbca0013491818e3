"""The U-Net that regresses elasticity from B-mode (Wildeboer et al. 2019, 2020)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks.feature_shift import FeatureShift
from zoo.networks.padding import pad_to_multiple

Variant = Literal["text", "count158k"]


class ElasticityUNet(nn.Module):
    """Two-convolution blocks of 32 maps, max-pooling, nearest upsampling, sigmoid: [0, 1] in, [0, 1] out.

    ``text`` is the architecture that the paper prints: two levels, 102,273 parameters. ``count158k`` is the one that
    has the 158,177 parameters that the paper states: three levels, a batch norm a block, one more convolution before
    the output. The paper does not say how the two go together.

    Sides that are no multiples of ``2 ** levels`` are padded and the output is cut back.

    Args:
        levels: poolings; 2 for ``text`` and 3 for ``count158k`` by default (the paper's grid search has 2, 3, 4).
        width: maps of every hidden layer.
        dropout: element-wise, after each pooling.
        align: shift the latent map's channels from the statistics of the present images to those of training; see
            :class:`zoo.networks.feature_shift.FeatureShift`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        variant: Variant = "text",
        levels: int | None = None,
        width: int = 32,
        dropout: float = 0.5,
        align: bool = False,
    ) -> None:
        super().__init__()
        counted = variant == "count158k"
        self.levels = levels or (3 if counted else 2)
        self.encoder = nn.ModuleList(
            _block(in_channels if level == 0 else width, width, counted) for level in range(self.levels)
        )
        self.latent = _block(width, width, counted)
        self.decoder = nn.ModuleList(_block(2 * width, width, counted) for _ in range(self.levels))
        self.dropout = nn.Dropout(dropout)
        extra = [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.1)] if counted else []
        self.head = nn.Sequential(*extra, nn.Conv2d(width, out_channels, 3, padding=1), nn.Sigmoid())
        self.adapt = FeatureShift(width) if align else None

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The latent map (``(B, 32, 16, 24)`` for 64 x 96 pixels in ``text``) and the skip connections."""
        skips = []
        for block in self.encoder:
            image = block(image)
            skips.append(image)
            image = self.dropout(F.max_pool2d(image, 2))
        return self.latent(image), skips

    def aligned(self, latent: Tensor) -> Tensor:
        """What the decoder gets of a latent map."""
        return latent if self.adapt is None else self.adapt(latent)

    def forward(self, image: Tensor) -> Tensor:
        image, cut = pad_to_multiple(image, 2**self.levels)
        image, skips = self.encode(image)
        image = self.aligned(image)
        for block in self.decoder:
            image = block(torch.cat([F.interpolate(image, scale_factor=2, mode="nearest"), skips.pop()], dim=1))
        return cut(self.head(image))


def _block(before: int, width: int, norm: bool) -> nn.Sequential:
    layers = [nn.Conv2d(before, width, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(width, width, 3, padding=1)]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(width)] if norm else []), nn.LeakyReLU(0.1))

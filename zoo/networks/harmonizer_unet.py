"""The U-Net of the harmonizer (Zhao et al. 2024): CIL and CTIR modules, with squeeze-and-excitation."""

import torch
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple

REDUCTION = 16


class SqueezeExcitation(nn.Module):
    """Scale every channel by a gate in (0, 1) that sees the means of all channels (Hu et al. 2018).

    After an activation: the means of what instance norm gives are 0, and what precedes one is scaled away by it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // REDUCTION)
        self.gate = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gate(features.mean((2, 3)))[:, :, None, None]


class HarmonizerUNet(nn.Module):
    """``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``, tanh.

    CIL: 4 x 4 convolution of stride 2, instance norm, LeakyReLU 0.2; no norm at the first and the innermost level.
    CTIR: 4 x 4 transposed convolution of stride 2, instance norm, ReLU, beside the encoder's features of that size; the
    last one gives the image. Sides that are no multiples of ``2 ** depth`` are padded. Parameters for 1 channel:
    54,403,457; with squeeze-and-excitation in the encoder 54,580,665, in both halves 54,725,141.

    Args:
        depth: levels; the innermost map of a 256 x 256 image is 1 x 1 at depth 8.
        width: channels of the first level; they double up to eight times that.
        se: squeeze-and-excitation after the second and all further CIL.
        se_decoder: and after every CTIR.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int = 8,
        width: int = 64,
        se: bool = True,
        se_decoder: bool = True,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth {depth}: a U-Net needs at least 2 levels")
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.multiple = 2**depth
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for level, channels in enumerate(widths):
            before = in_channels if level == 0 else widths[level - 1]
            self.encoder.append(_cil(before, channels, normed=0 < level < depth - 1, se=se and level > 0))
        for level in range(depth - 1, 0, -1):
            before = widths[level] * (1 if level == depth - 1 else 2)
            self.decoder.append(_ctir(before, widths[level - 1], se and se_decoder))
        self.head = nn.ConvTranspose2d(2 * width, out_channels, 4, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        features, cut = pad_to_multiple(image, self.multiple)
        skips = []
        for down in self.encoder:
            features = down(features)
            skips.append(features)
        skips.pop()
        for up in self.decoder:
            features = torch.cat([up(features), skips.pop()], dim=1)
        return cut(self.head(features).tanh())


def _cil(before: int, channels: int, normed: bool, se: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(before, channels, 4, 2, 1)]
    layers += [nn.InstanceNorm2d(channels)] if normed else []
    layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, *([SqueezeExcitation(channels)] if se else []))


def _ctir(before: int, channels: int, se: bool) -> nn.Sequential:
    layers = [nn.ConvTranspose2d(before, channels, 4, 2, 1), nn.InstanceNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers, *([SqueezeExcitation(channels)] if se else []))

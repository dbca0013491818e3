"""Registration of two images by a dense field of displacements: who finds it, and what it does to an image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple
from zoo.networks.resnet import ResidualBlock

SLOPE = 0.2
ALMOST_NOTHING = 1e-5  # spread of the last layer's first weights, so that training starts near the identity


class RegistrationUNet(nn.Module):
    """R of RegGAN (Kong et al., NeurIPS 2021): two images ``(B, C, H, W)`` to the field ``(B, 2, H, W)`` of
    displacements, in pixels, down and to the right, by which :func:`warp` brings the first onto the second.

    A U-Net of residual blocks as published: on the way down 3 x 3, LeakyReLU, residual block, maximum of 2 x 2; at the
    bottom three residual blocks of twice the channels; on the way up bilinear enlargement, skip, 3 x 3, LeakyReLU; one
    more residual block, 1 x 1, LeakyReLU, and a last 3 x 3 whose weights start at almost 0. Parameters for images of 1
    channel: 2,058,018.

    Args:
        in_channels: of both images together.
        depth: levels; at 7 the innermost map of a 256 x 256 image is 2 x 2. Sides that are no multiples of
            ``2 ** (depth + 1)`` are padded, and the field is cut back.
        width: channels of the first level; the others have twice as many.
    """

    def __init__(self, in_channels: int, depth: int = 7, width: int = 32) -> None:
        super().__init__()
        self.multiple = 2 ** (depth + 1)  # a norm needs more than one pixel, also at the bottom
        widths = [width] + (depth - 1) * [2 * width]
        inner = widths[-1]
        self.down = nn.ModuleList(
            nn.Sequential(*_convolution(before, channels), ResidualBlock(channels, "reflect"))
            for before, channels in zip([in_channels, *widths], widths, strict=False)
        )
        blocks = (ResidualBlock(2 * inner, "reflect") for _ in range(3))
        self.bottom = nn.Sequential(*_convolution(inner, 2 * inner, 1), *blocks, *_convolution(2 * inner, inner, 1))
        self.up = nn.ModuleList(
            nn.Sequential(*_convolution(before + channels, channels))
            for before, channels in zip([inner, *widths[:0:-1]], widths[::-1], strict=True)
        )
        self.refine = nn.Sequential(ResidualBlock(width, "reflect"), *_convolution(width, width, 1))
        self.head = nn.Conv2d(width, 2, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, SLOPE)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.head.weight, std=ALMOST_NOTHING)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        features, cut = pad_to_multiple(torch.cat([moving, fixed], dim=1), self.multiple)
        skips = []
        for down in self.down:
            features = down(features)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        features = self.bottom(features)
        for up in self.up:
            features = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = up(torch.cat([features, skips.pop()], dim=1))
        features = self.refine(features)
        with torch.autocast(features.device.type, enabled=False):  # parts of a pixel need more digits than bf16 has
            return cut(self.head(features.float()))


def _convolution(before: int, channels: int, kernel: int = 3) -> list[nn.Module]:
    return [nn.Conv2d(before, channels, kernel, padding=kernel // 2), nn.LeakyReLU(SLOPE)]


def warp(image: Tensor, field: Tensor) -> Tensor:
    """What lies ``field`` away: float32 ``(B, C, H, W)`` with image(p + field(p)) at p, bilinear; outside, the edge.

    Args:
        image: ``(B, C, H, W)``.
        field: ``(B, 2, H, W)`` in pixels, down and to the right.
    """
    height, width = image.shape[-2:]
    with torch.autocast(image.device.type, enabled=False):
        field = field.float()
        down = torch.arange(height, device=field.device)[:, None] + field[:, 0]
        right = torch.arange(width, device=field.device) + field[:, 1]
        # From pixels to what grid_sample calls them: -1 and 1 are the outer edges of the first and last pixel.
        places = torch.stack([(2 * right + 1) / width - 1, (2 * down + 1) / height - 1], dim=-1)
        places = places.nan_to_num()  # at no number grid_sample reads whatever memory; smoothness still tells of it
        return F.grid_sample(image.float(), places, mode="bilinear", padding_mode="border", align_corners=False)

"""Twice or half the size by the binomial filter of StyleGAN2 and NCSN++ (Song et al., ICLR 2021)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Resampling = Literal["down", "up", "blur"]
TAPS = (1.0, 3.0, 3.0, 1.0)


class FIR(nn.Module):
    """Every channel by itself through the outer product of (1, 3, 3, 1) / 8 with itself; zeros outside the image.

    ``(B, C, H, W)`` to half its size (``down``, odd sides rounded down), twice its size (``up``), or one pixel more a
    side (``blur``: what a 3 x 3 convolution of stride 2 without padding then halves). No parameters, and nothing in
    the state dict.
    """

    kernel: Tensor

    def __init__(self, mode: Resampling) -> None:
        super().__init__()
        self.mode = mode
        taps = torch.tensor(TAPS) / sum(TAPS)
        gain = 4.0 if mode == "up" else 1.0  # three of four pixels that it is laid over are not there
        self.register_buffer("kernel", gain * taps.outer(taps)[None, None], persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        channels = features.shape[1]
        kernel = self.kernel.expand(channels, -1, -1, -1)
        if self.mode == "up":
            return F.conv_transpose2d(features, kernel, stride=2, padding=1, groups=channels)
        if self.mode == "down":
            return F.conv2d(features, kernel, stride=2, padding=1, groups=channels)
        return F.conv2d(features, kernel, padding=2, groups=channels)

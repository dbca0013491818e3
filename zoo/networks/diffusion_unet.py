"""The U-Net by which diffusion models guess noise (Ho et al., NeurIPS 2020, appendix B)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks.padding import pad_to_multiple
from zoo.networks.time_embedding import sinusoidal

MOST_GROUPS = 32
FEWEST_CHANNELS = 4  # of a group


class DiffusionUNet(nn.Module):
    """Residual blocks that are told the time, self-attention where maps are small, skips from every block.

    With ``width=128`` and 3 to 3 channels it has 113,673,219 parameters, the published 114 million for 256 x 256; with
    ``width=128, multipliers=(1, 2, 2, 2), attention=(1,)`` 35,746,307, those for CIFAR. Which level attends is told by
    its number and not by its pixels, so that the layers do not depend on the images. Inputs ``(B, C, H, W)`` whose
    sides are not multiples of ``2 ** (levels - 1)`` are padded and the output is cut back.

    The last convolutions of a block and of the network are zero at first, as in the authors' code: so each block is
    the identity (or its skip), and the first guess is 0.

    Args:
        in_channels: of the input, conditions and all.
        out_channels: of the output, which is not bounded.
        width: channels of the first level, a multiple of 4.
        multipliers: channels of each level, in widths; maps are halved from one to the next.
        attention: levels with attention after each block, counted from 0; level 4 of 256 x 256 pixels is 16 x 16.
        blocks: of a level of the encoder; the decoder has one more.
        dropout: in every block.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4, 4),
        attention: Sequence[int] = (4,),
        blocks: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.multiple = width, 2 ** (len(multipliers) - 1)
        widths, time = [width * multiplier for multiplier in multipliers], 4 * width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.encoder, self.smaller = nn.ModuleList(), nn.ModuleList()
        channels, skips = width, [width]
        for level, wanted in enumerate(widths):
            if level > 0:
                self.smaller.append(nn.Conv2d(channels, channels, 3, 2, 1))
                skips.append(channels)
            sizes = [channels, *(blocks - 1) * [wanted]]
            self.encoder.append(nn.ModuleList(Block(n, wanted, time, dropout, level in attention) for n in sizes))
            channels = wanted
            skips += blocks * [channels]
        self.middle = nn.ModuleList(Block(channels, channels, time, dropout, attends) for attends in (True, False))
        self.decoder, self.larger = nn.ModuleList(), nn.ModuleList()
        for level, wanted in reversed([*enumerate(widths)]):
            sizes = [before + skips.pop() for before in (channels, *blocks * [wanted])]
            self.decoder.append(nn.ModuleList(Block(n, wanted, time, dropout, level in attention) for n in sizes))
            channels = wanted
            if level > 0:
                self.larger.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, 1, 1)))
        head = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.last = nn.Sequential(group_norm(channels), nn.SiLU(), head)
        self.apply(_initialise)
        for layer in self.modules():
            if isinstance(layer, Block | Attention):
                nn.init.zeros_(layer.last.weight)
        nn.init.zeros_(head.weight)

    def forward(self, image: Tensor, t: Tensor) -> Tensor:
        """``image`` is ``(B, C, H, W)``, ``t`` int64 ``(B,)``."""
        time = self.time(sinusoidal(t, self.width))
        image, cut = pad_to_multiple(image, self.multiple)
        image = self.first(image)
        features = [image]
        for level, blocks in enumerate(self.encoder):
            if level > 0:
                image = self.smaller[level - 1](image)
                features.append(image)
            for block in blocks.children():
                image = block(image, time)
                features.append(image)
        for block in self.middle:
            image = block(image, time)
        for step, blocks in enumerate(self.decoder):
            if step > 0:
                image = self.larger[step - 1](image)
            for block in blocks.children():
                image = block(torch.cat([image, features.pop()], dim=1), time)
        return cut(self.last(image))


class Block(nn.Module):
    """x + f(x, time), and attention, if there is any.

    Args:
        before: channels of the input.
        channels: of the output.
        time: values of the embedded time.
        dropout: before the last convolution.
        attends: whether attention follows.
    """

    def __init__(self, before: int, channels: int, time: int, dropout: float, attends: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(group_norm(before), nn.SiLU(), nn.Conv2d(before, channels, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, channels))
        self.leave = nn.Sequential(group_norm(channels), nn.SiLU(), nn.Dropout(dropout))
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(before, channels, 1) if before != channels else nn.Identity()
        self.attention = Attention(channels) if attends else nn.Identity()

    def forward(self, image: Tensor, time: Tensor) -> Tensor:
        hidden = self.enter(image) + self.time(time)[:, :, None, None]
        return self.attention(self.skip(image) + self.last(self.leave(hidden)))


class Attention(nn.Module):
    """x + attention over all pixels, with one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.last = nn.Conv2d(channels, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        pixels = self.query_key_value(self.norm(image)).flatten(2).transpose(1, 2)[:, None]  # (B, 1, HW, 3C)
        attended = F.scaled_dot_product_attention(*pixels.chunk(3, dim=-1))
        return image + self.last(attended[:, 0].transpose(1, 2).reshape(image.shape))


def group_norm(channels: int) -> nn.GroupNorm:
    """Of 32 groups where they can have 4 channels each; of as many as go where they cannot."""
    most = min(MOST_GROUPS, channels // FEWEST_CHANNELS)
    groups = next(number for number in range(most, 0, -1) if channels % number == 0)
    return nn.GroupNorm(groups, channels, eps=1e-6)


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

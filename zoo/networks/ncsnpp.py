"""NCSN++ (Song et al., ICLR 2021) with a latent vector in every norm (Xiao et al., ICLR 2022): G_theta of SynDiff."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks import initialisation
from zoo.networks.padding import pad_to_multiple
from zoo.networks.resampling import FIR
from zoo.networks.time_embedding import sinusoidal

EMBEDDING = 256  # numbers that the latent vector becomes
RESCALE = 2**-0.5  # of a sum of two parts, whose variance is then that of one
QUIET = 1e-5  # gain of the last layer of a branch, which so begins as (nearly) nothing


class NCSNpp(nn.Module):
    """``(B, channels, H, W)``, time steps and latent vectors to ``(B, channels, H, W)``, tanh.

    Two BigGAN residual blocks a level, three on the way up, beside what the way down left; self-attention at the level
    before the last (16 x 16 of 256 x 256, with six levels) and between the two halves. Each half and each doubling is
    a residual block with a (1, 3, 3, 1) filter; at each half the image itself joins, filtered and halved as often. All
    sums are divided by sqrt 2. Parameters: 39,725,250 for 2 channels, 39,728,708 for 4, 39,732,166 for 6. Sides that
    are no multiples of ``2 ** (levels - 1)`` are padded.

    Args:
        channels: of input and output alike; who wants fewer takes the first.
        width: channels of the first level.
        multipliers: channels of each level, in ``width``.
        blocks: residual blocks a level.
        z_size: numbers of a latent vector.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4),
        blocks: int = 2,
        z_size: int = 100,
    ) -> None:
        super().__init__()
        self.width, self.multiple = width, 2 ** (len(multipliers) - 1)
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width), nn.SiLU())
        layers: list[nn.Module] = [nn.Linear(z_size, EMBEDDING), nn.SiLU()]
        for _ in range(3):
            layers += [nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU()]
        self.mapping = nn.Sequential(*layers)

        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.encoder, self.halvings, self.pyramid = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.decoder, self.doublings = nn.ModuleList(), nn.ModuleList()
        widths = [width * multiplier for multiplier in multipliers]
        last = len(widths) - 1
        before, of_image, skips = width, channels, [width]
        for level, now in enumerate(widths):
            sizes = [before, *(blocks - 1) * [now]]
            self.encoder.append(nn.ModuleList(Block(size, now, width, level == last - 1) for size in sizes))
            skips += blocks * [now]
            if level < last:
                self.halvings.append(Block(now, now, width, resample="down"))
                self.pyramid.append(nn.Sequential(FIR("blur"), nn.Conv2d(of_image, now, 3, stride=2)))
                skips.append(now)
            before = of_image = now
        self.middle = nn.ModuleList([Block(before, before, width, attention=True), Block(before, before, width)])
        for level in range(last, -1, -1):
            now, level_blocks = widths[level], nn.ModuleList()
            for block in range(blocks + 1):
                attention = level == last - 1 and block == blocks
                level_blocks.append(Block(before + skips.pop(), now, width, attention))
                before = now
            self.decoder.append(level_blocks)
            if level > 0:
                self.doublings.append(Block(now, now, width, resample="up"))
        self.norm = _group_norm(before, affine=True)
        self.head = nn.Conv2d(before, channels, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        initialisation.xavier(self)
        initialisation.xavier(self.head, QUIET)
        for module in self.modules():
            if isinstance(module, Block | Attention):
                initialisation.xavier(module.last, QUIET)

    def forward(self, image: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """``image`` is ``(B, channels, H, W)``, ``t`` ``(B,)`` and ``z`` ``(B, z_size)``, standard normal."""
        time = self.time(sinusoidal(t, self.width))
        style = self.mapping(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        image, cut = pad_to_multiple(image, self.multiple)
        features = self.stem(image)
        skips = [features]
        for level, blocks in enumerate(self.encoder):
            for block in blocks.children():
                features = block(features, time, style)
                skips.append(features)
            if level < len(self.halvings):
                halved = self.halvings[level](features, time, style)
                features = image = RESCALE * (self.pyramid[level](image) + halved)
                skips.append(features)
        for block in self.middle:
            features = block(features, time, style)
        for level, blocks in enumerate(self.decoder):
            for block in blocks.children():
                features = block(torch.cat([features, skips.pop()], dim=1), time, style)
            if level < len(self.doublings):
                features = self.doublings[level](features, time, style)
        return cut(self.head(F.silu(self.norm(features))).tanh())


class AdaptiveGroupNorm(nn.Module):
    """Group norm whose scale and shift are linear in an embedding ``(B, EMBEDDING)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _group_norm(channels, affine=False)
        self.style = nn.Linear(EMBEDDING, 2 * channels)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.style(style)[:, :, None, None].chunk(2, dim=1)
        return (1 + scale) * self.norm(features) + shift


class Block(nn.Module):
    """Norm, SiLU, (resampling,) 3 x 3, time, norm, SiLU, 3 x 3, plus the input, and self-attention where asked for."""

    def __init__(
        self,
        before: int,
        channels: int,
        width: int,
        attention: bool = False,
        resample: Literal["down", "up"] | None = None,
    ) -> None:
        super().__init__()
        self.resample = FIR(resample) if resample else nn.Identity()
        self.norm1, self.norm2 = AdaptiveGroupNorm(before), AdaptiveGroupNorm(channels)
        self.first = nn.Conv2d(before, channels, 3, padding=1)
        self.time = nn.Linear(4 * width, channels)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(before, channels, 1) if resample or before != channels else nn.Identity()
        self.attention = Attention(channels) if attention else nn.Identity()

    def forward(self, features: Tensor, time: Tensor, style: Tensor) -> Tensor:
        inner = self.first(self.resample(F.silu(self.norm1(features, style))))
        inner = inner + self.time(time)[:, :, None, None]
        inner = self.last(F.silu(self.norm2(inner, style)))
        return self.attention(RESCALE * (self.skip(self.resample(features)) + inner))


class Attention(nn.Module):
    """Every pixel looks at every other: one head, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _group_norm(channels, affine=True)
        self.query, self.key, self.value, self.last = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, features: Tensor) -> Tensor:
        normed = self.norm(features)
        query, key, value = (
            layer(normed).flatten(2).transpose(1, 2)[:, None] for layer in (self.query, self.key, self.value)
        )  # (B, 1, H W, C)
        seen = F.scaled_dot_product_attention(query, key, value)[:, 0].transpose(1, 2)
        return RESCALE * (features + self.last(seen.reshape(features.shape)))


def _group_norm(channels: int, affine: bool) -> nn.GroupNorm:
    """Of a quarter of the channels, 32 at most, or the next fewer groups that divide them."""
    most = max(1, min(channels // 4, 32))
    groups = next(number for number in range(most, 0, -1) if channels % number == 0)
    return nn.GroupNorm(groups, channels, eps=1e-6, affine=affine)

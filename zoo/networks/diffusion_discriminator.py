"""D_theta of SynDiff: whether an image is what precedes a noisier one (Xiao et al., ICLR 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.networks import initialisation
from zoo.networks.ncsnpp import QUIET, RESCALE
from zoo.networks.padding import pad_to_multiple
from zoo.networks.resampling import FIR
from zoo.networks.time_embedding import sinusoidal

EMBEDDING = 256
GROUP = 4  # images whose spread is taken together
SLOPE = 0.2


class DiffusionDiscriminator(nn.Module):
    """Scores x_(t-1) beside x_t as real or fake: twice ``(B, channels, H, W)`` to raw scores ``(B, 1)``.

    1 x 1 convolution, residual halvings of 256 to 512 channels, the spread of the batch as one channel more, 3 x 3
    convolution, sum over pixels, one linear layer. 27,736,705 parameters for images of 1 channel, 27,737,217 of 3.
    Sides that are no multiples of ``2 ** blocks`` are padded.

    Args:
        channels: of an image.
        width: half the channels of the first convolution; they double up to eight times that.
        blocks: halvings.
    """

    def __init__(self, channels: int, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        widths = [width * min(2 ** (number + 1), 8) for number in range(blocks + 1)]
        self.multiple = 2**blocks
        self.time = nn.Sequential(
            nn.Linear(EMBEDDING, EMBEDDING), nn.LeakyReLU(SLOPE), nn.Linear(EMBEDDING, EMBEDDING), nn.LeakyReLU(SLOPE)
        )
        self.stem = nn.Conv2d(2 * channels, widths[0], 1)
        self.blocks = nn.ModuleList(Halving(widths[number], widths[number + 1]) for number in range(blocks))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.head = nn.Linear(widths[-1], 1)
        initialisation.xavier(self)
        for block in self.modules():
            if isinstance(block, Halving):
                initialisation.xavier(block.last, QUIET)

    def forward(self, before: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """``before`` is x_(t-1), ``noisy`` is x_t, ``t`` is ``(B,)``."""
        time = self.time(sinusoidal(t, EMBEDDING))
        image, _ = pad_to_multiple(torch.cat([before, noisy], dim=1), self.multiple)
        features = self.stem(image)
        for block in self.blocks:
            features = block(features, time)
        features = F.leaky_relu(self.last(with_spread(features)), SLOPE)
        return self.head(features.sum((2, 3)))


class Halving(nn.Module):
    """LeakyReLU, 3 x 3, time, LeakyReLU, half the size, 3 x 3, plus the halved input."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, padding=1)
        self.time = nn.Linear(EMBEDDING, channels)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.halve = FIR("down")
        self.skip = nn.Conv2d(before, channels, 1, bias=False)

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        inner = self.first(F.leaky_relu(features, SLOPE)) + self.time(time)[:, :, None, None]
        inner = self.last(self.halve(F.leaky_relu(inner, SLOPE)))
        return RESCALE * (self.skip(self.halve(features)) + inner)


def with_spread(features: Tensor) -> Tensor:
    """``(B, C, H, W)`` and one channel more: the standard deviation over a group of images, the mean of all features
    and pixels (Karras et al., ICLR 2018).

    Groups are of four images. A batch of fewer is one group; one that four does not divide, which the published form
    cannot take, is as many groups as that needs, of sizes that differ by one at most.
    """
    groups = features.float().tensor_split(-(-len(features) // GROUP))
    spreads = [
        (group.var(0, correction=0) + 1e-8).sqrt().mean().expand(len(group), 1, *features.shape[2:]) for group in groups
    ]
    return torch.cat([features, torch.cat(spreads).to(features.dtype)], dim=1)

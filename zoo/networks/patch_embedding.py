"""Places in feature maps as vectors of one length: the MLPs of PatchNCE (Park et al., ECCV 2020)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """H: for every layer an MLP of two linear layers with a ReLU between them, its output of unit length.

    Parameters for one layer of C channels: ``256 C + 66,048``.

    Args:
        channels: of each layer's map.
        width: of hidden and output layer.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, width), nn.ReLU(), nn.Linear(width, width)) for before in channels
        )

    def forward(self, maps: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """Float32 ``(B, n, width)`` of each ``(B, C, h, w)`` at its ``(n,)`` places, numbers of pixels row by row."""
        embedded = []
        for layer, features, place in zip(self.layers, maps, places, strict=True):
            sampled = features.flatten(2).index_select(2, place).transpose(1, 2)
            embedded.append(F.normalize(layer(sampled).float(), dim=2))
        return embedded


def random_places(maps: list[Tensor], most: int) -> list[Tensor]:
    """Places of each map ``(B, C, h, w)``, ``most`` or as many as it has: the same for every image, none twice."""
    return [torch.randperm(layer[0, 0].numel(), device=layer.device)[:most] for layer in maps]

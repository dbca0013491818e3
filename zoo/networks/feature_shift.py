"""Alignment of one scanner's features to another's by their means and deviations."""

import torch
from torch import Tensor, nn

EPS = 1e-8


class FeatureShift(nn.Module):
    """f' = (f - m) / s * s0 + m0, channel by channel of ``(B, C, H, W)``: features of mean m and deviation s over some
    data get those that the training data had, m0 and s0. Until :meth:`shift_from` is called it does nothing."""

    mean0: Tensor
    mean: Tensor
    std0: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("mean0", "mean"):
            self.register_buffer(name, torch.zeros(1, channels, 1, 1), persistent=name == "mean0")
        for name in ("std0", "std"):
            self.register_buffer(name, torch.ones(1, channels, 1, 1), persistent=name == "std0")

    def remember(self, mean: Tensor, std: Tensor) -> None:
        """Statistics ``(C,)`` of the training data, kept in the checkpoint; they are also the present data's."""
        self.mean0, self.std0 = mean.view_as(self.mean0), std.view_as(self.std0)
        self.shift_from(mean, std)

    def shift_from(self, mean: Tensor, std: Tensor) -> None:
        """Statistics ``(C,)`` of the present data."""
        self.mean, self.std = mean.view_as(self.mean), std.view_as(self.std)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / (self.std + EPS) * (self.std0 + EPS) + self.mean0


class ChannelStatistics:
    """Mean and deviation ``(C,)`` of every channel over all pixels of many batches."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, features: Tensor) -> None:
        wide = features.double()
        self.count += features.numel() // features.shape[1]
        self.total = self.total + wide.sum((0, 2, 3))
        self.squares = self.squares + wide.square().sum((0, 2, 3))

    def compute(self) -> tuple[Tensor, Tensor]:
        mean = self.total / self.count
        return mean.float(), (self.squares / self.count - mean.square()).clamp_min(0).sqrt().float()

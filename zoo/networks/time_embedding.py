"""Sinusoidal embedding of a time step (Vaswani et al. 2017, as Ho et al. 2020 use it)."""

import math

import torch
from torch import Tensor


def sinusoidal(t: Tensor, channels: int) -> Tensor:
    """Time steps ``(B,)`` as ``(B, channels)``: sines, then cosines, of wavelengths from 2 pi to 20,000 pi."""
    half = channels // 2
    rates = torch.exp(torch.arange(half, device=t.device) * (-math.log(10_000) / (half - 1)))
    angles = t.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)

"""Distances between maps where only part of the target may be trusted."""

import torch
from torch import Tensor


def masked_rmse(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """L = sqrt(mean over valid pixels of (y - y')^2 + 1e-8), one number a batch (Wildeboer 2020, eq. 1).

    ``prediction`` and ``target`` are ``(B, C, H, W)``, ``valid`` is bool ``(B, 1, H, W)``. Invalid pixels get no
    gradient; a batch without a valid pixel gives 1e-4.
    """
    # Filled before squaring, so that not even NaN in an invalid pixel reaches the gradient.
    squared = (prediction - target).masked_fill(~valid, 0.0).square()
    count = (valid.sum() * target.shape[1]).clamp_min(1)
    return torch.sqrt(squared.sum() / count + 1e-8)

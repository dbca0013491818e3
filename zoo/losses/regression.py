"""Distances between maps where only part of the target may be trusted."""

from typing import Literal

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


def cross_entropy(probability: Tensor, wanted: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities in [0, 1] with a bool map of their shape. torch's own refuses
    probabilities under autocast."""
    likelihood = torch.where(wanted, probability, 1 - probability)
    return -likelihood.clamp_min(1e-6).log().mean()


PixelLoss = Literal["levels", "mse", "rmse", "as_printed"]
GREY_LEVELS = 127.5  # 8-bit levels in one unit of [-1, 1]


def pixel_loss(prediction: Tensor, target: Tensor, kind: PixelLoss = "levels") -> Tensor:
    """Distance of images ``(B, C, H, W)`` in [-1, 1], a mean over them (HSC-T, eq. 6).

    ``mse``: mean squared error. ``levels``: the same in 8-bit grey levels, 127.5^2 times as much. ``rmse``: its root.
    ``as_printed``: |x - x'|_2 / (h w).
    """
    squared = (prediction.float() - target.float()).square().flatten(1)
    if kind == "levels":
        return GREY_LEVELS**2 * squared.mean()
    if kind == "mse":
        return squared.mean()
    if kind == "rmse":
        return (squared.mean(1) + 1e-12).sqrt().mean()
    return (squared.sum(1) + 1e-12).sqrt().mean() / (target.shape[-2] * target.shape[-1])

"""Gradient reversal (Ganin and Lempitsky 2015): one backward pass trains both sides of a minimax game."""

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(value: Tensor, strength: float = 1.0) -> Tensor:
    """``value`` itself; its gradient comes back multiplied by ``-strength``."""
    return _Reversal.apply(value, strength)

"""The self-attention of SAGAN (Zhang et al., ICML 2019) on feature maps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """y = x + gamma o of a map x ``(B, C, H, W)``, with gamma 0 at the start.

    Eq. 1: beta_ji = softmax over i of f(x_i)^T g(x_j), where position j asks and i answers; the scores are not scaled
    Eq. 2: o_j = v(sum over i of beta_ji h(x_i))
    Eq. 3: y = x + gamma o

    f, g, h and v are 1 x 1 convolutions without bias. As in the authors' code, f and g have an eighth of the channels,
    h a half, and of f and h every 2 x 2 positions are pooled to their maximum. Parameters: 20,481 for 128 channels,
    81,921 for 256.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, half = max(1, channels // 8), max(1, channels // 2)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)  # f
        self.query = nn.Conv2d(channels, inner, 1, bias=False)  # g
        self.value = nn.Conv2d(channels, half, 1, bias=False)  # h
        self.output = nn.Conv2d(half, channels, 1, bias=False)  # v
        self.pool = nn.MaxPool2d(2, ceil_mode=True)  # at odd sizes the last row and column answer, too
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.pool(self.key(x)), self.pool(self.value(x))
        query, key, value = (features.flatten(2).transpose(1, 2) for features in (query, key, value))  # (B, HW, C)
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # eq. 1 and the sum of eq. 2
        o = self.output(attended.transpose(1, 2).unflatten(2, x.shape[-2:]))  # eq. 2
        return x + self.gamma * o  # eq. 3

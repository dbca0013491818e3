"""Optimizers and schedules that several methods share.

RMSProp and a cosine: how the HSC-T paper trains its translator, its classifier and, ``matched``, its rivals. A constant
rate and then a linear fall: Pix2Pix and CycleGAN.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn
from torch.optim import Adam, Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

Preset = Literal["paper", "stable"]
Kind = Literal["rmsprop", "adam"]
LAST_RATE = 1e-6


@dataclass(frozen=True)
class Recipe:
    """What a preset sets of the training.

    Args:
        kind: RMSProp (alpha 0.99, weight decay 1e-5), or Adam (0.5, 0.999) without decay, as the GANs here have it.
        lr: initial learning rate.
        momentum: of RMSProp; a step is then about ``1 / (1 - momentum)`` times the rate.
        clipping: of the gradient norm of every group of parameters, each by itself.
    """

    kind: Kind = "rmsprop"
    lr: float = 1e-4
    momentum: float = 0.9
    clipping: float | None = 1.0

    def changed(self, kind: Kind | None = None, lr: float | None = None) -> "Recipe":
        """With what is not None in the place of its own."""
        return replace(self, kind=kind or self.kind, lr=self.lr if lr is None else lr)

    def optimizer(
        self, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], fused: bool = False
    ) -> Optimizer:
        """Of parameters, or of groups of them; ``fused`` concerns Adam."""
        if self.kind == "adam":
            return Adam(parameters, self.lr, (0.5, 0.999), fused=fused)
        return RMSprop(parameters, self.lr, alpha=0.99, momentum=self.momentum, weight_decay=1e-5)


# ``paper``: RMSProp as printed, which does not converge here. ``stable``: a tenth of its rate, clipped. ``tuned``: what
# was taken from a search on validation patients (benchmarks/results/hsct_search.md), but for the rate: 1e-3 served the
# narrow networks of that search and is too much for the published widths.
RECIPES: dict[str, Recipe] = {
    "paper": Recipe(lr=1e-3, momentum=0.95, clipping=None),
    "stable": Recipe(),
    "tuned": Recipe("adam", lr=3e-4),
}
# What ``preset: matched`` of a rival means: the one by which configs/hsct.yaml trains HSC-T, whatever it prints.
MATCHED = RECIPES["tuned"]


def cosine(optimizer: Optimizer, epochs: int, last: float = LAST_RATE) -> CosineAnnealingLR:
    """Down to ``last`` over ``epochs``. The HSC-T paper calls its rate the initial one and prints no schedule."""
    return CosineAnnealingLR(optimizer, max(1, epochs), last)


def constant_then_linear(optimizer: Optimizer, constant_epochs: int, decay_epochs: int) -> LambdaLR:
    """The initial rate for ``constant_epochs``, then evenly down, 0 after ``decay_epochs``."""

    def factor(epoch: int) -> float:
        past = max(0, epoch + 1 - constant_epochs)
        return max(0.0, 1 - past / (decay_epochs + 1))

    return LambdaLR(optimizer, factor)

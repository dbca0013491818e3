"""Optimizers and schedules that several methods share.

RMSProp and a cosine: how the HSC-T paper trains its translator, its classifier and, ``matched``, its rivals. A constant
rate and then a linear fall: Pix2Pix and CycleGAN.
"""

from collections.abc import Iterable
from typing import Literal

from torch import nn
from torch.optim import Optimizer, RMSprop
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

Preset = Literal["paper", "stable"]
RATES: dict[Preset, float] = {"paper": 1e-3, "stable": 1e-4}
MOMENTA: dict[Preset, float] = {"paper": 0.95, "stable": 0.9}
CLIPPING: dict[Preset, float | None] = {"paper": None, "stable": 1.0}  # of the gradient norm
LAST_RATE = 1e-6
# What ``preset: matched`` of a rival means: the one by which configs/hsct.yaml trains HSC-T, whatever it prints.
MATCHED: Preset = "stable"


def rmsprop(parameters: Iterable[nn.Parameter], preset: Preset, lr: float | None = None) -> RMSprop:
    """RMSProp with weight decay 1e-5; learning rate and momentum are the preset's.

    ``paper``: 1e-3 and 0.95, as printed; a step is then about twenty times the rate. ``stable``: 1e-4 and 0.9.
    """
    rate = lr if lr is not None else RATES[preset]
    return RMSprop(parameters, rate, alpha=0.99, momentum=MOMENTA[preset], weight_decay=1e-5)


def cosine(optimizer: Optimizer, epochs: int) -> CosineAnnealingLR:
    """Down to 1e-6 over ``epochs``. The paper calls its rate the initial one and prints no schedule."""
    return CosineAnnealingLR(optimizer, max(1, epochs), LAST_RATE)


def constant_then_linear(optimizer: Optimizer, constant_epochs: int, decay_epochs: int) -> LambdaLR:
    """The initial rate for ``constant_epochs``, then evenly down, 0 after ``decay_epochs``."""

    def factor(epoch: int) -> float:
        past = max(0, epoch + 1 - constant_epochs)
        return max(0.0, 1 - past / (decay_epochs + 1))

    return LambdaLR(optimizer, factor)

"""Adversarial objectives on raw discriminator scores."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Objective = Literal["vanilla", "lsgan", "hinge", "softplus"]


class AdversarialLoss(nn.Module):
    """Both sides of one objective, each a mean over all scores.

    ``vanilla``: binary cross-entropy on logits (Goodfellow 2014, non-saturating for the generator).
    ``lsgan``: squared distance to ``real_label`` and 0 (Mao 2017). ``hinge``: Lim and Ye 2017.
    ``softplus``: the logistic loss as SynDiff writes it.

    Args:
        real_label: the discriminator's target for real images; below 1 it is smoothed (``vanilla``, ``lsgan``).
    """

    def __init__(self, objective: Objective = "vanilla", real_label: float = 1.0) -> None:
        super().__init__()
        self.objective, self.real_label = objective, real_label

    def discriminator(self, real: Tensor, fake: Tensor, real_label: float | Tensor | None = None) -> Tensor:
        """Small where ``real`` scores high and ``fake`` low. ``real_label`` overrides the one given at first."""
        wanted = self.real_label if real_label is None else real_label
        if self.objective == "vanilla":
            label = torch.ones_like(real) * wanted
            return F.binary_cross_entropy_with_logits(real, label) + F.softplus(fake).mean()
        if self.objective == "lsgan":
            return (real - wanted).square().mean() + fake.square().mean()
        if self.objective == "hinge":
            return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    @property
    def chance(self) -> float:
        """The discriminator's loss where real and fake look alike to it, for labels of 1 and 0."""
        return {"vanilla": 2 * math.log(2), "lsgan": 0.5, "hinge": 2.0, "softplus": 2 * math.log(2)}[self.objective]

    def generator(self, fake: Tensor) -> Tensor:
        """Small where ``fake`` scores high."""
        if self.objective == "lsgan":
            return (fake - 1).square().mean()
        if self.objective == "hinge":
            return -fake.mean()
        return F.softplus(-fake).mean()

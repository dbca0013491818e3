"""What all per-image metrics share."""

from abc import abstractmethod

import torch
from torch import Tensor
from torchmetrics import Metric


class PerImageMetric(Metric):
    """A score for every image; the metric's value is their mean, as the papers report it.

    Images are ``(B, C, H, W)`` in [0, 1]; ``valid`` is bool ``(B, 1, H, W)``, and pixels outside it do not count.
    An image that has no score (no valid pixel, say) gives NaN and is left out of the mean.
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @abstractmethod
    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Scores ``(B,)``."""

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        if valid is None:
            valid = torch.ones_like(prediction[:, :1], dtype=torch.bool)
        scores = self.per_image(prediction, target, valid).double()
        self.total += scores[~scores.isnan()].sum()
        self.count += (~scores.isnan()).sum()

    def compute(self) -> Tensor:
        return self.total / self.count


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over valid pixels and all channels: ``(B, C, H, W)`` to ``(B,)``, NaN where nothing is valid."""
    valid = valid.expand_as(values)
    total = values.masked_fill(~valid, 0.0).flatten(1).sum(1)
    return total / valid.flatten(1).sum(1)

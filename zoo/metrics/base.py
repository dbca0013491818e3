"""What a metric says of itself, and what all per-image metrics share."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from datamodules.batch import Signal

OF_TARGET = "target"  # in the place of a unit: the target's own
Pooling = Literal["mean", "pixel mean", "pixel rms", "set", "accuracy", "F1", "AUC"]


class Described:
    """All that anybody must know of a metric; it is written beside its scores, and tables read it from there.

    Attributes:
        name: what tasks, suites and tables call it.
        compares: what the translation is held against: its ``target``, its ``source`` (in likeness to which nothing
            beats the source itself), the ``valid`` mask or the ``label``.
        higher_is_better: direction; None where the best is the closest to 0.
        digits: behind the point, in print.
        pooling: how images become a patient and patients a run: the ``mean``; weighted by valid pixels (``pixel
            mean``), or the root of their weighted squares (``pixel rms``); one number of a whole ``set``; or a
            classifier's score of the probabilities (``accuracy``, ``F1``, ``AUC``).
        unit: "" for none, ``OF_TARGET`` for that of the target.
        weights: the argument of :class:`zoo.evaluation.Evaluation` that names the pretrained network's weights, by
            which the metric has to be asked for; "" where it stands on none.
        remark: on that network, for a reader of a table.
    """

    name: ClassVar[str]
    compares: ClassVar[Literal["target", "source", "valid", "label"]] = "target"
    higher_is_better: bool | None = True
    digits: ClassVar[int] = 2
    pooling: ClassVar[Pooling] = "mean"
    unit: ClassVar[str] = ""
    weights: ClassVar[str] = ""
    remark: str = ""

    @classmethod
    def facts(cls) -> dict[str, Any]:
        """The attributes above, as far as numbers are printed by them."""
        names = ("name", "compares", "higher_is_better", "digits", "pooling", "unit")
        return {name: getattr(cls, name) for name in names}


class PerImageMetric(Described, Metric):
    """A score for every image; the metric's value is their mean, as the papers report it.

    Images are ``(B, C, H, W)`` in [0, 1]; ``valid`` is bool ``(B, 1, H, W)``, and pixels outside it do not count.
    An image that has no score (no valid pixel, say) gives NaN and is left out of the mean.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @classmethod
    def of(cls, target: Signal) -> "PerImageMetric":
        """The metric for targets of that range and unit."""
        return cls()

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

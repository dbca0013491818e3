"""Errors in the unit of the target."""

from torch import Tensor

from datamodules.batch import Signal
from zoo.metrics.base import OF_TARGET, PerImageMetric, masked_mean


class PhysicalMetric(PerImageMetric):
    """An error over the valid pixels, times ``span``, the width of the target's physical range."""

    higher_is_better: bool | None = False
    unit = OF_TARGET

    def __init__(self, span: float = 1.0) -> None:
        super().__init__()
        self.span = span

    @classmethod
    def of(cls, target: Signal) -> "PhysicalMetric":
        return cls(target.high - target.low)


class MAE(PhysicalMetric):
    """Mean absolute error."""

    name = "MAE"
    pooling = "pixel mean"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        return self.span * masked_mean((target - prediction).abs(), valid)


class RMSE(PhysicalMetric):
    """Root mean squared error."""

    name = "RMSE"
    pooling = "pixel rms"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        return self.span * masked_mean((target - prediction).square(), valid).sqrt()


class ME(PhysicalMetric):
    """Mean error, target minus prediction: negative where the prediction is too high (Wildeboer 2020)."""

    name = "ME"
    higher_is_better = None
    pooling = "pixel mean"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        return self.span * masked_mean(target - prediction, valid)

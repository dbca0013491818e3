"""Local normalised cross-correlation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.metrics.base import PerImageMetric, masked_mean

LEAST_VARIANCE = 1e-10


class LNCC(PerImageMetric):
    """Mean over pixels of the Pearson correlation within an 11 x 11 uniform window, and over channels.

    Windows that leave the image do not count, nor do pixels where either local variance is under 1e-10.
    """

    name = "LNCC"
    higher_is_better = True
    digits = 4

    def __init__(self, window: int = 11) -> None:
        super().__init__()
        self.window = window

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        x, y = prediction.double(), target.double()
        # Correlation does not feel a shift, and centred values keep more digits.
        x, y = x - x.mean((-2, -1), keepdim=True), y - y.mean((-2, -1), keepdim=True)
        mean_x, mean_y = self._mean(x), self._mean(y)
        var_x, var_y = self._mean(x * x) - mean_x**2, self._mean(y * y) - mean_y**2
        covariance = self._mean(x * y) - mean_x * mean_y
        usable = (var_x >= LEAST_VARIANCE) & (var_y >= LEAST_VARIANCE)
        correlation = covariance / torch.sqrt(torch.where(usable, var_x * var_y, 1.0))
        border = self.window // 2
        usable &= valid[..., border:-border, border:-border]
        return masked_mean(correlation, usable)

    def _mean(self, image: Tensor) -> Tensor:
        return F.avg_pool2d(image, self.window, stride=1)

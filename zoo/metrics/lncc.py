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
        of_columns = F.avg_pool2d(image, (self.window, 1), stride=1)  # one direction after the other: much the faster
        return F.avg_pool2d(of_columns, (1, self.window), stride=1)


class ChallengeLNCC(LNCC):
    """The same with windows around every pixel, as USenhance 2023 is graded in public; images are mirrored at their
    borders, without repeating the outermost pixels.

    The challenge itself prints neither window nor borders. The one grader of it with published code that we know
    (rajpurkarlab/ReX-MLE, ``usenhance/grade.py``) takes 11 x 11 uniform windows by OpenCV's ``filter2D``, whose borders
    these are, and leaves out pixels where a local variance is not above 1e-10. It scales each image to [0, 1] before,
    which a correlation does not feel, and has 1 or 0 where nothing varies; here that is NaN.
    """

    name = "LNCC challenge"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        border = [self.window // 2] * 4
        x, y = (F.pad(image, border, mode="reflect") for image in (prediction, target))
        return super().per_image(x, y, F.pad(valid, border))

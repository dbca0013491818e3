"""Mutual information of grey levels."""

import torch
from torch import Tensor

from zoo.metrics.base import PerImageMetric

LUMA = (0.299, 0.587, 0.114)


class MutualInformation(PerImageMetric):
    """Plug-in mutual information in bits from the joint histogram of 256 x 256 grey levels over the valid pixels.

    Colour counts by its luma. The estimate is biased upwards for few pixels: compare within one image size only.
    MI(x, x) is the entropy H(x).
    """

    name = "MI"
    higher_is_better = True
    digits = 3
    unit = "bit"

    def __init__(self, bins: int = 256) -> None:
        super().__init__()
        self.bins = bins

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        images = zip(self._levels(prediction), self._levels(target), valid[:, 0], strict=True)
        return torch.stack([self._bits(x[inside], y[inside]) for x, y, inside in images])

    def _levels(self, image: Tensor) -> Tensor:
        grey = image[:, 0]
        if image.shape[1] == 3:
            grey = torch.as_tensor(sum(weight * image[:, channel] for channel, weight in enumerate(LUMA)))
        return (grey * (self.bins - 1)).round().long().clamp(0, self.bins - 1)

    def _bits(self, x: Tensor, y: Tensor) -> Tensor:
        if x.numel() == 0:
            return torch.tensor(torch.nan, dtype=torch.float64, device=x.device)
        joint = torch.bincount(x * self.bins + y, minlength=self.bins**2).double().view(self.bins, self.bins)
        joint = joint / joint.sum()
        independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
        seen = joint > 0
        return (joint[seen] * torch.log2(joint[seen] / independent[seen])).sum()


class SourceMutualInformation(MutualInformation):
    """The same, of a translation and its source."""

    name = "MI_source"
    compares = "source"

"""Does a method know where its translation may be trusted?"""

import torch
from torch import Tensor

from zoo.metrics.base import PerImageMetric


class ConfidenceAUC(PerImageMetric):
    """Area under the ROC curve of the pixels' confidence against where the target may be trusted; NaN where all or
    nothing may be."""

    name = "AUC_confidence"
    compares = "valid"
    higher_is_better = True

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """``prediction`` is the confidence ``(B, 1, H, W)``; ``target`` is not used."""
        return torch.tensor([_area(*pair) for pair in zip(valid, prediction, strict=True)])


def _area(valid: Tensor, confidence: Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    if valid.all() or not valid.any():
        return float("nan")
    return float(roc_auc_score(valid.flatten().cpu(), confidence.float().flatten().cpu()))

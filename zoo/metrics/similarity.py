"""SSIM and PSNR as scikit-image computes them."""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from zoo.metrics.base import PerImageMetric, masked_mean

BORDER = 5  # half of the 11 x 11 window: pixels whose window leaves the image do not count


class SSIM(PerImageMetric):
    """Structural similarity: 11 x 11 Gaussian window of sigma 1.5, K = (0.01, 0.03), mean over channels (Wang 2004).

    Equals scikit-image with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1``.
    """

    name = "SSIM"
    higher_is_better = True
    digits = 4

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        _, image = structural_similarity_index_measure(
            prediction, target, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
        )
        inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        return masked_mean(image[inner], valid[inner])


class PSNR(PerImageMetric):
    """Peak signal-to-noise ratio in dB for a peak of 1, of each image by itself."""

    name = "PSNR"
    higher_is_better = True
    unit = "dB"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        return -10 * torch.log10(masked_mean((prediction - target).square(), valid))

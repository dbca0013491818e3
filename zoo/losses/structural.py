"""MS-SSIM (Wang et al. 2003) and the Mix of it with L1 (Zhao et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def ms_ssim(one: Tensor, other: Tensor) -> Tensor:
    """Multi-scale structural similarity of ``(B, C, H, W)`` in [0, 1], one a image ``(B,)``.

    An image too small for five scales (under 161 pixels a side) has as many as fit, their weights scaled to the same
    sum.
    Computed in fp32 whatever the precision of the training.
    """
    with torch.autocast(one.device.type, enabled=False):
        one, other = one.float(), other.float()
        scales = max(1, min(len(WEIGHTS), *(_scales(side) for side in one.shape[-2:])))
        weights = torch.tensor(WEIGHTS[:scales], device=one.device)
        weights = weights * (sum(WEIGHTS) / weights.sum())
        values = []
        for scale in range(scales):
            similarity, structure = _ssim(one, other)
            values.append(similarity if scale == scales - 1 else structure)
            if scale < scales - 1:
                one, other = _half(one), _half(other)
        stacked = torch.stack(values).clamp_min(1e-6)  # a negative one has no root; its gradient is then 0
        return (stacked ** weights[:, None, None]).prod(0).mean(1)


def _scales(side: int) -> int:
    """How many times a side can be halved and still hold the window."""
    scales = 0
    while side >= WINDOW:
        scales, side = scales + 1, (side + 1) // 2
    return scales


def _half(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2, padding=[side % 2 for side in image.shape[-2:]])


def _ssim(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Mean similarity and its contrast-structure part, one a image and channel."""
    offset = torch.arange(WINDOW, device=one.device) - WINDOW // 2
    gauss = torch.exp(-0.5 * (offset / SIGMA) ** 2)
    gauss, channels = gauss / gauss.sum(), one.shape[1]

    def blur(image: Tensor) -> Tensor:
        image = F.conv2d(image, gauss.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return F.conv2d(image, gauss.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    mean_one, mean_other = blur(one), blur(other)
    variances = blur(one * one) - mean_one**2 + blur(other * other) - mean_other**2
    covariance = blur(one * other) - mean_one * mean_other
    structure = (2 * covariance + C2) / (variances + C2)
    luminance = (2 * mean_one * mean_other + C1) / (mean_one**2 + mean_other**2 + C1)
    return (luminance * structure).mean((2, 3)), structure.mean((2, 3))


class MixLoss(nn.Module):
    """alpha (1 - MS-SSIM) + (1 - alpha) L1, for images in [-1, 1], which are compared in [0, 1].

    Zhao et al. weigh the L1 term by the Gaussian of the coarsest scale; its mean differs from the plain mean at the
    border alone, and the plain one is taken.
    """

    def __init__(self, alpha: float = 0.84) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        one, other = (one + 1) / 2, (other + 1) / 2
        return self.alpha * (1 - ms_ssim(one, other).mean()) + (1 - self.alpha) * (one - other).abs().mean()

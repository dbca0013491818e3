"""The perceptual distance LPIPS (Zhang et al. 2018) as a loss."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.losses.frozen import OnFrozenNetwork

PhiNorm = Literal["lpips", "l2"]
LEAST = 1e-10


class PerceptualLoss(OnFrozenNetwork):
    """Phi(x, y): the distance of two images in the features of a frozen network, a mean over the batch.

    The features of five layers are normalised to unit length at every pixel, subtracted, weighted by channel, averaged
    over the pixels and summed over the layers. Computed in fp32 whatever the precision of the training. Grey images
    are repeated to three channels.

    Args:
        network: an LPIPS network of the package lpips: ``scaling_layer``, ``net`` and ``lins``.
        norm: ``lpips`` sums the squared differences over channels, as the library does; ``l2`` takes the root of that
            sum at every pixel, as eq. 1 of Athreya et al. (2023) is printed.
    """

    def __init__(self, network: nn.Module, norm: PhiNorm = "lpips") -> None:
        super().__init__(network)
        self.norm = norm

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Both ``(B, 1 or 3, H, W)`` in [-1, 1]; only ``prediction`` gets a gradient."""
        with torch.autocast(prediction.device.type, enabled=False):
            with torch.no_grad():
                wanted = self._features(target)
            layers = zip(self._features(prediction), wanted, self.network.lins, strict=True)
            return torch.stack([self._distance(one, other, weigh) for one, other, weigh in layers]).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        layers = self.network.net(self.network.scaling_layer(image.float().expand(-1, 3, -1, -1)))
        # The library's own normalisation has no gradient where all features of a pixel are 0.
        return [F.normalize(features, dim=1, eps=LEAST) for features in layers]

    def _distance(self, one: Tensor, other: Tensor, weigh: nn.Module) -> Tensor:
        square = weigh((one - other).square())
        return square.mean() if self.norm == "lpips" else (square + LEAST).sqrt().mean()

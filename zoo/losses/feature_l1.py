"""L1 in the features of a pretrained network (the perceptual term of Dar et al. 2019)."""

from typing import Literal

import torch
from torch import Tensor, nn

from zoo.losses.frozen import OnFrozenNetwork

Input = Literal["raw", "imagenet"]


class FeatureL1(OnFrozenNetwork):
    """E[|V(x) - V(y)|], a mean over the batch, the channels and the pixels of the features V.

    Computed in fp32 whatever the precision of the training. Grey images are repeated to three channels.

    Args:
        network: V, of ``(B, 3, H, W)``.
        given: what V sees: ``raw``, the images in [-1, 1] as they are, or normalised as the photographs of
            ``imagenet`` that it was trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, given: Input = "raw") -> None:
        super().__init__(network)
        self.given = given
        for name, values in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Both ``(B, 1 or 3, H, W)`` in [-1, 1]; only ``prediction`` gets a gradient."""
        with torch.autocast(prediction.device.type, enabled=False):
            with torch.no_grad():
                wanted = self._features(target)
            return (self._features(prediction) - wanted).abs().mean()

    def _features(self, image: Tensor) -> Tensor:
        image = image.float().expand(-1, 3, -1, -1)
        if self.given == "imagenet":
            image = ((image + 1) / 2 - self.mean) / self.std
        return self.network(image)

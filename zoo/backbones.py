"""timm networks by name, untrained or with weights that timm fetches or a local file holds."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.errors import InputError


class ImageNetInput(nn.Module):
    """Images in [-1, 1], grey ones repeated to colour, to the mean and spread that ImageNet networks expect."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return ((image + 1) / 2 - self.mean) / self.std


def make_backbone(name: str, weights: str | None = None, **kwargs: Any) -> Any:
    """``timm.create_model`` for colour images: a module with what timm adds to it, which has no types.

    Args:
        name: of timm, such as ``resnet34`` or ``vit_small_patch16_224``.
        weights: ``imagenet`` for those that timm fetches, or a file of them; None for an untrained network.

    Raises:
        InputError: timm has no such network, or its weights cannot be had.
    """
    import timm

    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5]) or "see timm.list_models()"
        raise InputError(f"backbone '{name}': timm has no such network; perhaps {near}")
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise InputError(f"weights '{weights}': no such file; name one that timm has saved for {name}, or null")
    if name.startswith("vit"):
        kwargs["dynamic_img_size"] = True  # any size, by resized positions
    overlay = {"file": weights} if weights not in (None, "imagenet") else None
    try:
        return timm.create_model(name, pretrained=weights is not None, pretrained_cfg_overlay=overlay, **kwargs)
    except (OSError, RuntimeError) as error:
        if weights is None:
            raise
        raise InputError(
            f"weights '{weights}' of {name}: cannot be loaded ({' '.join(str(error).split())[:200]}); "
            "name a local file of them, or null for an untrained network"
        ) from error


class TimmEncoder(nn.Module):
    """The last feature map of a timm network, in the place of HSC-T's own encoder."""

    skip_channels: tuple[int, ...] = ()

    def __init__(self, name: str, weights: str | None = None) -> None:
        super().__init__()
        self.normalize = ImageNetInput()
        self.network = make_backbone(name, weights, features_only=True, out_indices=(-1,))
        self.channels, self.stride = self.network.feature_info.channels()[-1], self.network.feature_info.reduction()[-1]

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``z`` of shape ``(B, channels, H / stride, W / stride)`` from colour images in [-1, 1]; no skips."""
        return self.network(self.normalize(image))[-1], []

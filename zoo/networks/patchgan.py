"""The 70 x 70 PatchGAN of Pix2Pix (Isola et al. 2017) and CycleGAN (Zhu et al. 2017)."""

from typing import Literal

from torch import Tensor, nn

from zoo.networks.self_attention import SelfAttention

Norm = Literal["batch", "instance", "none"]
LEAST_SIDE = 24  # pixels that an image needs, for one patch


class PatchGAN(nn.Module):
    """Scores overlapping patches of 70 pixels as real or fake: ``(B, C, 256, 256)`` to raw scores ``(B, 1, 30, 30)``.

    4 x 4 convolutions of 64, 128, 256 (stride 2), 512 and 1 channels (stride 1), LeakyReLU 0.2 between them, a norm on
    the middle three. Parameters: 2,766,657 for 4 channels with batch norm, 2,762,689 for 1 channel with any other.
    Images need at least 24 pixels a side.

    Args:
        in_channels: of the image, or of source and image together where the discriminator is conditional.
        width: channels of the first layer.
        norm: ``batch`` (Pix2Pix), ``instance`` without parameters (CycleGAN), or ``none``, as under spectral norm.
        attention: self-attention after the third convolution, 81,921 parameters.
    """

    def __init__(self, in_channels: int, width: int = 64, norm: Norm = "batch", attention: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for channels, stride in ((2 * width, 2), (4 * width, 2), (8 * width, 1)):
            layers.append(nn.Conv2d(before, channels, 4, stride, 1, bias=norm != "batch"))
            if norm != "none":
                layers.append(nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels))
            layers.append(nn.LeakyReLU(0.2))
            if attention and channels == 4 * width:
                layers.append(SelfAttention(channels))
            before = channels
        layers.append(nn.Conv2d(before, 1, 4, 1, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)

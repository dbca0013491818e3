"""The discriminator of HSC-T: "a lightweight CNN classifier" of whole images."""

from torch import Tensor, nn

from zoo.networks.cnn_transformer import group_norm


class ImageDiscriminator(nn.Module):
    """Scores an image as real or fake: ``(B, C, H, W)`` to raw scores ``(B, 1)``.

    Four 4 x 4 convolutions of stride 2 and 64 to 512 channels, LeakyReLU 0.2, GroupNorm from the second on, global
    average pooling, one linear layer. 2,758,849 parameters for 3 channels. Images need at least 16 pixels a side.

    Args:
        width: channels of the first layer.
    """

    def __init__(self, in_channels: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for channels in (2 * width, 4 * width, 8 * width):
            layers += [nn.Conv2d(channels // 2, channels, 4, 2, 1), group_norm(channels), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)

"""Initial weights as the papers print them."""

from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)


def normal(module: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, std), biases 0, norm scales N(1, std): Pix2Pix and CycleGAN."""
    for layer in module.modules():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.normal_(layer.weight, 0.0, std)
        elif isinstance(layer, NORMS) and layer.weight is not None:
            nn.init.normal_(layer.weight, 1.0, std)
        if isinstance(layer, CONVOLUTIONS + NORMS) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def uniform(module: nn.Module, bound: float = 0.05) -> None:
    """Weights U(-bound, bound), biases 0; norms keep scale 1: sSWE."""
    for layer in module.modules():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def xavier(module: nn.Module, gain: float = 1.0) -> None:
    """Weights uniform with variance 2 gain^2 / (inputs + outputs), biases 0 (Glorot and Bengio 2010); norms keep
    scale 1: NCSN++."""
    for layer in module.modules():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.xavier_uniform_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

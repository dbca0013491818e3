"""The first layers of VGG-16 (Simonyan and Zisserman, ICLR 2015)."""

import torch
from torch import Tensor, nn


def relu2_2(trunk: dict[str, Tensor] | None) -> nn.Sequential:
    """``(B, 3, H, W)`` to ``(B, 128, H // 2, W // 2)``: four 3 x 3 convolutions with ReLU, pooling after the second.

    Args:
        trunk: the weights as ``features.N.weight`` and ``features.N.bias``, by torchvision's numbers of the layers;
            None for untrained ones, always the same.
    """
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for before, after in ((3, 64), (64, 64), (64, 128), (128, 128)):
            if len(layers) == 4:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-2].weight)  # type: ignore[arg-type]
    network = nn.Sequential(*layers)
    if trunk is not None:
        network.load_state_dict({name: trunk[f"features.{name}"] for name in network.state_dict()})
    return network

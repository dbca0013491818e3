"""Spectral normalisation (Miyato et al. 2018) of networks that exist already."""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def normalise(network: nn.Module) -> None:
    """Divide the weight of every convolution by its largest singular value, estimated by one power iteration a pass.

    Call it after the weights are initialised: the first estimate is made here.
    """
    for layer in [layer for layer in network.modules() if isinstance(layer, CONVOLUTIONS)]:
        spectral_norm(layer)

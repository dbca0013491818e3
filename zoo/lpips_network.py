"""The network of LPIPS, for metrics and for a loss. Never silently with random weights."""

import warnings
from pathlib import Path

import torch
from torch import nn

from datamodules.errors import InputError
from zoo.trunks import load_trunk
from zoo.weights import Backbone


def load_lpips(weights: str | None, key: str, without: str = "go without", backbone: Backbone = "vgg") -> nn.Module:
    """LPIPS v0.1: five feature maps of an ImageNet trunk and five learnt linear layers; frozen, in evaluation mode.

    Args:
        weights: of the trunk, see :func:`zoo.trunks.load_trunk`, or None for an untrained one, always the same.
        key: what the configuration calls ``weights``; errors name it.
        without: what happens if it is null; errors offer it.
        backbone: ``vgg`` for VGG-16 up to relu5_3, ``alex`` for AlexNet up to relu5.

    Raises:
        InputError: lpips is not installed, or the file cannot be had or is another one.
    """
    try:
        import lpips
    except ImportError:
        raise InputError(f"{key}: LPIPS needs the package lpips; pip install lpips, or set it to null") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips 0.1.4 calls torchvision as one did before its 0.13
        if weights is None:
            return _untrained(lpips, backbone).eval().requires_grad_(False)
        with torch.device("meta"):  # no time and memory for random weights of the whole classifier
            network = lpips.LPIPS(net=backbone, pnet_rand=True, pretrained=False, verbose=False)
    heads = torch.load(Path(lpips.__file__).parent / "weights" / "v0.1" / f"{backbone}.pth", "cpu", weights_only=True)
    trunk = load_trunk(backbone, weights, key, without)
    own = {  # slice1.0.weight is torchvision's features.0.weight
        f"net.{name}": trunk[f"features.{name.partition('.')[2]}"] for name, _ in network.net.named_parameters()
    }
    network.load_state_dict(own | heads, strict=False, assign=True)
    return network.eval().requires_grad_(False)


def _untrained(lpips, backbone: Backbone) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)

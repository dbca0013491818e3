"""The network of LPIPS on torchvision's VGG-16: for a metric and for a loss. Never silently with random weights."""

import hashlib
import warnings
from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn

from datamodules.errors import InputError

HOW = "download it on a machine with a network, copy it and name its path, or set {key} to null to {without}"
VGG16 = "https://download.pytorch.org/models/vgg16-397923af.pth"
DIGEST = "397923af"  # the first digits of its SHA-256, which torchvision writes into the name


def load_lpips(weights: str | None, key: str, without: str = "go without") -> nn.Module:
    """LPIPS v0.1: VGG-16 up to relu5_3, five learnt linear layers; frozen, in evaluation mode.

    Args:
        weights: ``imagenet`` for torchvision's own file (cached or downloaded), the path of that file, or None for an
            untrained trunk, always the same.
        key: what the configuration calls ``weights``; errors name it.
        without: what happens if it is null; errors offer it.

    Raises:
        InputError: lpips is not installed, or the file cannot be had or is another one.
    """
    try:
        import lpips
    except ImportError:
        raise InputError(f"{key}: LPIPS needs the package lpips; pip install lpips, or set it to null") from None
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips 0.1.4 calls torchvision as one did before its 0.13
        torch.manual_seed(0)
        network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    if weights is not None:
        path = find_vgg16(weights, key, without)
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, weight in network.net.named_parameters():  # slice1.0.weight is torchvision's features.0.weight
                weight.copy_(state["features." + name.split(".", 1)[1]])
    return network.eval().requires_grad_(False)


def find_vgg16(weights: str, key: str, without: str = "go without") -> Path:
    """The file of VGG-16's weights: the one named, or that in torchvision's cache, downloaded if it is not there.

    Raises:
        InputError: it is not there, or its hash is not that of torchvision's file.
    """
    how = HOW.format(key=key, without=without)
    path = Path(weights)
    if weights == "imagenet":
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG16).name
        if not path.is_file():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(VGG16, str(path), hash_prefix=DIGEST, progress=False)
            except (URLError, OSError, RuntimeError) as error:
                raise InputError(f"{key} 'imagenet': {VGG16} cannot be downloaded ({error}); {how}") from None
    if not path.is_file():
        raise InputError(f"{key} '{weights}': no such file; it should be {VGG16}; {how}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(DIGEST):
        raise InputError(
            f"{key}: {path} is not torchvision's VGG-16: its SHA-256 begins with {digest[:8]}, not {DIGEST}; {how}"
        )
    return path

"""Metrics that stand on pretrained networks: LPIPS and FID. Weights are never replaced by random ones."""

import pickle
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor
from torchmetrics import Metric

from datamodules.errors import InputError
from zoo.metrics.base import PerImageMetric

HOW = "download it on a machine with a network, copy it and name its path, or set {key} to null to go without"


class LPIPS(PerImageMetric):
    """LPIPS v0.1 with the VGG-16 trunk (Zhang 2018); grey is replicated to three channels. ``valid`` is not used.

    Args:
        weights: ``imagenet`` for torchvision's own file (downloaded or cached), or the path of such a file.
    """

    higher_is_better = False

    def __init__(self, weights: str = "imagenet") -> None:
        super().__init__()
        self.network = load_lpips(weights).eval().requires_grad_(False)

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        x, y = (2 * image.expand(-1, 3, -1, -1) - 1 for image in (prediction, target))
        return self.network(x, y).flatten()


def load_lpips(weights: str) -> torch.nn.Module:
    """The library's LPIPS network with its trunk from torchvision or from a file.

    Raises:
        InputError: lpips is not installed, or the weights are not to be had.
    """
    try:
        import lpips
    except ImportError:
        raise InputError("lpips_weights: LPIPS needs the package lpips; pip install lpips, or set it to null") from None
    if weights == "imagenet":
        try:
            return lpips.LPIPS(net="vgg", verbose=False)
        except (URLError, OSError, RuntimeError) as error:
            raise InputError(
                f"lpips_weights 'imagenet': vgg16-397923af.pth of torchvision cannot be loaded ({error}); "
                + HOW.format(key="lpips_weights")
            ) from None
    network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    state = _read_state(weights, "lpips_weights", "vgg16-397923af.pth of torchvision")
    try:
        with torch.no_grad():
            for name, weight in network.net.named_parameters():  # slice1.0.weight is torchvision's features.0.weight
                weight.copy_(state["features." + name.split(".", 1)[1]])
    except (KeyError, RuntimeError) as error:
        raise InputError(f"lpips_weights '{weights}': not a VGG-16 of torchvision ({error}); name that file") from None
    return network


def make_fid(weights: str) -> Metric:
    """Frechet inception distance on 2048 features; update it with images in [0, 1] of three channels.

    Args:
        weights: ``imagenet`` for torch-fidelity's own file (downloaded or cached), or the path of such a file.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    path = None if weights == "imagenet" else weights
    if path is not None and not Path(path).is_file():
        raise InputError(f"fid_weights '{path}': no such file; " + HOW.format(key="fid_weights"))
    try:
        return FrechetInceptionDistance(2048, normalize=True, feature_extractor_weights_path=path)
    except ModuleNotFoundError:
        raise InputError(
            "fid_weights: FID needs torch-fidelity; pip install 'sonozoo[fid]', or set it to null"
        ) from None
    except (URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"fid_weights '{weights}': weights-inception-2015-12-05-6726825d.pth of torch-fidelity cannot be loaded "
            f"({error}); " + HOW.format(key="fid_weights")
        ) from None


def _read_state(path: str, key: str, what: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise InputError(f"{key} '{path}': no such file; it should be {what}; " + HOW.format(key=key))
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{key} '{path}': not a file of weights ({reason}); it should be {what}") from None

"""Metrics that stand on pretrained networks: LPIPS and FID. Weights are never replaced by random ones."""

from pathlib import Path
from urllib.error import URLError

from torch import Tensor
from torchmetrics import Metric

from datamodules.errors import InputError
from zoo.lpips_network import load_lpips
from zoo.metrics.base import Described, PerImageMetric

HOW = "download it on a machine with a network, copy it and name its path, or set fid_weights to null to go without"


class LPIPS(PerImageMetric):
    """LPIPS v0.1 with the VGG-16 trunk (Zhang 2018); grey is replicated to three channels. ``valid`` is not used.

    Args:
        weights: ``imagenet`` for torchvision's own file (downloaded or cached), or the path of such a file.
    """

    name = "LPIPS"
    higher_is_better = False
    digits = 4
    pretrained = True

    def __init__(self, weights: str = "imagenet") -> None:
        super().__init__()
        self.network = load_lpips(weights, "lpips_weights")

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        x, y = (2 * image.expand(-1, 3, -1, -1) - 1 for image in (prediction, target))
        return self.network(x, y).flatten()


class FID(Described):
    """Frechet inception distance on 2048 features, of a whole set; :func:`make_fid` computes it."""

    name = "FID"
    higher_is_better = False
    pooling = "set"


def make_fid(weights: str) -> Metric:
    """torchmetrics' FID; update it with images in [0, 1] of three channels.

    Args:
        weights: ``imagenet`` for torch-fidelity's own file (downloaded or cached), or the path of such a file.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    path = None if weights == "imagenet" else weights
    if path is not None and not Path(path).is_file():
        raise InputError(f"fid_weights '{path}': no such file; " + HOW)
    try:
        return FrechetInceptionDistance(2048, normalize=True, feature_extractor_weights_path=path)
    except ModuleNotFoundError:
        raise InputError(
            "fid_weights: FID needs torch-fidelity; pip install 'sonozoo[fid]', or set it to null"
        ) from None
    except (URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"fid_weights '{weights}': weights-inception-2015-12-05-6726825d.pth of torch-fidelity cannot be loaded "
            f"({error}); " + HOW
        ) from None

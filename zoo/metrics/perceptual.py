"""Metrics that stand on pretrained networks: LPIPS, FID and the Frechet distance on VGG-16. Weights are never replaced
by random ones."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from datamodules.errors import InputError
from zoo import weights as files
from zoo.lpips_network import load_lpips
from zoo.metrics.base import Described, PerImageMetric
from zoo.weights import TRUNKS, Backbone

HOW = "download it on a machine with a network, copy it and name its path, or set fid_weights to null to go without"


class LPIPS(PerImageMetric):
    """LPIPS v0.1 (Zhang et al. 2018) on a pretrained trunk; grey is replicated to three channels. ``valid`` is not
    used.

    Args:
        weights: see :func:`zoo.trunks.load_trunk`.
        backbone: ``alex``, the metric's usual one and much the cheaper, or ``vgg``.
    """

    name = files.LPIPS.name
    higher_is_better = False
    digits = 4
    weights = files.LPIPS.key

    def __init__(self, weights: str = files.IMAGENET, backbone: Backbone = files.LPIPS.backbone) -> None:
        super().__init__()
        self.trunk = TRUNKS[backbone]
        self.network = load_lpips(weights, self.weights, backbone=backbone)
        self.remark = f"v0.1 on {self.trunk.title}, pretrained on ImageNet"

    def per_image(self, prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Raises InputError where the images are too small for the network."""
        check_size(prediction, self.trunk, self.weights)
        x, y = (2 * image.expand(-1, 3, -1, -1) - 1 for image in (prediction, target))
        return self.network(x, y).flatten()


class FrechetVGG(Described, Metric):
    """Frechet distance of two sets of images on VGG-16: relu5_3, a mean over the pixels of each image (512 features).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), as FID (Heusel et al. 2017) has it on Inception features; it is another
    number than FID. The distance grows with few images: compare sets of one size. Of fewer than two there is none
    (NaN).

    Args:
        weights: see :func:`zoo.trunks.load_trunk`.
    """

    name = files.FRECHET.name
    higher_is_better = False
    digits = 2
    pooling = "set"
    weights = files.FRECHET.key
    remark = "Frechet distance on VGG-16's relu5_3, pooled, pretrained on ImageNet; not FID; it grows with few images"
    full_state_update = False
    real: list[Tensor]
    made: list[Tensor]

    def __init__(self, weights: str = files.IMAGENET) -> None:
        super().__init__()
        self.trunk = TRUNKS[files.FRECHET.backbone]
        self.network: Any = load_lpips(weights, self.weights, backbone=files.FRECHET.backbone)
        for name in ("real", "made"):
            self.add_state(name, [], dist_reduce_fx="cat")

    @torch.no_grad()
    def update(self, images: Tensor, real: bool) -> None:
        """``(B, 3, H, W)`` in [0, 1]: targets if ``real``, else translations."""
        (self.real if real else self.made).append(self.features(images))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Of images ``(B, 3, H, W)`` in [0, 1], ``(B, 512)``.

        Raises:
            InputError: they are too small for the network.
        """
        check_size(images, self.trunk, self.weights)
        return self.network.net(self.network.scaling_layer(2 * images.float() - 1))[-1].mean((2, 3))

    def compute(self) -> Tensor:
        if not len(self.real) or not len(self.made):
            return torch.tensor(float("nan"))
        return frechet(dim_zero_cat(self.real), dim_zero_cat(self.made))


def frechet(one: Tensor, other: Tensor) -> Tensor:
    """Squared Frechet distance of the Gaussians fitted to features ``(N, F)`` and ``(M, F)``, in float64; NaN for fewer
    than two. Exact also where there are fewer images than features."""
    if min(len(one), len(other)) < 2:
        return torch.tensor(float("nan"))
    x, y = one.double().cpu(), other.double().cpu()
    difference = x.mean(0) - y.mean(0)
    # With X'X = C1 and Y'Y = C2: tr (C1 C2)^(1/2) is the nuclear norm of X Y'.
    x, y = (torch.linalg.qr((s - s.mean(0)) / (len(s) - 1) ** 0.5, mode="r").R for s in (x, y))
    shared = torch.linalg.svdvals(x @ y.T).sum()
    return (difference.square().sum() + x.square().sum() + y.square().sum() - 2 * shared).clamp_min(0)


def check_size(images: Tensor, trunk: files.Trunk, key: str) -> None:
    """Raises InputError where images are too small for a network."""
    height, width = images.shape[-2:]
    if min(height, width) < trunk.least:
        raise InputError(
            f"{key}: images of {height} x {width} pixels are too small for {trunk.title}, which needs {trunk.least} a "
            f"side; use larger ones, or set it to null"
        )


class FID(Described):
    """Frechet inception distance on 2048 features, of a whole set; :func:`make_fid` computes it."""

    name = "FID"
    higher_is_better = False
    pooling = "set"
    weights = "fid_weights"
    remark = "on torch-fidelity's Inception, pretrained on ImageNet"


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

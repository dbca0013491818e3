"""SLIC superpixels of the targets: computed once an image, cached, moved with the images."""

from dataclasses import asdict, dataclass

import numpy as np

from datamodules.cache import ImageCache
from datamodules.errors import InputError


@dataclass(frozen=True)
class Superpixels:
    """How a target is divided (Achanta et al. 2012, as in scikit-image).

    Args:
        segments: how many are asked for. SLIC gives about as many.
        compactness: compact shapes against equal colours, in Lab. At 10, the library's own, a strain image gives 9 to
            15 regions where 16 are asked for, at 60 it gives 14 to 16.
        compactness_grey: the same of grey images in [0, 1].
        sigma: of the Gaussian in pixels that smooths the image first.
    """

    segments: int = 16
    compactness: float = 60.0
    compactness_grey: float = 0.1
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 2 <= self.segments <= 160:
            raise InputError(f"superpixels: {self.segments} segments; ask for 2 to 160")

    @property
    def most(self) -> int:
        """How many there may be: half as many again; of more, the smallest are outside."""
        return self.segments + self.segments // 2


def segment(image: np.ndarray, settings: Superpixels) -> np.ndarray:
    """Labels from 0, or -1 outside, int64 ``(H, W)``, of an image ``(H, W, C)`` in [-1, 1]."""
    from skimage.segmentation import slic

    colour = image.shape[2] == 3
    labels = slic(
        (image.astype(np.float64) + 1) / 2,
        n_segments=settings.segments,
        compactness=settings.compactness if colour else settings.compactness_grey,
        sigma=settings.sigma,
        start_label=0,
        enforce_connectivity=True,
        convert2lab=colour,
        channel_axis=2,
    ).astype(np.int64)
    return keep_largest(labels, settings.most)


def keep_largest(labels: np.ndarray, most: int) -> np.ndarray:
    """The ``most`` largest regions, numbered anew in their order; the others become -1."""
    sizes = np.bincount(labels.ravel())
    if len(sizes) <= most:
        return labels
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    number = np.full(len(sizes), -1)
    number[kept] = np.arange(most)
    return number[labels]


class SuperpixelSource:
    """Label maps of cached targets as an image source (see :mod:`datamodules.cache`), stored as label + 1."""

    verb = "computing superpixels"
    parallel = True

    def __init__(self, images: ImageCache, settings: Superpixels) -> None:
        self.images, self.settings = images, settings
        self.key = {"superpixels": asdict(settings), "images": images.name}

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> dict[str, np.ndarray]:
        labels = segment(self.images.image("target", index), self.settings)
        return {"superpixels": (labels + 1).astype(np.uint8)[..., None]}

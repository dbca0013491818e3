"""A detector of lesions that is as simple as it can be, so that everybody can say what it saw.

A pixel's response is the local mean of the image's scale (see :mod:`.scale`) less the mean of the tissue about it,
which reaches farther sideways than in depth, since tissue lies in layers: a difference of two Gaussians over the valid
pixels. What lies beyond a threshold, in the direction in which lesions differ (stiffer, darker), and is connected,
neither tiny nor huge, neither a band nor a thread, is a region. The threshold is absolute, in the unit of the scale: an
image whose contrast has faded loses its lesions.

Smoothing, threshold and direction are calibrated on real targets, see :mod:`.calibration`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects, gaussian_filter, label

ROWS = 64  # of the grid that regions are looked for on; finer images are averaged
AROUND = (0.12, 0.3)  # that of the tissue about it: of rows and of columns
LEAST, MOST = 0.005, 0.3  # area of a region, as part of the image
FILLED = 0.4  # of its box, at least
ELONGATED = 3.0  # the box's longer side over its shorter one, at most
OVERLAP = 0.1  # intersection over union, from which on a region has found a lesion


@dataclass(frozen=True)
class Detector:
    """Finds what is beyond ``threshold``, in the unit of the scale: above the tissue about it where ``direction`` is 1,
    below where it is -1. ``smoothing`` is the standard deviation of the local mean, as part of the image's sides."""

    smoothing: float
    threshold: float
    direction: int

    def find(self, values: np.ndarray, valid: np.ndarray) -> list[np.ndarray]:
        """The regions, each bool ``(H, W)``, of an image of these ``values`` ``(H, W)``."""
        grid = Grid.of(values, valid)
        found = compact(self.direction * grid.response(self.smoothing) > self.threshold)
        rows, columns = values.shape
        return [region.repeat(grid.step, 0).repeat(grid.step, 1)[:rows, :columns] for region in found]


@dataclass(frozen=True)
class Grid:
    """An image on the coarser grid: sums over ``step`` x ``step`` pixels of the valid values, and how many."""

    total: np.ndarray
    weight: np.ndarray
    step: int

    @classmethod
    def of(cls, values: np.ndarray, valid: np.ndarray) -> "Grid":
        step = max(1, len(values) // ROWS)
        return cls(_sums(np.where(valid, values, 0.0), step), _sums(valid.astype(float), step), step)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A bool mask ``(H, W)`` on this grid: what covers most of a pixel."""
        return _sums(mask.astype(float), self.step) > self.step**2 / 2

    def response(self, smoothing: float) -> np.ndarray:
        """0 where nothing is valid."""
        rows, columns = self.total.shape
        local = self._mean(smoothing * rows, smoothing * columns)
        around = self._mean(AROUND[0] * rows, AROUND[1] * columns)
        return np.where(self.weight > 0, local - around, 0.0)

    def _mean(self, *sigma: float) -> np.ndarray:
        weight = gaussian_filter(self.weight, sigma)
        return gaussian_filter(self.total, sigma) / np.maximum(weight, 1e-9)


def _sums(image: np.ndarray, step: int) -> np.ndarray:
    from skimage.measure import block_reduce

    return image if step == 1 else block_reduce(image, (step, step), np.sum)


def compact(beyond: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a bool mask ``(H, W)`` that have the size and the shape of a lesion."""
    numbered, _ = label(beyond)
    found = []
    for number, box in enumerate(find_objects(numbered), 1):
        area = int((numbered[box] == number).sum())
        short, long = sorted(side.stop - side.start for side in box)
        if LEAST * beyond.size <= area <= MOST * beyond.size and area >= FILLED * short * long:
            found += [numbered == number] if long <= ELONGATED * short else []
    return found


def finds(region: np.ndarray, lesion: np.ndarray) -> bool:
    """Whether a region is that lesion: they share a tenth of what they cover together."""
    shared = int((region & lesion).sum())
    return shared >= OVERLAP * (int(region.sum()) + int(lesion.sum()) - shared)

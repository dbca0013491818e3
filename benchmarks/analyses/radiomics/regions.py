"""Regions of interest: a mask's separate parts, and whether a lesion keeps its place in a translation."""

import numpy as np

LEAST_PIXELS = 9
AROUND = 0.5  # of the lesion's sides, how far around it a threshold is looked for


def parts(mask: np.ndarray, least: int = LEAST_PIXELS) -> list[np.ndarray]:
    """The connected parts of a bool mask ``(H, W)`` that have at least ``least`` pixels, from top left on."""
    from skimage.measure import label

    numbered = label(mask, connectivity=1)
    found = [numbered == number for number in range(1, numbered.max() + 1)]
    return [part for part in found if part.sum() >= least and min(np.ptp(axis) for axis in np.nonzero(part)) >= 2]


def lesion_dice(source: np.ndarray, made: np.ndarray, lesion: np.ndarray) -> float:
    """Overlap of what is dark about the lesion in both images: 2 |A and B| / (|A| + |B|), NaN without a lesion.

    A and B are the pixels below Otsu's threshold of each image within the lesion's box, enlarged by half its sides. A
    harmonizer that moves, loses or invents a lesion scores low.

    Args:
        source: ``(H, W)``.
        made: its translation.
        lesion: bool ``(H, W)``.
    """
    from skimage.filters import threshold_otsu

    if not lesion.any():
        return float("nan")
    box = tuple(_box(where, side) for where, side in zip(np.nonzero(lesion), lesion.shape, strict=True))
    one, other = (image[box] for image in (source, made))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    one, other = one < threshold_otsu(one), other < threshold_otsu(other)
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def _box(where: np.ndarray, side: int) -> slice:
    low, high = int(where.min()), int(where.max()) + 1
    reach = round(AROUND * (high - low))
    return slice(max(0, low - reach), min(side, high + reach))

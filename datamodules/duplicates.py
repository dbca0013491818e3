"""Near-duplicates: images so alike that one in training gives the other in the test away."""

from collections.abc import Iterable
from functools import cache
from itertools import pairwise

import numpy as np

SIDE = 32  # pixels, at which images are compared
ALIKE = 0.98  # correlation above which two images are one
MOST = 5000  # images; beyond it the comparison of each with each is no longer cheap
ROWS = 1000  # of the correlation matrix at a time


def near_duplicates(images: Iterable[np.ndarray], least: float = ALIKE) -> np.ndarray:
    """Pairs of ``images``, each ``(H, W, C)``, that correlate above ``least``, as their places, int ``(pairs, 2)``.

    Images of one value correlate with nothing.
    """
    points = np.stack([thumbnail(image).ravel() for image in images])
    points -= points.mean(1, keepdims=True)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = np.divide(points, length, out=np.zeros_like(points), where=length > 1e-3)
    found = [np.empty((0, 2), int)]
    for start, stop in pairwise([*range(0, len(points), ROWS), len(points)]):
        pairs = np.argwhere(points[start:stop] @ points[start:].T > least) + start
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def first_alike(pairs: np.ndarray, count: int) -> np.ndarray:
    """Of each of ``count`` images the place of the first one of its group, int ``(count,)``: images belong together
    that ``pairs`` link, in however many steps."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count))
    _, group = connected_components(links, directed=False)
    return np.unique(group, return_index=True)[1][group]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Means over areas, float32 ``(SIDE, SIDE)``, of an image ``(H, W, C)``."""
    grey = (image[..., 0] if image.shape[2] == 1 else image.mean(2)).astype(np.float32)
    rows, columns = (_areas(side) for side in grey.shape)
    return rows @ grey @ columns.T


@cache
def _areas(side: int) -> np.ndarray:
    """``(SIDE, side)``: the part that every pixel of a side has in each of ``SIDE`` equal areas."""
    step = side / SIDE
    low, pixel = step * np.arange(SIDE)[:, None], np.arange(side)[None]
    overlap = np.minimum(low + step, pixel + 1) - np.maximum(low, pixel)
    return (overlap.clip(0) / step).astype(np.float32)

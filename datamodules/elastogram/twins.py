"""Where a part of a picture is seen again: correlation over the pixels that say something."""

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.signal import fftconvolve

from datamodules.elastogram.box import Box

AROUND = 40  # pixels about a box by which its twin is known
NEAR = 12  # pixels about a box that tell how it is aligned; more might show another panel
FULL = 0.9  # part of a box that is coloured from which on what is about it must tell
LEAST_TELLING = 200  # pixels
LEAST_SPREAD = 0.015  # standard deviation of grey, of full scale, under which a place has no picture
TWIN = 0.75  # correlation from which on a place shows the same tissue
ALIGNED = 0.6  # likewise where it is known to be near


def find_twin(frame: np.ndarray, box: Box, coloured: np.ndarray) -> tuple[int, int] | None:
    """By how much (down, right) the same tissue as about ``box`` lies elsewhere in ``frame`` ``(H, W, 3)`` in [0, 1].

    Args:
        coloured: bool ``(H, W)``, what does not say which tissue it is.
    """
    near = box.grown(AROUND).within(frame.shape)
    alike = _correlation(frame.mean(-1), frame.mean(-1), near, coloured)
    here = alike[
        max(0, near.top - box.height // 2) : near.top + box.height // 2 + 1,
        max(0, near.left - box.width // 2) : near.left + box.width // 2 + 1,
    ]
    here[:] = 0
    top, left = np.unravel_index(alike.argmax(), alike.shape)
    return (int(top) - near.top, int(left) - near.left) if alike[top, left] > TWIN else None


def best_shift(frame: np.ndarray, overlay: Box, grey: Box, coloured: np.ndarray, reach: int) -> tuple[int, int]:
    """By how much (down, right), at most ``reach``, ``grey`` is to be moved to agree with the uncoloured pixels in
    ``overlay``, a box of its size, or, where these are few, about it; (0, 0) where nothing says how."""
    about = NEAR if overlay.of(coloured).mean() > FULL else 0
    shift = (grey.top - overlay.top, grey.left - overlay.left)
    other = overlay.grown(about).within(frame.shape).moved(*shift).grown(reach).within(frame.shape)
    near = other.grown(-reach).moved(-shift[0], -shift[1])
    if min(near.height, near.width) < 1:
        return 0, 0
    alike = _correlation(frame.mean(-1), other.of(frame).mean(-1), near, coloured)
    down, right = np.unravel_index(alike.argmax(), alike.shape)
    if alike[down, right] < max(ALIGNED, alike[reach, reach] + 1e-3):
        return 0, 0
    return int(down) - reach, int(right) - reach


def _correlation(image: np.ndarray, other: np.ndarray, near: Box, coloured: np.ndarray) -> np.ndarray:
    """Pearson's correlation of what is uncoloured ``near`` in ``image`` with ``other`` ``(H, W)`` at every place where
    it fits, 0 where there is nothing to correlate."""
    telling = ~binary_dilation(near.of(coloured), iterations=3)
    if telling.sum() < LEAST_TELLING:
        return np.zeros((other.shape[0] - near.height + 1, other.shape[1] - near.width + 1))
    weight = telling / telling.sum()
    other = other - 0.5  # near 0, or squares lose digits
    part = near.of(image)
    part = part - (part * weight).sum()
    mean, square, product = (
        fftconvolve(field, kernel[::-1, ::-1], "valid")
        for field, kernel in ((other, weight), (other**2, weight), (other, weight * part))
    )
    spread, own = np.sqrt((square - mean**2).clip(0)), np.sqrt((weight * part**2).sum())
    there = (spread > LEAST_SPREAD) & (own > LEAST_SPREAD)
    return np.where(there, product / np.where(there, spread * own, 1), 0.0)

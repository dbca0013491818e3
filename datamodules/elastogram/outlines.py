"""Lines that a scanner draws around a panel or a region: they belong to neither."""

import numpy as np

from datamodules.elastogram.box import Box
from datamodules.elastogram.colour_bar import chroma

REACH = 6  # pixels by which a line may lie off the side of a box that was found
EVEN = 0.06  # spread of a line's colour along it
APART = 0.08  # by how much a line differs from what is on both sides of it
TINTED = 0.06  # spread of the channels of a coloured line
SIDES = 3  # of four must have a line to make a frame


def inside_frame(frame: np.ndarray, box: Box) -> Box | None:
    """``box`` without the frame that is drawn near its sides, if there is one on most of them."""
    top = _line(frame, box)
    bottom = _line(frame[::-1], Box(len(frame) - box.bottom, len(frame) - box.top, box.left, box.right))
    turned = frame.transpose(1, 0, 2)
    left = _line(turned, Box(box.left, box.right, box.top, box.bottom))
    width = frame.shape[1]
    right = _line(turned[::-1], Box(width - box.right, width - box.left, box.top, box.bottom))
    if sum(side is not None for side in (top, bottom, left, right)) < SIDES:
        return None
    return Box(
        box.top if top is None else top,
        box.bottom if bottom is None else len(frame) - bottom,
        box.left if left is None else left,
        box.right if right is None else width - right,
    )


def _line(frame: np.ndarray, box: Box) -> int | None:
    """The row after the innermost line near the top of ``box``."""
    margin = min(box.width // 8, 2 * REACH)  # corners of another size
    first = max(0, box.top - REACH - 3)
    rows = frame[first : box.top + REACH + 4, box.left + margin : box.right - margin]
    colour = np.median(rows, axis=1)
    spread = np.subtract(*np.percentile(rows, (80, 20), axis=1)).max(-1)
    tint = np.median(chroma(rows), axis=1)
    for row in range(len(rows) - 4, 2, -1):
        beyond = colour[row] - np.stack([colour[row - 3], colour[row + 3]])
        even = spread[row] < EVEN and max(beyond.min(0).max(), (-beyond).min(0).max()) > APART
        tinted = tint[row] > TINTED and tint[row] > max(tint[row - 3], tint[row + 3]) + TINTED / 2
        if even or tinted:
            return first + row + 1
    return None

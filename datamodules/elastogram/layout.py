"""Where things lie in a scanner's elastography picture: B-mode beside a coloured overlay or under it, a colour bar."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_closing, binary_opening, find_objects, label

from datamodules.elastogram.box import Box
from datamodules.elastogram.colour_bar import chroma, find_bar
from datamodules.errors import InputError

LIT = 0.06  # grey level from which on a pixel belongs to a panel
WORD = 25  # pixels; what is thinner is text, marks and frames
LEAST_PANEL = 0.03  # of the picture's area
ALIKE = 0.05  # by which part the sides of two panels may differ
REACH = 8  # pixels by which a panel's edge may be misjudged
TINTED = 0.04  # spread of the channels from which on a pixel of a panel counts as coloured
LEAST_TINTED = 0.005  # of a panel's pixels


@dataclass(frozen=True)
class Layout:
    """Where the panels and the bar lie. Without ``grey`` there is one panel, the overlay; without ``bar`` its colour
    map must be named."""

    overlay: Box
    grey: Box | None
    bar: Box | None


def find_layout(
    frame: np.ndarray,
    name: str,
    grey: Box | None = None,
    overlay: Box | None = None,
    bar: Box | None = None,
    needs_bar: bool = True,
) -> Layout:
    """Find what is not told in a picture ``(H, W, 3)`` in [0, 1].

    Raises:
        InputError: there is no bar, no coloured panel, or the panels given cannot be those of one picture.
    """
    InputError.raise_for(
        f"{name}: box {box} is not in the picture of {frame.shape[0]} x {frame.shape[1]}; give TOP BOTTOM LEFT RIGHT"
        for box in (grey, overlay, bar)
        if box is not None
        and not (0 <= box.top < box.bottom <= frame.shape[0] and 0 <= box.left < box.right <= frame.shape[1])
    )
    bar = bar or find_bar(frame)
    if bar is None and needs_bar:
        raise InputError(
            f"{name}: no colour bar was found; pass --bar TOP BOTTOM LEFT RIGHT, or --colour-map NAME if it shows none"
        )
    if overlay is None:
        overlay, found = _find_panels(frame, name, bar)
        grey = grey or found
    if grey is None:
        return Layout(overlay, None, bar)
    if _tinted(grey.of(frame)) > max(LEAST_TINTED, _tinted(overlay.of(frame))):
        raise InputError(
            f"{name}: the panels are swapped, the one given as B-mode is coloured; exchange --b-mode and --overlay"
        )
    return Layout(*_aligned(frame, name, overlay, grey), bar)


def _find_panels(frame: np.ndarray, name: str, bar: Box | None) -> tuple[Box, Box | None]:
    """The coloured panel and, if there is one, its grey twin."""
    boxes = _panels(frame, bar)
    overlay = max(boxes, key=lambda box: _tinted(box.of(frame)), default=None)
    if overlay is None or _tinted(overlay.of(frame)) <= LEAST_TINTED:
        raise InputError(
            f"{name}: no panel with a coloured elastogram was found; pass --overlay and --b-mode, each TOP BOTTOM LEFT "
            "RIGHT"
        )
    if len(boxes) == 1 and (halves := _halves(frame, overlay)) is not None:
        return halves
    twins = [box for box in boxes if box != overlay and _same_size(box, overlay)]
    return overlay, max(twins, key=lambda box: box.height * box.width, default=None)


def _panels(frame: np.ndarray, bar: Box | None) -> list[Box]:
    """What is lit, large, and neither bar nor text."""
    lit = frame.max(-1) > LIT
    if bar is not None:
        lit[max(0, bar.top - 2) : bar.bottom + 2, max(0, bar.left - 2) : bar.right + 2] = False
    lit = binary_opening(binary_closing(lit, np.ones((9, 9))), np.ones((WORD, WORD)))
    boxes = [Box(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in find_objects(label(lit)[0])]
    return [box for box in boxes if box.height * box.width > LEAST_PANEL * lit.size]


def _tinted(panel: np.ndarray) -> float:
    """Which part of a panel is coloured."""
    return float((chroma(panel) > 2 * TINTED).mean())


def _same_size(one: Box, other: Box) -> bool:
    return abs(one.height - other.height) <= max(REACH, ALIKE * other.height) and abs(one.width - other.width) <= max(
        REACH, ALIKE * other.width
    )


def _halves(frame: np.ndarray, box: Box) -> tuple[Box, Box] | None:
    """Two panels that touch: one half coloured, and the other its like."""
    half = box.width // 2
    left, right = replace(box, right=box.left + half), replace(box, left=box.right - half)
    overlay, grey = sorted((left, right), key=lambda half: -_tinted(half.of(frame)))
    if _tinted(grey.of(frame)) > LEAST_TINTED:
        return None
    plain = chroma(overlay.of(frame)) < TINTED
    pair = [half.of(frame).mean(-1)[plain] for half in (overlay, grey)]
    return (overlay, grey) if plain.sum() > 100 and np.corrcoef(pair)[0, 1] > 0.8 else None


def _aligned(frame: np.ndarray, name: str, overlay: Box, grey: Box) -> tuple[Box, Box]:
    """Both panels cut to one size, moved so that what is uncoloured agrees."""
    if not _same_size(grey, overlay):
        raise InputError(
            f"{name}: the panels are {grey.height} x {grey.width} and {overlay.height} x {overlay.width}; B-mode and "
            "overlay have one size: correct --b-mode and --overlay"
        )
    inner = Box(overlay.top + REACH, overlay.top + min(overlay.height, grey.height) - REACH,
                overlay.left + REACH, overlay.left + min(overlay.width, grey.width) - REACH)  # fmt: skip
    image = frame.mean(-1)
    plain = chroma(inner.of(frame)[::3, ::3]) < TINTED
    best, error = (0, 0), np.inf
    twin = inner.moved(grey.top - overlay.top, grey.left - overlay.left)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            other = twin.moved(down, right)
            if min(other.top, other.left) < 0 or other.bottom > frame.shape[0] or other.right > frame.shape[1]:
                continue
            apart = np.abs(inner.of(image) - other.of(image))[::3, ::3][plain].mean() if plain.any() else 0.0
            if apart < error - 1e-9:
                best, error = (down, right), apart
    shift = (grey.top - overlay.top + best[0], grey.left - overlay.left + best[1])
    top, left = max(overlay.top, -shift[0]), max(overlay.left, -shift[1])
    bottom = min(overlay.bottom, frame.shape[0] - shift[0])
    right = min(overlay.right, frame.shape[1] - shift[1])
    overlay = Box(top, bottom, left, right)
    return overlay, overlay.moved(*shift)

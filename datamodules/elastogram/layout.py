"""Where things lie in a scanner's elastography picture: B-mode beside a coloured overlay or under it, a colour bar.

A pair is two panels, one of them coloured, or, where a scanner shows colour in a box inside a panel, that box and its
twin in the other panel: what is seen again about it is the same tissue."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import binary_fill_holes, find_objects, label, maximum_filter, minimum_filter

from datamodules.elastogram.box import Box
from datamodules.elastogram.colour_bar import chroma, find_bar, refuse_other_bars
from datamodules.elastogram.outlines import inside_frame
from datamodules.elastogram.twins import best_shift, find_twin
from datamodules.errors import InputError

LIT = 0.06  # grey level from which on a pixel belongs to a panel
WORD = 25  # pixels; what is thinner is text, marks and frames
LINE = 7  # pixels; likewise of what is coloured
LEAST_PANEL = 0.03  # of the picture's area
ALIKE = 0.05  # by which part the sides of two panels may differ
REACH = 8  # pixels by which a panel's edge may be misjudged
TINTED = 0.04  # spread of the channels from which on a pixel of a panel counts as coloured
LEAST_TINTED = 0.005  # of a panel's pixels
FILLED = 0.8  # least part of a box that is coloured if the box is to be the pair
LEAST_REGION = 0.001  # of the picture's area
LEAST_LIT = 0.1  # of a row that belongs to a panel
GAP = 4  # pixels between a panel and its frame
SMALL = 0.3  # of a panel's area, up to which a coloured box is the pair though no frame is drawn about its twin
DESPECKLE = 5  # pixels, side of the median that is taken before colours are judged

Found = TypeVar("Found")


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
        InputError: there is no bar or that of another kind of picture, no coloured panel, or the panels given cannot
            be those of one picture.
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
    if bar is not None:
        refuse_other_bars(frame, bar, name)
    tinted = _coloured(frame, bar)
    if overlay is None:
        overlay, grey = _find_pair(frame, name, bar, grey, tinted)
    elif grey is None and (shift := find_twin(frame, overlay, tinted)) is not None:
        grey = _both_within(overlay, shift, frame)[1]
    if grey is None:
        return Layout(overlay, None, bar)
    if _tinted(grey.of(frame)) > max(LEAST_TINTED, _tinted(overlay.of(frame))):
        raise InputError(
            f"{name}: the panels are swapped, the one given as B-mode is coloured; exchange --b-mode and --overlay"
        )
    return Layout(*_aligned(frame, name, overlay, grey, tinted), bar)


def despeckled(image: np.ndarray, side: int = DESPECKLE) -> np.ndarray:
    """The median commutes with the overlay where the value is even, and takes speckle, JPEG's noise and marks away."""
    levels = Image.fromarray((image.clip(0, 1) * 255).round().astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.MedianFilter(side)), np.float32) / 255


def _coloured(frame: np.ndarray, bar: Box | None) -> np.ndarray:
    """Bool ``(H, W)``, what is coloured in a picture beside its bar."""
    found = chroma(despeckled(frame)) > 2 * TINTED
    if bar is not None:
        bar.grown(2).within(frame.shape).of(found)[:] = False
    return found


def _opened(mask: np.ndarray, side: int) -> np.ndarray:
    """Without what is thinner than ``side``; as binary_opening with a square, but separable."""
    return maximum_filter(minimum_filter(mask, side, mode="constant"), side, mode="constant")


def _closed(mask: np.ndarray, side: int) -> np.ndarray:
    return minimum_filter(maximum_filter(mask, side, mode="constant"), side, mode="constant")


def _find_pair(
    frame: np.ndarray, name: str, bar: Box | None, grey: Box | None, tinted: np.ndarray
) -> tuple[Box, Box | None]:
    """The overlay and, if there is one, its grey twin; ``grey`` where that is told."""
    region = _region(frame, tinted)
    panels = _find_panels(frame, bar, tinted)
    if grey is not None:
        fits = [box for box in (panels and panels[0], region) if box is not None and _same_size(box, grey)]
        return (fits or [_needed(panels and panels[0], name)])[0], grey
    if region is not None and (pair := _region_pair(frame, region, panels, tinted)) is not None:
        return pair
    overlay, twin = _needed(panels, name)
    if twin is None and (shift := find_twin(frame, overlay, tinted)) is not None:
        overlay, twin = _both_within(overlay, shift, frame)
    return overlay, twin


def _region_pair(
    frame: np.ndarray, region: Box, panels: tuple[Box, Box | None] | None, tinted: np.ndarray
) -> tuple[Box, Box | None] | None:
    """The coloured box and its twin, if that is framed too or the box is small; else the panels are the pair."""
    small = panels is None or region.area < SMALL * panels[0].area
    shift = _shift_of(panels, region) or find_twin(frame, region, tinted)
    if shift is None:
        return (inside_frame(frame, region) or region, None) if small else None
    framed = inside_frame(frame, _both_within(region, shift, frame)[1])
    if framed is not None:
        return _both_within(framed.moved(-shift[0], -shift[1]).common(region), shift, frame)
    return _both_within(inside_frame(frame, region) or region, shift, frame) if small else None


def _shift_of(panels: tuple[Box, Box | None] | None, region: Box) -> tuple[int, int] | None:
    """From the panel about ``region`` to its grey twin, where both were found and the region is not small in it."""
    if panels is None or panels[1] is None or region.area < SMALL * panels[0].area:
        return None
    return panels[1].top - panels[0].top, panels[1].left - panels[0].left


def _needed(found: Found | None, name: str) -> Found:
    if found is None:
        raise InputError(
            f"{name}: no panel with a coloured elastogram was found; pass --overlay and --b-mode, each TOP BOTTOM LEFT "
            "RIGHT, or leave the picture out if it is plain B-mode with a colour bar, as it seems"
        )
    return found


def _region(frame: np.ndarray, tinted: np.ndarray) -> Box | None:
    """The largest box that is filled with colour."""
    places, _ = label(_closed(_opened(tinted, LINE), 9))
    sizes = np.bincount(places.ravel())[1:]
    if not len(sizes) or sizes.max() < LEAST_REGION * tinted.size:
        return None
    rows, columns = find_objects(places)[sizes.argmax()]
    filled = binary_fill_holes(places[rows, columns] == sizes.argmax() + 1).mean()
    return _sharp(chroma(frame), Box(rows.start, rows.stop, columns.start, columns.stop)) if filled > FILLED else None


def _sharp(colour: np.ndarray, box: Box) -> Box:
    """Without the rows and columns at its sides into which the colour of those further in only runs out."""
    inside = box.of(colour)
    if min(inside.shape) <= 4 * GAP:
        return box
    rows, columns = (np.median(inside, axis) for axis in (1, 0))
    top, bottom, left, right = (
        int((side[:GAP] < side[2 * GAP] / 2).sum()) for side in (rows, rows[::-1], columns, columns[::-1])
    )
    return Box(box.top + top, box.bottom - bottom, box.left + left, box.right - right)


def _both_within(overlay: Box, shift: tuple[int, int], frame: np.ndarray) -> tuple[Box, Box]:
    """The box and the one that is moved from it, cut alike so that both are in the picture."""
    other = overlay.moved(*shift).within(frame.shape)
    return other.moved(-shift[0], -shift[1]), other


def _find_panels(frame: np.ndarray, bar: Box | None, tinted: np.ndarray) -> tuple[Box, Box | None] | None:
    """The coloured panel and, if there is one, its grey twin."""
    boxes = _panels(frame, bar)
    overlay = max(boxes, key=lambda box: _tinted(box.of(frame)), default=None)
    if overlay is None or _opened(overlay.of(tinted), LINE).mean() <= LEAST_TINTED:
        return None
    if len(boxes) == 1 and (halves := _halves(frame, overlay)) is not None:
        return halves
    twins = [box for box in boxes if box != overlay and _same_size(box, overlay)]
    return overlay, max(twins, key=lambda box: box.area, default=None)


def _panels(frame: np.ndarray, bar: Box | None) -> list[Box]:
    """What is lit, large, and neither bar nor text nor frame."""
    lit = frame.max(-1) > LIT
    if bar is not None:
        bar.grown(2).within(frame.shape).of(lit)[:] = False
    whole = _opened(_closed(lit, 9), WORD)
    found = [Box(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in find_objects(label(whole)[0])]
    large = [box for box in found if box.area > LEAST_PANEL * lit.size]
    return [_without_frame(frame, panel) for box in large for panel in _apart(lit, box)]


def _apart(lit: np.ndarray, box: Box) -> tuple[Box, ...]:
    """Two panels of one size with a narrow dark gap between, or the one that it is."""
    for axis in (1, 0):
        runs, _ = label(box.of(lit).mean(axis) > LEAST_LIT)
        wide = [run for (run,) in find_objects(runs) if run.stop - run.start >= WORD]
        if len(wide) != 2:
            continue
        pair = tuple(
            replace(box, top=box.top + run.start, bottom=box.top + run.stop)
            if axis == 1
            else replace(box, left=box.left + run.start, right=box.left + run.stop)
            for run in wide
        )
        if _same_size(*pair):
            return pair
    return (box,)


def _without_frame(frame: np.ndarray, box: Box) -> Box:
    """And without the dark gap between a panel and its frame."""
    inside = inside_frame(frame, box)
    if inside is None:
        return box
    lit = inside.of(frame.max(-1) > LIT)
    rows, columns = (np.nonzero(lit.mean(axis) > LEAST_LIT)[0] for axis in (1, 0))
    rows, columns = rows[[0, -1]], columns[[0, -1]]
    gap = np.array([rows[0], inside.height - 1 - rows[1], columns[0], inside.width - 1 - columns[1]])
    top, bottom, left, right = np.where(gap <= GAP, gap, 0)
    return Box(inside.top + top, inside.bottom - bottom, inside.left + left, inside.right - right)


def _tinted(panel: np.ndarray) -> float:
    """Which part of a panel is coloured."""
    return float((chroma(panel) > 2 * TINTED).mean())


def _same_size(one: Box, other: Box) -> bool:
    return abs(one.height - other.height) <= max(REACH, ALIKE * other.height) and abs(one.width - other.width) <= max(
        REACH, ALIKE * other.width
    )


def _halves(frame: np.ndarray, box: Box) -> tuple[Box, Box] | None:
    """Two panels that touch, side by side or above one another: one half coloured, and the other its like."""
    beside = replace(box, right=box.left + box.width // 2), replace(box, left=box.right - box.width // 2)
    above = replace(box, bottom=box.top + box.height // 2), replace(box, top=box.bottom - box.height // 2)
    for pair in (beside, above):
        overlay, grey = sorted(pair, key=lambda half: -_tinted(half.of(frame)))
        plain = chroma(overlay.of(frame)) < TINTED
        if _tinted(grey.of(frame)) > LEAST_TINTED or plain.sum() <= 100:
            continue
        seen = [half.of(frame).mean(-1)[plain] for half in (overlay, grey)]
        if min(half.std() for half in seen) > 0 and np.corrcoef(seen)[0, 1] > 0.8:
            return overlay, grey
    return None


def _aligned(frame: np.ndarray, name: str, overlay: Box, grey: Box, tinted: np.ndarray) -> tuple[Box, Box]:
    """Both panels cut to one size, moved so that what is uncoloured in and about them agrees."""
    if not _same_size(grey, overlay):
        raise InputError(
            f"{name}: the panels are {grey.height} x {grey.width} and {overlay.height} x {overlay.width}; B-mode and "
            "overlay have one size: correct --b-mode and --overlay"
        )
    height, width = min(overlay.height, grey.height), min(overlay.width, grey.width)
    overlay, grey = (Box(box.top, box.top + height, box.left, box.left + width) for box in (overlay, grey))
    moved = best_shift(frame, overlay, grey, tinted, REACH)
    return _both_within(overlay, (grey.top - overlay.top + moved[0], grey.left - overlay.left + moved[1]), frame)

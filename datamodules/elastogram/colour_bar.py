"""The colour bar of a scanner's picture: where it is, and from a colour back to the value that it stands for."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_opening, find_objects, gaussian_filter1d, label
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab

from datamodules.elastogram.box import Box
from datamodules.errors import InputError

STEPS = 256  # colours along a bar
COLOURED = 0.12  # spread of a pixel's channels over full scale from which on it counts as coloured
TALL = 3.0  # least height of a bar over its width
LEAST_HEIGHT = 32  # pixels
EVEN = 0.08  # largest spread of colour across a bar
LEAST_PATH = 60.0  # length of a bar's way through Lab; a patch of one colour has next to none
ABRUPT = 12.0  # largest step in Lab from a row of a bar to the next
BLACK = 8.0  # lightness in Lab up to which a colour is black
TINT = 20.0  # distance from grey in Lab from which on an end of a bar is coloured
ONE_TINT = 50.0  # the largest of a tinted B-mode's bar
WHOLE = 65.0  # least range of lightness of such a bar
APART = 0.12  # part of the scale beyond which two values of one colour are ambiguous
CHUNK = 8192  # pixels compared with a bar at once
CLEARER = 3.0  # by how much in Lab the nearest colour must be nearer than any of such another value


def chroma(image: np.ndarray) -> np.ndarray:
    """Spread of the channels ``(H, W)`` of a picture ``(H, W, 3)`` in [0, 1]; 0 is grey."""
    red, green, blue = np.moveaxis(image, -1, 0)  # pairwise, much faster than over an axis of three
    return np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)


def find_bar(frame: np.ndarray) -> Box | None:
    """The tallest upright patch of ``(H, W, 3)`` in [0, 1] whose colour changes downwards and not across."""
    coloured = binary_opening(chroma(frame) > COLOURED, np.ones((3, 3)))
    found = [
        Box(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in find_objects(label(coloured)[0])
    ]
    joined = [box for upper in found for lower in found if (box := _joined(frame, upper, lower)) is not None]
    bars = [_whole(frame, box) for box in [*joined, *found] if _is_bar(frame, box)]
    return max(bars, key=lambda box: box.height, default=None)


def _joined(frame: np.ndarray, upper: Box, lower: Box) -> Box | None:
    """Two patches that are one bar which runs through grey: nothing but a smooth way from colour to colour between."""
    gap = lower.top - upper.bottom
    aside = max(abs(upper.left - lower.left), abs(upper.right - lower.right))
    if not 0 < gap <= upper.height + lower.height or aside > 2 or min(upper.width, lower.width) < 3:
        return None
    between = _middle(Box(upper.bottom - 3, lower.top + 3, upper.left, upper.right)).of(frame)
    steps = np.linalg.norm(np.diff(rgb2lab(between.mean(1)[:, None])[:, 0], axis=0), axis=1)
    if np.median(between.std(1).max(-1)) > EVEN or steps.max() > ABRUPT:
        return None
    return Box(upper.top, lower.bottom, min(upper.left, lower.left), max(upper.right, lower.right))


def refuse_other_bars(frame: np.ndarray, box: Box, name: str) -> None:
    """Raise for a bar that is no elastogram's.

    Raises:
        InputError: a Doppler's, which is black at rest and coloured above and below, or that of tinted B-mode, which
            goes from black to white in one tint.
    """
    lab = gaussian_filter1d(rgb2lab(np.median(_middle(box).of(frame), axis=1)[:, None])[:, 0], 2, axis=0)
    lightness, tint = lab[:, 0], np.linalg.norm(lab[:, 1:], axis=1)
    inner = slice(len(lab) // 5, -(len(lab) // 5))
    if lightness[inner].min() < BLACK and min(tint[: inner.start].max(), tint[inner.stop :].max()) > TINT:
        raise InputError(
            f"{name}: a Doppler picture, its bar is black in the middle and coloured on both sides; leave it out, or "
            "pass --bar TOP BOTTOM LEFT RIGHT of the elastogram's"
        )
    steps = np.diff(lightness)
    one_way = max((steps > -1).mean(), (steps < 1).mean()) > 0.98
    if one_way and np.ptp(lightness) > WHOLE and tint.max() < ONE_TINT:
        raise InputError(
            f"{name}: plain B-mode with a colour bar, from black to white in one tint; leave it out, or pass --bar TOP "
            "BOTTOM LEFT RIGHT of the elastogram's"
        )


def _is_bar(frame: np.ndarray, box: Box) -> bool:
    if box.height < max(LEAST_HEIGHT, TALL * box.width) or box.width < 3:
        return False
    inside = _middle(box).of(frame)
    even = np.median(inside.std(1).max(-1)) < EVEN
    return bool(even and _path(inside.mean(1)) > LEAST_PATH)


def _middle(box: Box) -> Box:
    """Without the edges, which blend into the surroundings."""
    margin = box.width // 4
    return Box(box.top, box.bottom, box.left + margin, box.right - margin)


def _path(colours: np.ndarray) -> float:
    smooth = gaussian_filter1d(rgb2lab(colours[:, None])[:, 0], 3, axis=0)
    return float(np.linalg.norm(np.diff(smooth, axis=0), axis=1).sum())


def _whole(frame: np.ndarray, box: Box) -> Box:
    """With those of its ends that hardly differ from grey."""
    inside = _middle(box)
    tinted = chroma(frame[:, inside.left : inside.right].mean(1)) > COLOURED / 2
    top, bottom = box.top, box.bottom
    while top > 0 and tinted[top - 1]:
        top -= 1
    while bottom < len(frame) and tinted[bottom]:
        bottom += 1
    return Box(top, bottom, box.left, box.right)


@dataclass(frozen=True)
class ColourBar:
    """``colours`` ``(STEPS, 3)``, RGB in [0, 1], from the low to the high end of the scale."""

    colours: np.ndarray

    @classmethod
    def of_frame(cls, frame: np.ndarray, box: Box, high_at_top: bool = True) -> "ColourBar":
        """Read off a picture ``(H, W, 3)`` in [0, 1]."""
        rows = gaussian_filter1d(np.median(_middle(box).of(frame), axis=1), 1.0, axis=0)
        rows = rows[::-1] if high_at_top else rows
        where = (np.arange(STEPS) + 0.5) / STEPS * len(rows) - 0.5
        return cls(np.stack([np.interp(where, np.arange(len(rows)), rows[:, c]) for c in range(3)], axis=1))

    @classmethod
    def named(cls, name: str) -> "ColourBar":
        """One of matplotlib's colour maps.

        Raises:
            InputError: it has none of that name, or a grey one.
        """
        from matplotlib import colormaps

        if name not in colormaps:
            raise InputError(f"colour map '{name}': unknown; use one of matplotlib's, e.g. jet, turbo or rainbow")
        colours = colormaps[name](np.linspace(0, 1, STEPS))[:, :3]
        if chroma(colours).mean() < COLOURED:
            raise InputError(f"colour map '{name}': is grey and cannot be told from B-mode; use a coloured one")
        return cls(colours)

    def colour_of(self, values: np.ndarray) -> np.ndarray:
        """Colours ``(..., 3)`` of values in [0, 1]."""
        return self.colours[(values * STEPS).astype(int).clip(0, STEPS - 1)]

    @property
    def through_grey(self) -> bool:
        return bool(chroma(self.colours).min() < COLOURED / 2)

    def values(self, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of RGB colours ``(N, 3)`` the value in [0, 1] of the nearest one in Lab, and how far that is.

        The distance is infinite where a distant part of the scale is as near.
        """
        return _nearest(rgb2lab(colours.clip(0, 1)[None])[0], rgb2lab(self.colours[None])[0])

    def values_of_tint(self, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Likewise by what their channels deviate from their mean, whatever grey was added to them."""
        tints = [100 * (c - c.mean(-1, keepdims=True)) for c in (colours, self.colours)]
        return _nearest(*tints)


def _nearest(points: np.ndarray, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place on the bar of the nearest of its points, and the distance."""
    scale = (np.arange(STEPS) + 0.5) / STEPS
    elsewhere = np.abs(scale[:, None] - scale) > APART
    value, distance = np.empty(len(points)), np.empty(len(points))
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        apart = cdist(points[part], bar)
        nearest, least = apart.argmin(1), apart.min(1)
        ambiguous = np.where(elsewhere[nearest], apart, np.inf).min(1) < least + CLEARER
        value[part], distance[part] = scale[nearest], np.where(ambiguous, np.inf, least)
    return value, distance

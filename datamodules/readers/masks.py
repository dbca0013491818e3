"""Masks: what is meant by a file of two levels, and what has to be asked."""

from pathlib import Path

import numpy as np

from datamodules.errors import InputError
from datamodules.readers.arrays import load_array
from datamodules.readers.entry import Entry
from datamodules.readers.faults import decoded
from datamodules.readers.image import check_parts, is_array, is_picture, read_image
from datamodules.readers.limits import Limits, check_size
from datamodules.readers.picture import drop_equal_channels, physical_picture
from datamodules.readers.pictures import holds_numbers, open_picture, stored_numbers

REMEDY = "store it as 0 and 255"
LOSSY = ("JPEG", "MPO")
MANY = 16  # levels; classes are fewer, soft borders have more
LEAST_LOSSY = 64  # levels between the ends of a JPEG; below, its noise is as large
SHOWN = 8  # values in a message


def read_mask(
    cell: Path | str,
    limits: Limits | None = None,
    region: int | None = 0,
    value: int | None = None,
    remedy: str = REMEDY,
) -> np.ndarray:
    """Bool ``(H, W)``: where the file is ``value``; without that, where a file of 0 and one other value is not 0.

    A soft border, as resampling and JPEG leave it, is cut at half. In a palette, ``value`` is an index.

    Raises:
        InputError: what :func:`read_image` raises, and a file that may mean several things; ``remedy`` is what to do.
    """
    entry, limits = Entry.of(cell), limits or Limits()
    check_parts(entry)
    path, lossy = entry.path, False
    if is_picture(path):
        shown, stored, lossy = decoded(_of_picture, path, limits, entry.frame, remedy)
    elif is_array(path):
        shown = stored = decoded(load_array, path, limits)
        physical_picture(path, stored)  # refuses NaN
    elif value is not None:
        raise InputError(f"{path}: one value of a DICOM mask cannot be asked for; store it as PNG or NPY")
    else:
        shown = stored = read_image(cell, limits, region is not None, region or 0).pixels
    check_size(path, shown.shape[:2], limits)
    if value is not None and stored.ndim == 2:
        return stored == value
    mask = _two_colours(shown) if shown.ndim == 3 else _two_levels(shown, lossy)
    if mask is None:
        raise InputError(f"{path}: {_levels(stored)}, which is no mask; {remedy}")
    return mask


def _of_picture(path: Path, limits: Limits, page: int | None, remedy: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Pixels as they look and as they are stored, which differ in a palette; whether they went through JPEG."""
    image, tags, form = open_picture(path, limits, page)
    lossy = form in LOSSY
    if holds_numbers(image, tags):
        numbers = stored_numbers(image, tags)
        return numbers, numbers, lossy
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise InputError(f"{path}: has an alpha channel, so that two things may be the mask; {remedy}, without alpha")
    shown = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    shown = drop_equal_channels(shown)
    return shown, np.asarray(image) if image.mode == "P" else shown, lossy


def _two_colours(pixels: np.ndarray) -> np.ndarray | None:
    """Where ``(H, W, 3)`` is not black, if it has black and one colour only."""
    painted = np.asarray(pixels.any(axis=2))
    colours = pixels[painted]
    return painted if len(colours) < painted.size and (colours == colours[:1]).all() else None


def _two_levels(levels: np.ndarray, lossy: bool) -> np.ndarray | None:
    """Where ``(H, W)`` is not 0, if it has 0 and one other value only; where it is bright, if only borders are soft."""
    values = np.unique(levels)
    if len(values) == 1 or (len(values) == 2 and 0 in values and not lossy):
        return levels != 0
    return levels > values[-1] / 2 if _is_soft(levels, values, lossy) else None


def _is_soft(levels: np.ndarray, values: np.ndarray, lossy: bool) -> bool:
    """Whether nearly all pixels lie at two ends, few between them, and these at no level of their own.

    A dark B-mode has more pixels in the middle than at its bright end; a third class has a level.
    """
    high = float(values[-1])
    if values[0] < 0 or (high < LEAST_LOSSY if lossy else len(values) <= MANY):
        return False
    part = levels / high
    between, bright = part[(part > 1 / 8) & (part < 7 / 8)], int((part >= 7 / 8).sum())
    plateau = np.histogram(between, 12, (1 / 8, 7 / 8))[0].max() if len(between) > MANY else 0
    return len(between) < min(bright, levels.size / 20) and plateau <= len(between) / 2


def _levels(stored: np.ndarray) -> str:
    if stored.ndim == 3:
        return "a colour picture of several colours"
    values = np.unique(stored)
    listed = ", ".join(f"{value:g}" for value in values[:SHOWN].astype(float))
    return f"has {len(values)} values ({listed}{', ...' if len(values) > SHOWN else ''})"

"""A scanner's screen with an elastogram, as it would be saved: B-mode beside an overlay, a colour bar, marks, text."""

import numpy as np
from PIL import Image, ImageDraw

from datamodules.elastogram import Box, ColourBar
from datamodules.grid import resize

SIZE = (560, 1000)  # rows and columns of the screen
GREY, OVERLAY = Box(80, 500, 50, 470), Box(80, 500, 500, 920)
BAR = Box(120, 440, 950, 966)
INK = (230, 230, 230)


def screenshot(
    b_mode: np.ndarray,
    values: np.ndarray,
    shown: np.ndarray,
    colours: ColourBar,
    opacity: float = 0.5,
    label: str = "180 kPa",
    single: bool = False,
) -> np.ndarray:
    """uint8 ``(H, W, 3)``.

    Args:
        b_mode: ``(h, w)`` in [0, 1].
        values: ``(h, w)`` in [0, 1], parts of the scale.
        shown: bool ``(h, w)``, where the scanner shows colour.
        label: at the top of the bar.
        single: the overlay alone, without the grey panel.
    """
    grey = _fit(b_mode, OVERLAY)
    colour = colours.colour_of(_fit(values, OVERLAY))
    inside = (_fit(shown, OVERLAY) > 0.5)[..., None]
    mixed = np.where(inside, opacity * colour + (1 - opacity) * grey[..., None], grey[..., None])
    frame = np.zeros((*SIZE, 3), np.float32)
    OVERLAY.of(frame)[:] = mixed
    if not single:
        GREY.of(frame)[:] = grey[..., None]
    BAR.of(frame)[:] = colours.colour_of(1 - (np.arange(BAR.height) + 0.5) / BAR.height)[:, None]
    picture = Image.fromarray((frame * 255).round().astype(np.uint8))
    _annotate(ImageDraw.Draw(picture), inside[..., 0], label)
    return np.asarray(picture)


def _fit(image: np.ndarray, box: Box) -> np.ndarray:
    nearest = image.dtype == bool
    return resize(image[..., None].astype(np.float32), (box.height, box.width), nearest)[..., 0].clip(0, 1)


def _annotate(draw: ImageDraw.ImageDraw, shown: np.ndarray, label: str) -> None:
    """Header, depth marks, the frame of the region, a word over it, and the ends of the bar."""
    draw.text((20, 20), "L14-5   Breast   MI 0.9   TIS 0.3   22 Nov 2026", fill=INK)
    for box in (GREY, OVERLAY):
        for mark in range(0, box.height, box.height // 8):
            draw.line((box.left - 9, box.top + mark, box.left - 4, box.top + mark), fill=INK)
    rows, columns = np.nonzero(shown.any(1))[0], np.nonzero(shown.any(0))[0]
    if len(rows):
        corner = (OVERLAY.left + columns[0] - 2, OVERLAY.top + rows[0] - 2)
        draw.rectangle((*corner, OVERLAY.left + columns[-1] + 2, OVERLAY.top + rows[-1] + 2), outline=INK)
        draw.text((corner[0] + 6, corner[1] + 5), "Q-Box", fill=INK)
    draw.text((BAR.left - 20, BAR.top - 18), label, fill=INK)
    draw.text((BAR.left, BAR.bottom + 6), "0", fill=INK)

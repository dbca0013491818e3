"""A scanner's screen with an elastogram, as it would be saved: B-mode beside an overlay, a colour bar, marks, text."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from datamodules.elastogram import Box, ColourBar
from datamodules.grid import resize

SIZE = (560, 1000)  # rows and columns of the screen
GREY, OVERLAY = Box(80, 500, 50, 470), Box(80, 500, 500, 920)
BAR = Box(120, 440, 950, 966)
INK = (230, 230, 230)
ORANGE, GREEN = (230, 160, 40), (60, 140, 40)


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


@dataclass(frozen=True)
class Screen:
    """Where a scanner shows what, as those do that mark a box in a panel in which they show colour.

    Args:
        overlay, grey: the panels, and ``bar``.
        region: the box of colour in ``overlay``; without it colour fills the panel.
        frames: lines about the box in both panels, and ``panel_frames`` about the panels.
        marks: what is drawn over the box: "circle" and "ruler" in the overlay, "box" in both panels, "icon".
        ends: text at the top and the bottom of the bar.
    """

    overlay: Box
    grey: Box
    bar: Box
    region: Box | None = None
    frames: bool = True
    panel_frames: bool = False
    marks: tuple[str, ...] = ()
    ends: tuple[str, str] = (">=180 kPa", "0")

    @property
    def shift(self) -> tuple[int, int]:
        """From the overlay to the same place in the grey panel."""
        return self.grey.top - self.overlay.top, self.grey.left - self.overlay.left

    @property
    def pair(self) -> tuple[Box, Box]:
        """The boxes of colour and of B-mode that belong together."""
        if self.region is None:
            return self.overlay, self.grey
        return self.region, self.region.moved(*self.shift)


ABOVE = Screen(Box(60, 356, 210, 734), Box(362, 658, 210, 734), Box(94, 244, 934, 946), Box(120, 240, 312, 614))
BESIDE = Screen(OVERLAY, GREY, BAR, Box(180, 330, 590, 800))


def draw_screen(
    screen: Screen, b_mode: np.ndarray, values: np.ndarray, shown: np.ndarray, colours: ColourBar, opacity: float
) -> tuple[np.ndarray, np.ndarray]:
    """The screen as uint8 ``(H, W, 3)``, and bool ``(H, W)``, what is drawn over tissue.

    Args:
        b_mode: ``(h, w)`` in [0, 1], of the whole panel.
        values: ``(h, w)`` in [0, 1], parts of the scale, of the box of colour.
        shown: bool ``(h, w)``, where in the box the scanner shows colour.
    """
    region, _ = screen.pair
    frame = np.zeros((700, SIZE[1], 3), np.float32)
    for panel in (screen.overlay, screen.grey):
        panel.of(frame)[:] = _fit(b_mode, panel)[..., None]
    colour, inside = colours.colour_of(_fit(values, region)), (_fit(shown, region) > 0.5)[..., None]
    beneath = region.of(frame)
    region.of(frame)[:] = np.where(inside, opacity * colour + (1 - opacity) * beneath, beneath)
    screen.bar.of(frame)[:] = colours.colour_of(1 - (np.arange(screen.bar.height) + 0.5) / screen.bar.height)[:, None]
    bare = Image.fromarray((frame * 255).round().astype(np.uint8))
    picture = bare.copy()
    _draw_marks(ImageDraw.Draw(picture), screen)
    frame = np.asarray(picture)
    return frame, (frame != np.asarray(bare)).any(-1)


def _draw_marks(draw: ImageDraw.ImageDraw, screen: Screen) -> None:
    draw.text((20, 20), "SL15-4   SWE   S 5/O 50 %   22 Nov 2026", fill=INK)
    draw.text((screen.bar.left - 20, screen.bar.top - 18), screen.ends[0], fill=INK)
    draw.text((screen.bar.left, screen.bar.bottom + 6), screen.ends[1], fill=INK)
    for panel in (screen.overlay, screen.grey):
        if screen.panel_frames:
            draw.rectangle(_lines(panel, -3), outline=INK)
    for box in screen.pair if screen.frames and screen.region else ():
        draw.rectangle(_lines(box, -1), outline=ORANGE)
    overlay, grey = screen.pair
    row, column = (overlay.top + overlay.bottom) // 2, (overlay.left + overlay.right) // 2
    if "circle" in screen.marks:
        draw.ellipse((column - 20, row - 20, column + 20, row + 20), outline=INK, width=2)
    for box in (overlay, grey) if "box" in screen.marks else ():
        draw.rectangle(_lines(box, overlay.height // 5), outline=GREEN, width=3)
    if "ruler" in screen.marks:
        draw.line((overlay.right - 30, overlay.top, overlay.right - 30, overlay.bottom - 1), fill=INK, width=2)
        for mark in range(overlay.top, overlay.bottom, 20):
            draw.line((overlay.right - 36, mark, overlay.right - 30, mark), fill=INK, width=2)
    if "icon" in screen.marks:
        draw.ellipse((overlay.left + 12, overlay.top + 8, overlay.left + 28, overlay.top + 24), fill=(235, 245, 255))


def _lines(box: Box, inwards: int) -> tuple[int, int, int, int]:
    """Corners of a rectangle that is drawn that many pixels inside a box."""
    return (box.left + inwards, box.top + inwards, box.right - 1 - inwards, box.bottom - 1 - inwards)

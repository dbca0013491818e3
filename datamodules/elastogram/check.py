"""The picture of what was found in a frame, so that a person sees at a glance whether it is what was meant."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from datamodules.elastogram.box import Box
from datamodules.elastogram.colour_bar import ColourBar
from datamodules.elastogram.overlay import Elastogram
from datamodules.writers import write_atomically

COLOURS = {"overlay": (255, 0, 255), "b_mode": (0, 255, 255), "bar": (255, 255, 0)}
HEIGHT = 480  # pixels of what is shown
FOOT = 18


def write_check(
    path: Path,
    frame: np.ndarray,
    boxes: dict[str, Box],
    found: Elastogram | None,
    colours: ColourBar | None,
    verdict: str,
) -> None:
    """Write a PNG: the frame ``(H, W, 3)`` in [0, 1] with its ``boxes`` drawn on it (overlay magenta, B-mode cyan, bar
    yellow), beside it the map and the valid mask if they were found, and below them the ``verdict``."""
    parts = [_scaled(_with_boxes(frame, boxes), HEIGHT)]
    if found is not None and colours is not None:
        decoded = np.where(found.valid[..., None], colours.colour_of(found.values), 0.0)
        mask = np.repeat(found.valid[..., None].astype(np.float32), 3, axis=2)
        parts.append(_above(_scaled(_picture(decoded), HEIGHT // 2), _scaled(_picture(mask), HEIGHT // 2)))
    canvas = Image.new("RGB", (sum(part.width + 4 for part in parts) - 4, HEIGHT + FOOT))
    left = 0
    for part in parts:
        canvas.paste(part, (left, 0))
        left += part.width + 4
    ImageDraw.Draw(canvas).text((4, HEIGHT + 3), verdict, fill=(255, 255, 255))
    write_atomically(path, lambda file: canvas.save(file, format="PNG"))


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray((image.clip(0, 1) * 255).round().astype(np.uint8))


def _with_boxes(frame: np.ndarray, boxes: dict[str, Box]) -> Image.Image:
    picture = _picture(frame)
    draw = ImageDraw.Draw(picture)
    for name, box in boxes.items():
        draw.rectangle((box.left - 1, box.top - 1, box.right, box.bottom), outline=COLOURS[name])
    return picture


def _scaled(picture: Image.Image, height: int) -> Image.Image:
    return picture.resize((max(1, round(picture.width * height / picture.height)), height))


def _above(upper: Image.Image, lower: Image.Image) -> Image.Image:
    both = Image.new("RGB", (max(upper.width, lower.width), upper.height + lower.height))
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height))
    return both

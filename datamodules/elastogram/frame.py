"""A picture from its file as a frame ``(H, W, 3)``, with its B-mode beside it where that is a file of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from datamodules.elastogram.box import Box
from datamodules.errors import InputError
from datamodules.matching import SUFFIXES
from datamodules.readers import fit_channels, read_image

WITH_ALPHA = ("PNG", "TIFF")
SEEN = 0.02  # of full opacity, from which on a pixel of an alpha channel is seen


@dataclass(frozen=True)
class Frame:
    """``pixels`` ``(H, W, 3)`` in [0, 1]; ``spacing`` (row, column) in mm, where the file knows it; ``opacity`` in
    (0, 1) of an overlay that is stored with a translucent alpha channel, so that its colours are pure."""

    pixels: np.ndarray
    spacing: tuple[float, float] | None
    opacity: float | None = None


def read_frame(path: Path) -> Frame:
    """Read a picture whole.

    Raises:
        InputError: it cannot be read.
    """
    picture = read_image(path, crop=False)
    pixels = fit_channels(picture.pixels, 3).astype(np.float32)
    alpha = _alpha(path)
    if alpha is None or (alpha == 1).all():
        return Frame(pixels, picture.spacing)
    seen, colours = alpha > SEEN, _straight(path)
    if not seen.any():
        raise InputError(f"{path}: is transparent everywhere; export it again")
    opacity = float(np.median(alpha[seen]))
    return Frame(np.where(seen[..., None], colours, 0.0), picture.spacing, opacity if opacity < 1 else None)


def _alpha(path: Path) -> np.ndarray | None:
    """``(H, W)`` in [0, 1] of a picture that has such a channel."""
    try:
        with Image.open(path, formats=WITH_ALPHA) as image:
            if not image.has_transparency_data:
                return None
            return np.asarray(image.convert("RGBA"), np.float32)[..., 3] / 255
    except (UnidentifiedImageError, OSError):
        return None


def _straight(path: Path) -> np.ndarray:
    with Image.open(path, formats=WITH_ALPHA) as image:
        return np.asarray(image.convert("RGBA"), np.float32)[..., :3] / 255


def b_mode_of(path: Path, folder: Path) -> Path:
    """The file in ``folder`` of the same name, whatever its ending.

    Raises:
        InputError: there is none, or more than one.
    """
    found = sorted(file for file in folder.glob("*") if file.stem == path.stem and file.suffix.lower() in SUFFIXES)
    if len(found) != 1:
        raise InputError(
            f"{path}: {'no picture' if not found else f'{len(found)} pictures'} of that name in {folder}; "
            "--b-mode-files has one a frame"
        )
    return found[0]


def beside(frame: np.ndarray, b_mode: np.ndarray, overlay: Box, name: str) -> tuple[np.ndarray, Box]:
    """One picture of both, and where in it the B-mode of ``overlay`` lies.

    Raises:
        InputError: the B-mode has the size neither of the picture nor of its overlay.
    """
    height, width = frame.shape[:2]
    both = np.zeros((max(height, len(b_mode)), width + b_mode.shape[1], 3), np.float32)
    both[:height, :width], both[: len(b_mode), width:] = frame, b_mode
    if b_mode.shape == frame.shape:
        return both, overlay.moved(0, width)
    if b_mode.shape[:2] == (overlay.height, overlay.width):
        return both, Box(0, overlay.height, width, width + overlay.width)
    raise InputError(
        f"{name}: its B-mode is {b_mode.shape[0]} x {b_mode.shape[1]}, the picture {height} x {width} and its overlay "
        f"{overlay.height} x {overlay.width}; both files have one size, or --overlay is to be corrected"
    )

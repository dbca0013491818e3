"""What is read from a file, and what a data set makes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.batch import Signal
from datamodules.errors import InputError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, the grey of the JPEG world


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    ``pixels`` is float32 ``(H, W)`` or ``(H, W, 3)``: fractions of full scale in [0, 1] where ``physical`` is false,
    values in physical units where it is true. ``spacing`` is (row, column) distance in mm, where the file knows it;
    ``spacing_fault`` is what it says instead where that cannot be.
    """

    pixels: np.ndarray
    physical: bool = False
    spacing: tuple[float, float] | None = None
    spacing_fault: str = ""


def fit_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """``(H, W)`` or ``(H, W, 3)`` to ``(H, W, channels)``: grey is replicated, colour becomes its luma."""
    if channels == 1:
        grey = pixels if pixels.ndim == 2 else pixels @ LUMA
        return grey[..., None]
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], channels, axis=2)


def to_signed(picture: Picture, signal: Signal) -> np.ndarray:
    """The picture as float32 ``(H, W, C)`` in [-1, 1] on the signal's range; physical values beyond it are clipped."""
    pixels = fit_channels(picture.pixels, signal.channels)
    if picture.physical:
        pixels = (pixels - signal.low) / (signal.high - signal.low)
    return np.clip(2 * pixels - 1, -1, 1).astype(np.float32)


def drop_equal_channels(pixels: np.ndarray) -> np.ndarray:
    """Grey pictures are often stored as colour; keep one channel of those."""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    return pixels


def physical_picture(path: Path, array: np.ndarray) -> Picture:
    """Numbers that are values of the signal's unit, as a picture.

    Raises:
        InputError: values that are no finite float32.
    """
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise InputError(f"{path}: {bad} values are NaN or infinite; replace them and mark them in a 'valid' mask")
    return Picture(array, physical=True)

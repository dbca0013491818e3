"""Whether values are what the task declares: inside its range, and more than a sliver of it."""

from collections.abc import Iterator

import numpy as np

from datamodules.batch import Signal
from datamodules.errors import InputError
from datamodules.readers import Picture

TOLERANCE = 1e-4  # of the range: what rounding may add at its ends
SLIVER = 0.02  # of the range: what a whole set has to use


def seen_range(picture: Picture, signal: Signal, where=...) -> np.ndarray:
    """The least and the largest value ``where`` a mask says, float64 in the signal's unit."""
    pixels = picture.pixels[where]
    ends = np.array([pixels.min(), pixels.max()], np.float64)
    return ends if picture.physical else signal.low + ends * (signal.high - signal.low)


def check_inside(file: str, seen: np.ndarray, signal: Signal, option: str) -> None:
    """Refuse values beyond the declared range, which training would see clipped.

    Raises:
        InputError: with the range that was seen, and the option that states it.
    """
    low, high = seen
    slack = TOLERANCE * (signal.high - signal.low)
    if low < signal.low - slack or high > signal.high + slack:
        raise InputError(
            f"{file}: values from {low:.6g} to {high:.6g}, beyond {_declared(signal)}; state the range by "
            f"{option}.low and {option}.high, or set data.clip to true"
        )


def slivers(name: str, seen: np.ndarray, physical: bool, signal: Signal, option: str) -> Iterator[str]:
    """What is wrong with a set whose ranges are ``seen`` ``(N, 2)``: under ``SLIVER`` of the declared range used.

    The levels of integer files have a full scale of their own, which a set of classes or of 10 bits in 16 uses at its
    dark end only.
    """
    low, high = seen[:, 0].min(), seen[:, 1].max()
    used = (high - low if physical else high - signal.low) / (signal.high - signal.low)
    if used < SLIVER:
        stated = f"{option}.low and {option}.high"
        levels = f"store them over the files' full scale, or as floating-point NPY with {stated}"
        yield (
            f"{name}: all values lie from {low:.6g} to {high:.6g}, under {100 * SLIVER:g} % of {_declared(signal)}; "
            + (f"state the range by {stated}" if physical else levels)
        )


def _declared(signal: Signal) -> str:
    return f"the declared {signal.low:g} to {signal.high:g} {signal.unit}"

"""What of an image a lesion shows in: one number a pixel, on a scale where a contrast is a difference."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

BLUE = 240.0  # degrees of hue: the stiff end of a strain scanner's colours, as red is the soft one
RETURN = 300.0  # from here on hue is nearer to red
COLOURLESS = 0.1  # of full scale between the channels, below which a pixel has no hue
FLOOR = 0.01  # of the full scale: what a modulus is at least, for its logarithm
Kind = Literal["grey", "colour", "physical"]


@dataclass(frozen=True)
class Scale:
    """The signal behind [-1, 1], as :class:`datamodules.batch.Signal` has it.

    - A ``physical`` quantity that is never negative (kPa, m/s) is taken by its logarithm to base 2: a contrast of 1 is
      twice as stiff (or fast) as the tissue around.
    - An image in ``colour`` is taken as a strain image over B-mode, by its hue: 0 is red, 1 is blue, and in between
      yellow, green and cyan. Hue is that of the colour map alone, whatever its opacity and the grey beneath it: grey
      adds alike to all channels. A pixel without colour stands in the middle. The ends of the scale are flat: what
      scanners print in dark blue is 1 as blue is.
    - Anything else is taken as it is, by ``grey`` level: of a B-mode image, which is log-compressed, a difference is
      one in dB, up to the scanner's dynamic range.
    """

    unit: str
    low: float
    high: float

    @property
    def kind(self) -> Kind:
        if self.unit == "RGB":
            return "colour"
        return "grey" if self.unit == "grey level" else "physical"

    @property
    def of_contrast(self) -> str:
        """The unit of a difference, in words."""
        if self.kind == "colour":
            return "of the colour scale, red 0 to blue 1"
        return "grey levels" if self.kind == "grey" else f"octaves of {self.unit}" if self.low >= 0 else self.unit

    def values(self, image: np.ndarray) -> np.ndarray:
        """``(C, H, W)`` in [-1, 1] to float64 ``(H, W)``."""
        unit = (image.astype(np.float64).clip(-1, 1) + 1) / 2
        if self.kind == "colour" and len(unit) == 3:
            return _stiffness_of_colour(unit)
        values = self.low + unit.mean(0) * (self.high - self.low)
        if self.kind == "physical" and self.low >= 0:
            return np.log2(values.clip(FLOOR * self.high))
        return values


def _stiffness_of_colour(image: np.ndarray) -> np.ndarray:
    """``(3, H, W)`` in [0, 1] to ``(H, W)``: 0 red and soft, 1 blue and stiff."""
    from skimage.color import rgb2hsv

    hue = 360 * rgb2hsv(np.moveaxis(image, 0, -1))[..., 0]
    along = np.where(hue > RETURN, 0.0, (hue / BLUE).clip(0, 1))
    return np.where(np.ptp(image, axis=0) < COLOURLESS, 0.5, along)

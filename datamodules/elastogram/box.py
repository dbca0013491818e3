"""A part of a picture: where a panel or a colour bar lies."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a picture, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def of(self, image: np.ndarray) -> np.ndarray:
        return image[self.top : self.bottom, self.left : self.right]

    def moved(self, down: int, right: int) -> "Box":
        return Box(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def __str__(self) -> str:
        return f"{self.top} {self.bottom} {self.left} {self.right}"

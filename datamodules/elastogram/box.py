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

    @property
    def area(self) -> int:
        return self.height * self.width

    def of(self, image: np.ndarray) -> np.ndarray:
        return image[self.top : self.bottom, self.left : self.right]

    def moved(self, down: int, right: int) -> "Box":
        return Box(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def grown(self, by: int) -> "Box":
        return Box(self.top - by, self.bottom + by, self.left - by, self.right + by)

    def within(self, shape: tuple[int, ...]) -> "Box":
        """What of it lies in a picture of that height and width."""
        return Box(max(0, self.top), min(shape[0], self.bottom), max(0, self.left), min(shape[1], self.right))

    def common(self, other: "Box") -> "Box":
        """What both have."""
        return Box(max(self.top, other.top), min(self.bottom, other.bottom),
                   max(self.left, other.left), min(self.right, other.right))  # fmt: skip

    def __str__(self) -> str:
        return f"{self.top} {self.bottom} {self.left} {self.right}"

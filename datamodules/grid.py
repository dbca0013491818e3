"""Resampling onto the pixel grid that the user asks for, in pixels or in millimetres."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Grid:
    """``size`` is (rows, columns). With ``spacing`` in mm a pixel, pictures keep their physical scale: they are
    resampled to it, then cut or padded to ``size``, laterally about the middle and axially from the skin. Without
    it they are stretched to ``size``."""

    size: tuple[int, int]
    spacing: float | None = None

    def resample(
        self, image: np.ndarray, spacing: tuple[float, float] | None, fill: float, nearest: bool = False
    ) -> np.ndarray:
        """Put ``image`` ``(H, W, C)`` on this grid. Shrinking is antialiased; masks are resampled ``nearest``."""
        if self.spacing is None:
            return resize(image, self.size, nearest)
        if spacing is None:
            raise ValueError("a picture of unknown spacing cannot be put on a grid in mm")
        rows = max(1, round(image.shape[0] * spacing[0] / self.spacing))
        columns = max(1, round(image.shape[1] * spacing[1] / self.spacing))
        return _cut_or_pad(resize(image, (rows, columns), nearest), self.size, fill)


def resize(image: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """Stretch ``(H, W, C)`` to ``size``; shrinking is antialiased."""
    if image.shape[:2] == tuple(size):
        return image
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    if nearest:
        resized = F.interpolate(tensor, tuple(size), mode="nearest-exact")
    else:
        resized = F.interpolate(tensor, tuple(size), mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def _cut_or_pad(image: np.ndarray, size: tuple[int, int], fill: float) -> np.ndarray:
    canvas = np.full((*size, image.shape[2]), fill, dtype=np.float32)
    rows = min(size[0], image.shape[0])
    columns = min(size[1], image.shape[1])
    left, into = (image.shape[1] - columns) // 2, (size[1] - columns) // 2
    canvas[:rows, into : into + columns] = image[:rows, left : left + columns]
    return canvas

"""Superpixels of any shape as vectors of one length, without a loop over images or patches.

Labels are ``(B, H, W)``, -1 outside; patch ``p`` of image ``b`` is the pixels with ``labels[b] == p``. Every sampler
returns ``(B, patches, C * length)`` and passes gradients to the image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """Where the pixels of each patch are, in raster order; the same for a real image and its translation.

    ``order`` ``(B, H W)`` lists pixel numbers patch by patch; patch ``p`` of image ``b`` has ``count[b, p]`` of them
    from ``start[b, p]`` on. ``labels`` is as given, flattened.
    """

    labels: Tensor
    order: Tensor
    start: Tensor
    count: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, labels: Tensor, patches: int) -> "Segments":
        """Labels that are no number in [0, patches) belong to no patch."""
        flat = labels.flatten(1)
        flat = torch.where((flat >= 0) & (flat < patches), flat, patches)  # sorts last
        order = flat.argsort(dim=1, stable=True)
        count = flat.new_zeros(len(flat), patches + 1).scatter_add_(1, flat, torch.ones_like(flat))[:, :patches]
        rows, columns = labels.shape[-2:]
        return cls(flat, order, count.cumsum(1) - count, count, (rows, columns))

    @property
    def valid(self) -> Tensor:
        """Bool ``(B, patches)``: has any pixel."""
        return self.count > 0

    def pixels(self, image: Tensor, rank: Tensor) -> Tensor:
        """The ``rank``-th pixels ``(B, patches, length)`` of each patch, as ``(B, C, patches, length)``."""
        batch, channels = image.shape[:2]
        place = (self.start[..., None] + rank).clamp_max(self.order.shape[1] - 1)
        pixel = self.order.gather(1, place.flatten(1))
        values = image.flatten(2).gather(2, pixel[:, None].expand(-1, channels, -1))
        return values.view(batch, channels, *rank.shape[1:])


def sample_line(image: Tensor, segments: Segments, length: int) -> Tensor:
    """The pixels of a patch in raster order as a line, resampled linearly (half-pixel centres) to ``length``."""
    last = (segments.count[..., None] - 1).clamp_min(0)
    centre = (torch.arange(length, device=image.device) + 0.5) / length
    position = (centre * segments.count[..., None] - 0.5).clamp_min(0).minimum(last.float())
    low = position.floor().long()
    weight = (position - low).to(image.dtype)[:, None]
    values = torch.lerp(segments.pixels(image, low), segments.pixels(image, (low + 1).minimum(last)), weight)
    return _as_vectors(values, segments.valid)


def sample_area(image: Tensor, segments: Segments, length: int) -> Tensor:
    """As :func:`sample_line`, but each of the ``length`` values is the mean of its part of the line (adaptive average
    pooling), so that every pixel gets a gradient."""
    count, bins = segments.count[..., None], torch.arange(length, device=image.device)
    first = bins * count // length
    past = ((bins + 1) * count + length - 1) // length
    line = image.flatten(2).gather(2, segments.order[:, None].expand(-1, image.shape[1], -1))
    total = F.pad(line.double().cumsum(2), (1, 0))  # double: differences of sums over the whole image

    def upto(rank: Tensor) -> Tensor:
        place = (segments.start[..., None] + rank).flatten(1)
        return total.gather(2, place[:, None].expand(-1, image.shape[1], -1)).unflatten(2, rank.shape[1:])

    mean = (upto(past) - upto(first)) / (past - first).clamp_min(1)[:, None]
    return _as_vectors(mean.to(image.dtype), segments.valid)


def sample_box(image: Tensor, segments: Segments, length: int) -> Tensor:
    """The bounding box of a patch, black outside the patch, resampled bilinearly to a square of ``length`` pixels."""
    side, (height, width) = math.isqrt(length), segments.size
    top, left, past_row, past_column = _boxes(segments)
    grid = (torch.arange(side, device=image.device) + 0.5) / side
    row = (top[..., None] + grid * (past_row - top)[..., None] - 0.5).clamp(0, height - 1)
    column = (left[..., None] + grid * (past_column - left)[..., None] - 0.5).clamp(0, width - 1)
    own = torch.arange(segments.count.shape[1], device=image.device)[:, None]
    sampled = image.new_zeros(())
    for rows, row_weight in _neighbours(row, height):
        for columns, column_weight in _neighbours(column, width):
            pixel = (rows[..., :, None] * width + columns[..., None, :]).flatten(2)
            inside = segments.labels.gather(1, pixel.flatten(1)).view(pixel.shape) == own
            weight = (row_weight[..., :, None] * column_weight[..., None, :]).flatten(2) * inside
            index = pixel.flatten(1)[:, None].expand(-1, image.shape[1], -1)
            sampled = sampled + image.flatten(2).gather(2, index).unflatten(2, pixel.shape[1:]) * weight[:, None]
    return _as_vectors(sampled, segments.valid)


def _boxes(segments: Segments) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First row and column of each patch and the first ones past it, each ``(B, patches)``; 0 without a pixel."""
    batch, pixels = segments.labels.shape
    number = torch.arange(pixels, device=segments.labels.device).expand(batch, -1)
    edges = []
    for reduce in ("amin", "amax"):
        for place in (number // segments.size[1], number % segments.size[1]):
            edge = place.new_zeros(batch, segments.count.shape[1] + 1)
            edge = edge.scatter_reduce(1, segments.labels, place, reduce, include_self=False)[:, :-1]
            edges.append(edge + 1 if reduce == "amax" else edge)
    top, left, past_row, past_column = edges
    return top, left, past_row, past_column


def _neighbours(position: Tensor, size: int):
    """The two pixels around each position and their weights in linear interpolation."""
    low = position.floor()
    yield low.long(), 1 - (position - low)
    yield (low.long() + 1).clamp_max(size - 1), position - low


def _as_vectors(values: Tensor, valid: Tensor) -> Tensor:
    """``(B, C, patches, length)`` to ``(B, patches, C * length)``; patches without a pixel are zero."""
    return values.permute(0, 2, 1, 3).flatten(2) * valid[..., None]


Sampling = Literal["flat1d", "area", "bbox2d"]
SAMPLERS: dict[str, Callable[[Tensor, Segments, int], Tensor]] = {
    "flat1d": sample_line,
    "area": sample_area,
    "bbox2d": sample_box,
}

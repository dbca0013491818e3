"""Regions of images: the box of a mask, and what lies in a box at one size."""

import torch
from torch import Tensor


def boxes_of(mask: Tensor, least: int) -> Tensor:
    """The smallest box around the true pixels of each mask, at least ``least`` pixels a side.

    A box is enlarged about its centre, moved into the picture where it would leave it, and no larger than that. An
    empty mask has the whole picture.

    Args:
        mask: bool ``(B, 1, H, W)``.

    Returns:
        ``(B, 4)``: left, top, right, bottom, the outer edges of pixels; pixel i lies between i and i + 1.
    """
    left, right = _span(mask[:, 0].any(1), least)
    top, bottom = _span(mask[:, 0].any(2), least)
    return torch.stack([left, top, right, bottom], dim=1)


def _span(occupied: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Start and end of what is true in each row of ``(B, N)``."""
    pixels = occupied.shape[1]
    first = occupied.int().argmax(1)
    end = pixels - occupied.int().flip(1).argmax(1)
    length = (end - first).clamp_min(min(least, pixels))
    start = torch.minimum((first + end - length).clamp_min(0) / 2, pixels - length)
    return start, start + length


def crop(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """What lies in one box of each image, resampled bilinearly: ``(B, C, H, W)`` to float32 ``(B, C, size, size)``.

    That of ``roi_align(image, boxes, size, sampling_ratio=1, aligned=True)`` (He et al., ICCV 2017), as two products of
    matrices: its gradient has the same bits in every run, on a GPU too. In fp32, in which alone places in a picture
    are exact enough.
    """
    left, top, right, bottom = boxes.unbind(1)
    with torch.autocast(image.device.type, enabled=False):
        rows = _interpolation(top, bottom, image.shape[2], size)
        columns = _interpolation(left, right, image.shape[3], size)
        return rows[:, None] @ image.float() @ columns[:, None].mT


def _interpolation(start: Tensor, end: Tensor, pixels: int, size: int) -> Tensor:
    """``(B, size, pixels)``: how much each pixel has of each of ``size`` samples, even from ``start`` to ``end``."""
    samples = torch.arange(size, device=start.device) + 0.5
    places = start[:, None] + samples * ((end - start) / size)[:, None] - 0.5  # a pixel's value is at its centre
    centres = torch.arange(pixels, device=start.device)
    return (1 - (places.clamp(0, pixels - 1)[..., None] - centres).abs()).clamp_min(0)

"""Texture: a few numbers of an image that need no weights, for distances of whole sets."""

import torch
import torch.nn.functional as F
from torch import Tensor

BANDS = 4  # octaves, from the finest
LEAST = 8  # pixels a side that the coarsest level still has, where the image is not smaller from the start
HIGHEST = 0.999  # correlation of which there is a z
SILENCE = 1e-6  # energy of a band that nothing is in: below 8-bit rounding, 1 / 255^2 / 12 = 1.3e-6


@torch.no_grad()
def texture(images: Tensor) -> Tensor:
    """Eight features of each image: ``(B, C, H, W)`` in [0, 1] to ``(B, 8)``; colours are averaged.

    Mean and standard deviation of the grey levels; the logarithm of the energy of each of four Laplacian bands, an
    octave each from the finest (0 in place of those that images of less than 128 pixels a side do not have); the
    correlation of neighbouring pixels along rows and along columns (0 of a constant image) by Fisher's z = artanh r,
    without which the third digit of an r near 1 would outweigh all else.
    """
    image = images.float().mean(1, keepdim=True)
    level, energies = image, []
    for _ in range(BANDS):
        if min(level.shape[-2:]) < 2 * LEAST:
            energies.append(torch.zeros(len(image), device=image.device))
            continue
        coarse = F.avg_pool2d(level, 2)
        smooth = F.interpolate(coarse, level.shape[-2:], mode="bilinear", align_corners=False)
        energies.append((level - smooth).square().mean((1, 2, 3)).add(SILENCE).log())
        level = coarse
    return torch.stack(
        [
            image.mean((1, 2, 3)),
            image.std((1, 2, 3), correction=0),
            *energies,
            _neighbours(image[..., :-1], image[..., 1:]),
            _neighbours(image[..., :-1, :], image[..., 1:, :]),
        ],
        dim=1,
    )


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, of each image's pixels: two of ``(B, C, H, W)`` to ``(B,)``; that of a constant image is 0."""
    a, b = (side.flatten(1) - side.flatten(1).mean(1, keepdim=True) for side in (one, other))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-8)


def _neighbours(one: Tensor, other: Tensor) -> Tensor:
    return correlation(one, other).clamp(-HIGHEST, HIGHEST).atanh()

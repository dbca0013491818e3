"""Images of any size through networks that halve them."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(image: Tensor, multiple: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Repeat the last row and column of ``(B, C, H, W)`` until both sides are multiples; also return the way back."""
    height, width = image.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if not (down or right):
        return image, lambda output: output
    return F.pad(image, (0, right, 0, down), mode="replicate"), lambda output: output[..., :height, :width]

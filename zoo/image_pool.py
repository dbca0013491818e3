"""The pool of earlier translations that a discriminator is also shown (Shrivastava et al. 2017, as in CycleGAN)."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Half of the translations that are asked for come from earlier batches; they are part of a checkpoint.

    Args:
        size: how many are kept; 0 hands every batch on as it is.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.images: list[Tensor] = []

    def query(self, batch: Tensor) -> Tensor:
        """``(B, C, H, W)``: each image of ``batch``, or, once the pool is full and with probability 1/2, an earlier one
        whose place it takes."""
        return torch.stack([self._exchange(image) for image in batch.detach()]) if self.size else batch.detach()

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if torch.rand(()) < 0.5:
            return image
        index = int(torch.randint(self.size, ()))
        earlier, self.images[index] = self.images[index], image
        return earlier

    def get_extra_state(self) -> Tensor:
        return torch.stack(self.images) if self.images else torch.empty(0)

    def set_extra_state(self, state: Tensor) -> None:
        """Raises ValueError if it is no pool of this size."""
        if state.numel() and (state.ndim != 4 or len(state) > self.size):
            raise ValueError(f"a pool of {self.size} images cannot be {tuple(state.shape)}")
        self.images = list(state)

    def _apply(self, fn, recurse: bool = True):
        self.images = [fn(image) for image in self.images]
        return super()._apply(fn, recurse)

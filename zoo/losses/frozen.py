"""Losses in the features of a network that never changes."""

from typing import Any

from torch import nn


class OnFrozenNetwork(nn.Module):
    """The network moves with this module but is not among its weights: a checkpoint need not hold it.

    Args:
        network: any; it is frozen and put into evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._unregistered = (network.eval().requires_grad_(False),)  # in a tuple, where no module looks for modules

    @property
    def network(self) -> Any:  # networks of the package lpips have no types
        return self._unregistered[0]

    def _apply(self, fn, recurse: bool = True):
        self._unregistered[0]._apply(fn)
        return super()._apply(fn, recurse)

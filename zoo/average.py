"""Average: a copy of a network whose weights are the moving average of those it had."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """theta' <- d theta' + (1 - d) theta after every step; called like the network itself.

    It is in the checkpoint, in no optimizer, and gets no gradient. Buffers (statistics of batches, the vectors of
    spectral normalisation) are copied as they are.

    Args:
        network: whose weights it starts from.
        decay: d.
        warm_up: in update n take min(d, (1 + n) / (10 + n)), so that the first weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float, warm_up: bool = False) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay, self.warm_up, self.updates = decay, warm_up, 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.network(*args, **kwargs)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take a step towards the weights that ``network`` has now."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warm_up else self.decay
        slow: list[Tensor] = [*self.network.parameters()]
        fast: list[Tensor] = [*network.parameters()]
        torch._foreach_lerp_(slow, fast, 1 - decay)
        for own, its in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(its)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.updates)

    def set_extra_state(self, state: Tensor) -> None:
        self.updates = int(state)

"""What a cell was trained with: the parameters that an image passes through, updates, and time."""

import time
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

SPENT = "seconds_of_training"  # in a checkpoint


class Stopwatch(pl.Callback):
    """``seconds`` of training, those of the parts of an interrupted one together: up to the checkpoint that it goes on
    from, and from there. Reading data before the first batch does not count, validation in between does."""

    def __init__(self) -> None:
        self.before, self.started = 0.0, 0.0
        self.seconds = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds = self._so_far()

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        checkpoint[SPENT] = self._so_far()

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict) -> None:
        self.before = self.seconds = checkpoint.get(SPENT, 0.0)

    def _so_far(self) -> float:
        return self.before + time.perf_counter() - self.started


def updates(trainer: pl.Trainer, model: pl.LightningModule) -> int:
    """How often the weights were updated; a batch of a GAN counts once, though each side takes a step."""
    return trainer.global_step if model.automatic_optimization else trainer.fit_loop.total_batch_idx + 1


class InUse(pl.Callback):
    """``parameters`` of the model that take part when it is used, seen in the first test batch: the translator's, not
    its discriminator's or what else only training needs."""

    def __init__(self) -> None:
        self.parameters = 0
        self.used: UsedParameters | None = None
        self.seen_one = False  # a batch; a method may well have no parameters at all

    def on_test_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        if self.used is None:
            self.used = UsedParameters()
            self.used.__enter__()

    def on_test_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        if self.used is not None and not self.seen_one:
            self.seen_one = True
            self.used.__exit__(None, None, None)
            self.parameters = self.used.of(pl_module)


class UsedParameters(TorchFunctionMode):
    """Notes every parameter that an operation takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ != "__get__":  # asking for a shape or a device uses nothing
            self.seen |= {id(value) for value in tree_leaves((args, kwargs)) if isinstance(value, nn.Parameter)}
        return func(*args, **(kwargs or {}))

    def of(self, module: nn.Module) -> int:
        """How many of a module's are among them."""
        return sum(own.numel() for own in module.parameters() if id(own) in self.seen)

"""Translator: a method that makes one image of another."""

from abc import abstractmethod

from torch import Tensor

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.method import Method


class Translator(Method):
    """A network that translates: ``forward(source) -> target``, both ``(B, C, H, W)`` in [-1, 1]."""

    needs_pairs = True  # an unpaired method says False

    @abstractmethod
    def forward(self, source: Tensor) -> Tensor: ...

    def infer(self, batch: Batch) -> Tensor:
        return self(batch["source"])

    def prepare_data(self) -> None:
        task = getattr(self.trainer.datamodule, "task", None)
        if self.needs_pairs and task is not None and not task.paired and self.trainer.training:
            raise InputError(
                f"{type(self).__name__} trains on registered pairs, and the task '{task.name}' has none; "
                "choose an unpaired method or another --data.task"
            )

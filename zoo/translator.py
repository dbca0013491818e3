"""Translator: a method that makes one image of another."""

from abc import abstractmethod

from torch import Tensor

from datamodules.batch import Batch
from datamodules.errors import InputError
from zoo.method import Method


class Translator(Method):
    """A network that translates: ``forward(source) -> target``, both ``(B, C, H, W)`` in [-1, 1]."""

    needs_pairs: bool = True  # an unpaired method says False
    without_pairs = "choose an unpaired method or other data"  # the remedy where it needs pairs and there are none

    @abstractmethod
    def forward(self, source: Tensor) -> Tensor: ...

    def infer(self, batch: Batch) -> Tensor:
        return self(batch["source"])

    def prepare_data(self) -> None:
        data = self.trainer.datamodule
        if self.trainer.training and self.needs_pairs and not getattr(data, "pairs", True):
            raise InputError(
                f"{type(self).__name__}, as configured, trains on pairs, and the task '{data.task.name}' "
                f"{'is drawn unpaired' if data.unpaired else 'has none'}; {self.without_pairs}"
            )

"""Translator: a method that makes one image of another."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from datamodules.batch import Batch, Signal
from datamodules.elasticity import converted
from datamodules.errors import InputError
from zoo.duration import PATIENCE_S, warn_if_long
from zoo.method import Method
from zoo.output import Output


class Translator(Method):
    """A network that translates: ``forward(source) -> target``, both ``(B, C, H, W)`` in [-1, 1].

    It remembers on which scale its targets were. Tested on data of another one, its physical values are brought to
    that: kPa of another range, or m/s.
    """

    needs_pairs: bool = True  # an unpaired method says False
    ignores_pairs: bool = False  # whether it has no use for them, so that a target had better be of another patient
    without_pairs = "choose an unpaired method or other data"  # the remedy where it needs pairs and there are none
    confidence: float = 0.0  # weight of a head that says where a translation may be trusted; 0 for none
    spread: bool = False  # whether it also gives by how much its samples of a translation differ

    trained_on: Signal | None = None
    patience_s = PATIENCE_S  # what many passes on a CPU may take without a word

    @classmethod
    def is_unsure(cls, arguments: Mapping[str, Any]) -> bool:
        """Whether a method of these arguments says where it may be wrong, by a confidence or a spread."""
        return cls.spread or bool(arguments.get("confidence", cls.confidence))

    @property
    def evaluations(self) -> int:
        """How many passes of its networks an image needs; the tables print it."""
        return 1

    passes_of_step: int = 3  # which a step of training takes as long as: there and back

    def one_pass(self, source: Tensor) -> Any:
        """One of those passes, to be timed."""
        return self(source)

    @abstractmethod
    def forward(self, source: Tensor) -> Tensor: ...

    def infer(self, batch: Batch) -> Output:
        return Output(translation=self(batch["source"]))

    def prepare_data(self) -> None:
        data = self.data
        if self.trainer.training and self.ignores_pairs and data is not None and data.pairs:
            rank_zero_warn(
                f"{type(self).__name__} makes no use of pairs; data.unpaired true draws both sides independently"
            )
        if self.trainer.training and self.needs_pairs and data is not None and not data.pairs:
            raise InputError(
                f"{type(self).__name__}, as configured, trains on pairs, and the task '{data.task.name}' "
                f"{'is drawn unpaired' if data.unpaired else 'has none'}; {self.without_pairs}"
            )

    def setup(self, stage: str) -> None:
        super().setup(stage)
        if stage == "fit":
            self.trained_on = self._present_target()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.trained_on is not None:
            checkpoint["target"] = asdict(self.trained_on)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if "target" in checkpoint:
            self.trained_on = Signal(**checkpoint["target"])

    def on_train_start(self) -> None:
        super().on_train_start()
        self._batches_to_come: float = self.trainer.estimated_stepping_batches

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self._batches_to_come < math.inf:
            self._foretell("training", batch, self._batches_to_come * self.passes_of_step)
        self._batches_to_come = math.inf  # it is said once

    def on_test_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if batch_idx == 0:
            self._foretell("testing", batch, sum(self.trainer.num_test_batches) * self.evaluations)

    def on_predict_batch_start(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if batch_idx == 0:
            self._foretell("predicting", batch, sum(self.trainer.num_predict_batches) * self.evaluations)

    def _foretell(self, doing: str, batch: Batch, passes: float) -> None:
        """Of what needs many passes, say on a CPU if they take longer than anybody waits."""
        if self.evaluations == 1 or batch["source"].device.type != "cpu":
            return

        def one_pass() -> None:
            with torch.no_grad(), torch.random.fork_rng([]), self.trainer.precision_plugin.forward_context():
                self.one_pass(batch["source"])

        warn_if_long(doing, one_pass, round(passes), self.patience_s)

    def test_step(self, batch: Batch, batch_idx: int) -> Output:
        return self._on_present_scale(self.infer(batch))

    def predict_step(self, batch: Batch, batch_idx: int) -> Output:
        return self._on_present_scale(self.infer(batch))

    def _present_target(self) -> Signal | None:
        return self.data.task.target if self.data is not None else None

    def _on_present_scale(self, output: Output) -> Output:
        own, present = self.trained_on, self._present_target()
        if own is None or present is None or own == present or not own.physical:
            return output
        translation = output["translation"]
        output = output | Output(translation=converted(translation, own, present))
        if "spread" in output:  # to first order
            above, below = (converted(translation + sign * output["spread"], own, present) for sign in (1, -1))
            output["spread"] = (above - below).mean(1, keepdim=True) / 2
        return output

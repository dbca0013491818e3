"""Callbacks that bring a run to a bad end at a known step, from within."""

import os
import signal

import pytorch_lightning as pl
import torch

from datamodules.disk import DiskError


class Signal(pl.Callback):
    """Sends the process a signal before it trains on (tests, predicts) batch ``step`` of all epochs."""

    def __init__(self, number: int = signal.SIGTERM, step: int = 0) -> None:
        self.number, self.step, self.seen = number, step, 0

    def on_train_batch_start(self, *args) -> None:
        self.seen += 1
        if self.seen == self.step + 1:
            os.kill(os.getpid(), self.number)

    on_test_batch_start = on_predict_batch_start = on_train_batch_start


class Poison(pl.Callback):
    """One process sees images that are no numbers."""

    def __init__(self, rank: int = 1) -> None:
        self.rank = rank

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch, batch_idx: int) -> None:
        if trainer.global_rank == self.rank:
            batch["source"].fill_(float("nan"))


class NoRoom(pl.Callback):
    """One process finds the disk full."""

    def on_train_batch_start(self, trainer: pl.Trainer, *args) -> None:
        if trainer.global_rank == 1:
            raise DiskError("/somewhere: the disk is full")


class Overflow(pl.Callback):
    """A weight becomes infinite in the second epoch, after the last loss was looked at."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args) -> None:
        if trainer.current_epoch == 1 and trainer.is_last_batch:
            with torch.no_grad():
                next(iter(pl_module.parameters())).view(-1)[0] = float("inf")

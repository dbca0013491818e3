"""Endings: what every run does when it is told to end, or fails."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from datamodules.endings import end_by_signal
from datamodules.errors import InputError
from zoo.processes import end_children
from zoo.versions import Versions

BAD_INPUT = 2  # exit status


class Endings(Callback):
    """A signal ends the run, see :class:`datamodules.endings.Ended`, and with it the processes that it has started.

    Lightning's own handlers, set just before, do not: one says that SIGTERM has come and goes on, and waits for other
    processes that may not have heard.

    Args:
        versions: what the run has claimed, and gives back where it has written nothing.
    """

    def __init__(self, versions: Versions) -> None:
        self.versions = versions

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        end_by_signal()

    on_validation_start = on_test_start = on_predict_start = on_train_start

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        ended = end_children(trainer.strategy.launcher)
        self.versions.release()
        if BAD_INPUT in ended and InputError.behind(exception) is None:  # all that we see is that nobody answers
            exception.__cause__ = InputError("another process of this run has stopped; its own line says why")
        if isinstance(exception, OSError) and exception.filename is None:  # of a write to an open file
            exception.filename = _written_to(trainer)


def _written_to(trainer: pl.Trainer) -> str:
    """The trainer's ``log_dir`` is a broadcast, and the others may be gone."""
    logger: Any = trainer.logger
    return str(getattr(logger, "log_dir", None) or trainer.default_root_dir)

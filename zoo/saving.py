"""Saving: checkpoints that are whole or not there, from before the first step to after the last epoch."""

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from pytorch_lightning.trainer.states import TrainerFn

from datamodules.disk import DiskError
from datamodules.endings import Ended
from datamodules.writers import write_atomically


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, waits until it is on the disk, and renames it.

    Raises:
        DiskError: there is no room for it, or its folder cannot be written to.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        if "://" in str(path):  # not on this machine's disk
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        file = io.BytesIO()  # torch's own errors on a full disk do not say so
        torch.save(checkpoint, file)
        write_atomically(Path(path), lambda written: written.write(file.getbuffer()), needed=file.tell())


class LastCheckpoint(ModelCheckpoint):
    """``last.ckpt``: before the first step, and after every epoch when its schedules have been stepped; so a run that
    was ended at any time goes on, exactly, from the epoch that it was in.

    ModelCheckpoint's own ``save_last`` writes it only in epochs that are among the best.

    Args:
        dirpath: where to write; by default ``checkpoints`` in the logger's folder.
    """

    def __init__(self, dirpath: Path | None = None) -> None:
        super().__init__(dirpath, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if trainer.ckpt_path is None and not trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by a connector
            trainer.save_checkpoint(self.file)

    @property
    def file(self) -> Path:
        return Path(str(self.dirpath)) / "last.ckpt"

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Tells whoever was told to end, or has found no room, from where to go on."""
        super().on_exception(trainer, pl_module, exception)
        if isinstance(exception, Ended | DiskError) and trainer.state.fn == TrainerFn.FITTING:
            kept = self.file if self.dirpath and self.file.is_file() else trainer.ckpt_path
            exception.checkpoint = str(kept or "")

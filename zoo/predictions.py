"""PredictionWriter: translations as files, by the ids of their sources."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import BasePredictionWriter
from torch import Tensor

from datamodules.batch import GREY, Batch, Task
from datamodules.errors import InputError
from datamodules.grid import resize
from datamodules.tables import csv_text
from datamodules.writers import safe_name, write_image, write_text_atomically
from zoo.method import data_of
from zoo.output import Output, malignancy


class PredictionWriter(BasePredictionWriter):
    """Writes every translation of ``predict`` and, last, ``predictions.csv``: id, file, unit and range of each, and the
    file of its confidence where the method has one. Of a diagnosis, it writes the id and the probability of malignancy.

    Args:
        task: what is translated; the command line takes it from the data.
        format: ``png`` (8 bits a channel), ``tiff`` (16 bits over the target's range) or ``npy`` (float32 in physical
            units). ``auto`` is ``tiff`` where the target is physical and ``png`` elsewhere.
        size: ``grid`` writes images of the data's ``size``, ``input`` brings each back to that of its source's file.
        submission: also write ``submission.csv`` as the USenhance challenge asks: ``image_id, enhanced_image_path``. A
            machine reads it, so ids stand in it letter by letter; our other CSV files keep them from being formulas,
            see :func:`datamodules.tables.csv_text`.
        out_dir: where to write, a new or empty folder; by default ``predictions`` in the logger's folder.
    """

    def __init__(
        self,
        task: Task,
        format: Literal["auto", "png", "tiff", "npy"] = "auto",
        size: Literal["grid", "input"] = "grid",
        submission: bool = False,
        out_dir: Path | None = None,
    ) -> None:
        super().__init__(write_interval="batch")
        self.task, self.size, self.submission, self.out_dir = task, size, submission, out_dir
        self.format = ("tiff" if task.target.physical else "png") if format == "auto" else format
        self.written: list[dict[str, Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "predict":
            return
        log_dir = trainer.log_dir  # a broadcast: asked once, by every process
        self.folder = Path(self.out_dir or Path(log_dir or trainer.default_root_dir) / "predictions")
        if trainer.is_global_zero and self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: exists and is not empty; remove it, or name another --predictions.out_dir"
            )

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.written = []
        self.shapes = self._input_shapes(trainer) if self.size == "input" else {}

    def _input_shapes(self, trainer: pl.Trainer) -> dict[str, tuple[int, int]]:
        data = data_of(trainer)
        if data is None:
            raise InputError("predictions.size 'input': needs a data module, which knows its files' sizes; take 'grid'")
        return data.input_shapes()

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Output,
        batch_indices: Sequence[int] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        if "logits" in prediction:
            probabilities = zip(batch["id"], malignancy(prediction["logits"]), strict=True)
            self.written += [{"id": image_id, "probability": p} for image_id, p in probabilities]
            return
        for index, image_id in enumerate(batch["id"]):
            self.written.append(self._write_images(image_id, prediction, index))

    def _write_images(self, image_id: str, prediction: Output, index: int) -> dict[str, Any]:
        """The translation and, where there is one, its confidence; the row of ``predictions.csv``."""
        signal, file = self.task.target, self._file_name(image_id)
        write_image(self.folder / file, self._pixels(image_id, prediction["translation"][index]), signal)
        row: dict[str, Any] = {
            "id": image_id,
            "file": file,
            "unit": signal.unit,
            "low": signal.low,
            "high": signal.high,
        }
        if "confidence" in prediction:
            row["confidence"] = f"{Path(file).stem}_confidence.png"
            confidence = self._pixels(image_id, prediction["confidence"][index])
            write_image(self.folder / row["confidence"], 2 * confidence - 1, GREY)
        return row

    def _pixels(self, image_id: str, image: Tensor) -> np.ndarray:
        """``(C, H, W)`` as ``(H, W, C)`` of the size that is written."""
        pixels = image.float().cpu().permute(1, 2, 0).numpy()
        return resize(pixels, self.shapes.get(image_id, pixels.shape[:2]))

    def _file_name(self, image_id: str) -> str:
        """The id as a file name; numbered where another id has become the same."""
        name, taken = safe_name(image_id), {row["file"] for row in self.written}
        candidates = (f"{name}{f'_{n}' if n else ''}.{self.format}" for n in range(len(taken) + 1))
        return next(file for file in candidates if file not in taken)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rank = "" if trainer.world_size == 1 else f"_{trainer.global_rank}"
        written = pd.DataFrame(self.written)
        write_text_atomically(self.folder / f"predictions{rank}.csv", csv_text(written))
        if self.submission:
            submitted = written.rename(columns={"id": "image_id", "file": "enhanced_image_path"})
            submitted = submitted[["image_id", "enhanced_image_path"]]
            write_text_atomically(self.folder / f"submission{rank}.csv", submitted.to_csv(index=False))

"""PredictionWriter: translations as files, by the ids of their sources."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import BasePredictionWriter
from torch import Tensor

from datamodules.batch import GREY, Batch, Signal, Task
from datamodules.errors import InputError
from datamodules.grid import resize
from datamodules.tables import csv_text
from datamodules.writers import safe_name, write_image, write_text_atomically
from zoo.method import data_of
from zoo.output import Output, malignancy
from zoo.processes import gathered

CONFIDENCE = "_confidence.png"  # ending of the file that says where a translation may be trusted
SPREAD = "_spread"  # end of the name, before the format, of the file that says how far samples of it differ


class PredictionWriter(BasePredictionWriter):
    """Writes every translation of ``predict`` and, last, ``predictions.csv``: id, file, unit and range of each, and the
    file of its confidence or its spread where the method has one. A confidence is a PNG from 0 to 1; a spread has the
    translation's format and unit, and begins at 0. Of a diagnosis, it writes the id and the probability of malignancy.

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
        data = data_of(trainer)
        if data is None and self.size == "input":
            raise InputError("predictions.size 'input': needs a data module, which knows its files' sizes; take 'grid'")
        if data is None and trainer.world_size > 1:
            raise InputError("predict: several processes need a data module, which knows all ids; give the trainer one")
        self.written = []
        self.shapes = data.input_shapes() if data is not None and self.size == "input" else {}
        self.names = Names(f".{self.format}", self._beside(pl_module))
        for image_id in data.ids() if data is not None else []:  # so that every process gives it the same name
            self.names.of(image_id)

    def _beside(self, method: pl.LightningModule) -> list[str]:
        """Endings of what else is written of an image."""
        confidence, spread = (getattr(method, name, False) for name in ("confidence", "spread"))
        return [CONFIDENCE] * bool(confidence) + [f"{SPREAD}.{self.format}"] * bool(spread)

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
        """The translation and, where there are such, its confidence and its spread; the row of ``predictions.csv``."""
        signal, file = self.task.target, self.names.of(image_id)
        write_image(self.folder / file, self._pixels(image_id, prediction["translation"][index]), signal)
        row: dict[str, Any] = {
            "id": image_id,
            "file": file,
            "unit": signal.unit,
            "low": signal.low,
            "high": signal.high,
        }
        if "confidence" in prediction:
            row["confidence"] = file.removesuffix(self.names.ending) + CONFIDENCE
            confidence = self._pixels(image_id, prediction["confidence"][index])
            write_image(self.folder / row["confidence"], 2 * confidence - 1, GREY)
        if "spread" in prediction:
            row["spread"] = f"{file.removesuffix(self.names.ending)}{SPREAD}.{self.format}"
            spread = self._pixels(image_id, prediction["spread"][index])
            deviation = Signal(1, 0.0, signal.high - signal.low, signal.unit)
            write_image(self.folder / row["spread"], spread - 1, deviation)
        return row

    def _pixels(self, image_id: str, image: Tensor) -> np.ndarray:
        """``(C, H, W)`` as ``(H, W, C)`` of the size that is written."""
        pixels = image.float().cpu().permute(1, 2, 0).numpy()
        return resize(pixels, self.shapes.get(image_id, pixels.shape[:2]))

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows, data = gathered(self.written), data_of(trainer)
        if not trainer.is_global_zero:
            return
        place = {image_id: number for number, image_id in enumerate(data.ids() if data is not None else [])}
        written = pd.DataFrame(sorted(rows, key=lambda row: place.get(row["id"], 0)))
        write_text_atomically(self.folder / "predictions.csv", csv_text(written))
        if self.submission:
            submitted = written.rename(columns={"id": "image_id", "file": "enhanced_image_path"})
            submitted = submitted[["image_id", "enhanced_image_path"]]
            write_text_atomically(self.folder / "submission.csv", submitted.to_csv(index=False))


class Names:
    """File names of ids, each its own: numbered where another id, or what lies beside it, has become the same.

    Args:
        ending: of the file of an id.
        beside: endings of other files that an id may have.
    """

    def __init__(self, ending: str, beside: list[str]) -> None:
        self.ending, self.endings = ending, [ending, *beside]
        self.known: dict[str, str] = {}
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def of(self, image_id: str) -> str:
        """The name that an id has had, or its new one."""
        if image_id not in self.known:
            self.known[image_id] = self._new(safe_name(image_id))
        return self.known[image_id]

    def _new(self, name: str) -> str:
        for number in itertools.count(self.numbers.get(name, 0)):
            stem = f"{name}_{number}" if number else name
            files = {(stem + ending).casefold() for ending in self.endings}  # to some disks A and a are one
            if not files & self.taken:
                break
        self.taken |= files
        self.numbers[name] = number + 1
        return stem + self.ending

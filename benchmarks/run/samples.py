"""The sample pictures of a cell: of the same test images in every cell of a table, so that rows stand side by side."""

from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl

from benchmarks.results import CellFolder
from datamodules.batch import RGB, Batch, Task
from datamodules.ultrasound import UltrasoundDataModule
from datamodules.writers import write_image
from zoo.output import Output
from zoo.pictures import panel

MOST = 100  # images of a test set; of 64 x 64 pixels they take 2 MB


class Samples(pl.Callback):
    """Writes source, target, translation and error (:func:`zoo.pictures.panel`) of some images of the test set of
    ``column`` into the cell's folder; a classifier makes none."""

    def __init__(self, folder: CellFolder, column: str, task: Task) -> None:
        self.folder, self.column, self.task = folder, column, task
        self.chosen: set[str] = set()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        data: UltrasoundDataModule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        splits = data.splits()
        self.chosen = chosen(splits[splits["split"] == data.test_split])

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, *place: int
    ) -> None:
        output: Output = outputs
        if "translation" not in output:
            return
        for index in (index for index, image in enumerate(batch["id"]) if image in self.chosen):
            source, target, made = (
                images[index].float() for images in (batch["source"], batch["target"], output["translation"])
            )
            picture = panel(self.task, source, target, made, batch["valid"][index])
            write_image(self.folder.sample(batch["id"][index], self.column), picture / np.float32(127.5) - 1, RGB)


def chosen(images: pd.DataFrame, most: int = MOST) -> set[str]:
    """The ids of at most ``most`` images, of every class, organ and device in its proportion; ``images`` has these
    columns, and the same images give the same choice in whatever order they come."""
    ordered = images.astype(str).sort_values(["label", "organ", "device", "id"])["id"].to_numpy()
    places = np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)
    return set(ordered[places])

"""The radiomics features of a cell's test images, as measured and as translated: ``features.csv.gz``."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from torch import Tensor

from benchmarks.analyses.radiomics.extraction import Region, Settings, extract
from benchmarks.analyses.radiomics.regions import lesion_dice, parts
from datamodules.batch import Batch
from datamodules.ultrasound import UltrasoundDataModule
from datamodules.writers import write_atomically

FILE = "features.csv.gz"
FACTS = ("id", "patient", "device", "label", "outcome")
WHOLE = "image"  # the region that is no part of a mask


class FeatureKeeper(pl.Callback):
    """Keeps the images of a test, as an 8-bit file of them would be, and measures them afterwards."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []

    def on_test_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx, dataloader_idx=0) -> None:
        for index, image_id in enumerate(batch["id"]):
            image = {
                name: _levels(tensor[index])
                for name, tensor in (("source", batch["source"]), ("target", batch["target"]), ("made", outputs))
            }
            lesion = (
                batch["lesion"][index, 0].cpu().numpy() if "lesion" in batch else np.zeros_like(image["source"], bool)
            )
            self.images.append(image | {"id": image_id, "lesion": lesion})

    def dice(self) -> dict[str, float]:
        """Overlap of the lesion before and after translation, by id."""
        return {image["id"]: lesion_dice(image["source"], image["made"], image["lesion"]) for image in self.images}

    def features(self, data: UltrasoundDataModule, settings: Settings) -> pd.DataFrame:
        """A row a region and image: ``of`` is the source, what was ``made`` of it, or the target.

        Regions are the parts of the lesion's mask, and the whole image. Where pairs exist, the target is measured on
        the source's regions too.
        """
        regions, facts = [], []
        for image in self.images:
            masks = {f"part {n}": part for n, part in enumerate(parts(image["lesion"]))}
            whole = np.ones_like(image["lesion"])
            for of in ("source", "made", "target"):
                own = masks if of != "target" or data.task.paired else {}
                for name, mask in (own | {WHOLE: whole}).items():
                    regions.append(Region(f"{image['id']} {of} {name}", image[of], mask))
                    facts.append({"id": image["id"], "region": name, "of": of})
        table = pd.concat([pd.DataFrame(facts), extract(regions, settings, jobs=1).reset_index(drop=True)], axis=1)
        known = data.rows[[name for name in FACTS if name in data.rows]]
        return known.merge(table, on="id", how="right")


def _levels(image: Tensor) -> np.ndarray:
    """One channel in [-1, 1] as grey levels from 0 to 255."""
    return ((image[0].float().clamp(-1, 1) + 1) * 127.5).round().cpu().numpy()


def write_features(folder: Path, parts_of_columns: list[pd.DataFrame]) -> None:
    table = pd.concat(parts_of_columns, ignore_index=True)
    write_atomically(
        folder / FILE, lambda file: table.to_csv(file, index=False, compression={"method": "gzip", "mtime": 1})
    )

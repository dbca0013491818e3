"""The radiomics features of a cell's test images, as measured and as translated: ``features.csv.gz``."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Measurement, Scores
from benchmarks.analyses.radiomics.extraction import Region, Settings, extract
from benchmarks.analyses.radiomics.regions import lesion_dice, parts
from benchmarks.results import CellFolder, Metric

if TYPE_CHECKING:
    from torch import Tensor

    from datamodules.batch import Batch
    from datamodules.ultrasound import UltrasoundDataModule
    from zoo.method import Method
    from zoo.output import Output

FILE = "features.csv.gz"
FACTS = ("id", "patient", "device", "label", "outcome")
WHOLE = "image"  # the region that is no part of a mask
PART, TARGET_PART = "part", "target's part"  # of a lesion's mask; the latter's is another patient's, no pair
LESION, TARGET_LESION = f"{PART} 0", f"{TARGET_PART} 0"
DICE = Metric("Dice", compares="source", digits=3)  # of the lesion before and after translation


class RadiomicsMeasurement(Measurement):
    """Keeps the images of a column, as an 8-bit file of them would be, and measures them once it is tested."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.images: list[dict[str, Any]] = []
        self.features: list[pd.DataFrame] = []

    def take(self, column: str, method: "Method", batch: "Batch", output: "Output") -> None:
        sides = (("source", batch["source"]), ("target", batch["target"]), ("made", output["translation"]))
        for index, image_id in enumerate(batch["id"]):
            image = {name: _levels(tensor[index]) for name, tensor in sides}
            none = np.zeros_like(image["source"], bool)
            masks = {"lesion": batch.get("lesion"), "target_lesion": batch.get("target_lesion")}
            image |= {name: none if mask is None else mask[index, 0].cpu().numpy() for name, mask in masks.items()}
            self.images.append(image | {"id": image_id})

    def finish(self, column: str, data: "UltrasoundDataModule") -> Scores:
        table = measure(self.images, data, self.settings)
        self.features.append(table.assign(column=column, bin_width=self.settings.bin_width))
        dice = {image["id"]: lesion_dice(image["source"], image["made"], image["lesion"]) for image in self.images}
        self.images = []
        return {DICE.name: dice}

    def write(self, folder: CellFolder) -> None:
        table = pd.concat(self.features, ignore_index=True)
        folder.write_table(FILE, table)


def measure(images: list[dict[str, Any]], data: "UltrasoundDataModule", settings: Settings) -> pd.DataFrame:
    """A row a region and image: ``of`` is the source, what was ``made`` of it, or the target.

    Regions are the parts of the lesion's mask, and the whole image. Where pairs exist, the target is measured on the
    source's regions; where it is another patient, on its own lesion, if that is known.
    """
    paired = data.task.paired or data.task.test_references is not None
    regions, facts = [], []
    for image in images:
        for of in ("source", "made", "target"):
            for name, mask in _masks(image, of == "target" and not paired).items():
                regions.append(Region(f"{image['id']} {of} {name}", image[of], mask))
                facts.append({"id": image["id"], "region": name, "of": of})
    features = extract(regions, settings, jobs=1).reset_index(drop=True)
    table = pd.concat([pd.DataFrame(facts), features], axis=1)
    rows = data.dataset("test").rows
    known = rows[[name for name in FACTS if name in rows]]
    return known.merge(table, on="id", how="right")


def _masks(image: dict[str, Any], of_another: bool) -> dict[str, np.ndarray]:
    """The regions by name; those of another patient under names that pair with none."""
    mask, name = (image["target_lesion"], TARGET_PART) if of_another else (image["lesion"], PART)
    return {f"{name} {number}": part for number, part in enumerate(parts(mask))} | {WHOLE: np.ones_like(mask)}


def _levels(image: "Tensor") -> np.ndarray:
    """One channel in [-1, 1] as grey levels from 0 to 255."""
    return ((image[0].float().clamp(-1, 1) + 1) * 127.5).round().cpu().numpy()

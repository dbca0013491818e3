"""The lesions of a cell's test images, in the translations and in the targets: ``faithfulness.csv.gz``."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Measurement
from benchmarks.analyses.faithfulness.calibration import calibrate_on, is_valid, outside
from benchmarks.analyses.faithfulness.detector import Detector, finds
from benchmarks.analyses.faithfulness.look import Speckle, contrast, gcnr, speckle, speckle_distance, surroundings
from benchmarks.analyses.faithfulness.scale import Scale
from benchmarks.analyses.radiomics.regions import parts
from benchmarks.results import CellFolder
from datamodules.manifest import CLASSES

if TYPE_CHECKING:
    from torch import Tensor

    from datamodules.batch import Batch
    from datamodules.ultrasound import UltrasoundDataModule
    from zoo.method import Method
    from zoo.output import Output

FILE = "faithfulness.csv.gz"
MADE, TARGET = "made", "target"  # of which image a row is
WHOLE = "image"  # the region of a row that is of no single lesion
LESION, OTHERS = "lesion", "target's lesion"  # the latter is another patient's, so that none is a pair
COLUMNS = [
    *("column", "id", "patient", "label", "of", "region", "scale", "unit"),
    *("calibrated", "smoothing", "threshold", "direction"),
    *("found", "dice", "contrast", "gcnr"),  # of a lesion
    *("invented", "speckle_snr", "speckle_distance"),  # of an image
]
Row = dict[str, Any]


class FaithfulnessMeasurement(Measurement):
    """Looks at every test image of some columns, or of all where none is named, as it is tested."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self.examiners: dict[str, Examiner] = {}
        self.rows: list[Row] = []

    def take(self, column: str, method: "Method", batch: "Batch", output: "Output") -> None:
        if self.columns and column not in self.columns:
            return
        if column not in self.examiners:
            self.examiners[column] = Examiner.of(method.needed_data())  # type: ignore[arg-type]  # benchmarks run on no other
        examiner = self.examiners[column]
        for index, image_id in enumerate(batch["id"]):
            facts = {"column": column, "id": image_id, "patient": batch["patient"][index]}
            facts |= {"label": CLASSES[int(batch["label"][index])] if "label" in batch else ""}
            made, target = (_array(images[index]) for images in (output["translation"], batch["target"]))
            valid = batch["valid"][index, 0].cpu().numpy()
            lesion, target_lesion = (_mask(own, index) for own in (batch.get("lesion"), batch.get("target_lesion")))
            rows = examiner.examine(made, target, valid, lesion, target_lesion)
            self.rows += [facts | row for row in rows]

    def write(self, folder: CellFolder) -> None:
        if self.rows:
            folder.write_table(FILE, pd.DataFrame(self.rows, columns=COLUMNS))


def _array(image: "Tensor") -> np.ndarray:
    return image.float().cpu().numpy()


def _mask(masks: "Tensor | None", index: int) -> np.ndarray | None:
    return None if masks is None else masks[index, 0].cpu().numpy()


@dataclass(frozen=True)
class Seen:
    """What is seen of one image: its values, the regions that the detector finds, the lesions that can be judged."""

    values: np.ndarray
    valid: np.ndarray
    regions: list[np.ndarray]
    lesions: list[np.ndarray]

    @property
    def outside(self) -> list[np.ndarray]:
        """The regions that touch no lesion."""
        return [region for region in self.regions if outside(region, self.lesions)]


@dataclass(frozen=True)
class Examiner:
    """Looks at translations and targets in the very same way.

    Args:
        scale: of both.
        detector: None where no lesion is marked.
        calibrated: the split that its targets are of.
        paired: whether a target shows the same tissue as the source; otherwise it has a lesion of its own.
    """

    scale: Scale
    detector: Detector | None
    calibrated: str
    paired: bool

    @classmethod
    def of(cls, data: "UltrasoundDataModule") -> "Examiner":
        signal = data.task.target
        scale = Scale(signal.unit, signal.low, signal.high)
        detector, split = calibrate_on(data, scale)
        return cls(scale, detector, split, data.task.paired or data.task.test_references is not None)

    def examine(
        self,
        made: np.ndarray,
        target: np.ndarray,
        valid: np.ndarray,
        lesion: np.ndarray | None,
        target_lesion: np.ndarray | None,
    ) -> Iterator[Row]:
        """The rows of an image: of the translation ``made`` ``(C, H, W)`` in [-1, 1] and of the target, each of the
        whole image and of every lesion. Masks are bool ``(H, W)``."""
        seen = {
            MADE: self._see(made, valid, lesion),
            TARGET: self._see(target, valid, lesion if self.paired else target_lesion),
        }
        textures = {of: self._speckle(own) for of, own in seen.items()}
        known = [*seen[TARGET].regions] if self.paired else []
        for of, own in seen.items():
            facts = {"of": of, "scale": self.scale.kind, "unit": self.scale.of_contrast} | self._detected()
            new = [region for region in own.outside if of == TARGET or outside(region, known)]
            distance = speckle_distance(textures[MADE], textures[TARGET]) if of == MADE else float("nan")
            yield facts | {
                "region": WHOLE,
                "invented": len(new),
                "speckle_snr": textures[of].snr,
                "speckle_distance": distance,
            }
            name = OTHERS if of == TARGET and not self.paired else LESION
            yield from (facts | row for row in self._of_lesions(own, name))

    def _see(self, image: np.ndarray, valid: np.ndarray, lesion: np.ndarray | None) -> Seen:
        values = self.scale.values(image)
        regions = self.detector.find(values, valid) if self.detector is not None else []
        lesions = parts(lesion) if lesion is not None else []
        return Seen(values, valid, regions, lesions)

    def _detected(self) -> Row:
        return {"calibrated": self.calibrated} | (asdict(self.detector) if self.detector is not None else {})

    def _of_lesions(self, seen: Seen, name: str) -> Iterator[Row]:
        """A row a lesion that can be judged; its region is its ``name`` and number."""
        everywhere = np.any([*seen.lesions, np.zeros_like(seen.valid)], axis=0)
        for number, lesion in enumerate(seen.lesions):
            if not is_valid(lesion, seen.valid):
                continue
            inside = seen.values[lesion & seen.valid]
            around = seen.values[surroundings(lesion) & ~everywhere & seen.valid]
            found = [region for region in seen.regions if finds(region, lesion)]
            grey = self.scale.kind == "grey"
            yield {
                "region": f"{name} {number}",
                "found": int(bool(found)),
                "dice": _dice(found, lesion),
                "contrast": contrast(inside, around),
                "gcnr": gcnr(inside, around) if grey else float("nan"),
            }

    def _speckle(self, seen: Seen) -> Speckle:
        """Of what is valid beside the lesions; of nothing where the image is none of grey levels."""
        beside = seen.valid & ~np.any([*seen.lesions, np.zeros_like(seen.valid)], axis=0)
        return speckle(seen.values, beside if self.scale.kind == "grey" else np.zeros_like(beside))


def _dice(regions: list[np.ndarray], lesion: np.ndarray) -> float:
    """Of what has found a lesion, with its mask: 2 |A and B| / (|A| + |B|); 0 where nothing has."""
    together = np.any([*regions, np.zeros_like(lesion)], axis=0)
    return float(2 * (together & lesion).sum() / (together.sum() + lesion.sum()))

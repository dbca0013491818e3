"""What a translator says of its own certainty, against its errors: scores of each image, and ``reliability.csv.gz``."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Measurement, Scores
from benchmarks.analyses.reliability.sparsification import ause, deviations, ence, rank_correlation, sparsification
from benchmarks.results import CellFolder, Metric

if TYPE_CHECKING:
    from torch import Tensor

    from datamodules.batch import Batch
    from datamodules.ultrasound import UltrasoundDataModule
    from zoo.method import Method
    from zoo.output import Output

FILE = "reliability.csv.gz"
POINTS = 20  # of a curve that are kept, at equal parts of the pixels
AUSE = Metric("AUSE", higher_is_better=False, digits=3)
CHANCE = Metric("AUSE by chance", higher_is_better=None, digits=3)
RANKS = Metric("rank correlation", digits=3)
ENCE = Metric("ENCE", higher_is_better=False, digits=3)
MEASURED = (AUSE, CHANCE, RANKS, ENCE)


class ReliabilityMeasurement(Measurement):
    """Of every image that has a target and an uncertainty: the spread, or, without one, 1 - confidence.

    Over valid pixels. The error is the mean over channels of the absolute error; for the spread's calibration the root
    of the mean square, as the spread itself.
    """

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []  # of the column that is tested
        self.kept: list[pd.DataFrame] = []

    def take(self, column: str, method: "Method", batch: "Batch", output: "Output") -> None:
        kind = "spread" if "spread" in output else "confidence"
        claimed = output.get("spread", output.get("confidence"))
        if claimed is None or "target" not in batch:
            return
        differences = output["translation"].float() - batch["target"].float()
        absolute, square = differences.abs().mean(1), differences.square().mean(1).sqrt()
        for index, valid in enumerate(batch["valid"][:, 0]):
            error, deviation, own = (_array(image[index][valid]) for image in (absolute, square, claimed[:, 0]))
            self.images.append({"id": batch["id"][index], "says": kind} | _measured(error, deviation, own, kind))

    def finish(self, column: str, data: "UltrasoundDataModule") -> Scores:
        images, self.images = self.images, []
        task = data.task
        if not images or "target" not in (task.test_references or task.references):
            return {}
        table = pd.DataFrame(images)
        of_unit = table.filter(regex="^(spread|error) ").columns
        table[of_unit] *= (task.target.high - task.target.low) / 2  # from [-1, 1]
        scored = [metric.name for metric in MEASURED if metric.name in table]
        self.kept.append(table.drop(columns=scored).assign(column=column))
        return {name: dict(zip(table["id"], table[name], strict=True)) for name in scored}

    def write(self, folder: CellFolder) -> None:
        """A row an image: ``left n`` and ``oracle n``, the error that is left of 1 once n / 20 of the pixels are taken
        away; of a spread also ``spread n`` and ``error n``, root mean squares of the n-th tenth of the pixels, in the
        unit of the target."""
        if self.kept:
            folder.write_table(FILE, pd.concat(self.kept, ignore_index=True))


def _measured(error: np.ndarray, deviation: np.ndarray, claimed: np.ndarray, kind: str) -> dict[str, float]:
    """Scores and curves of one image's pixels, by their absolute error and, for a spread, the root of its mean square;
    nothing (NaN) where it has no error, or no pixel, or what is no number."""
    if not np.isfinite([error, deviation, claimed]).all() or not error.any():
        return {}
    uncertainty = claimed if kind == "spread" else 1 - claimed
    curve, oracle = sparsification(error, uncertainty), sparsification(error, error)
    found = {
        AUSE.name: ause(curve, oracle),
        CHANCE.name: ause(np.ones_like(oracle), oracle),
        RANKS.name: rank_correlation(error, uncertainty),
    }
    places = np.arange(POINTS) * len(curve) // POINTS
    found |= _numbered("left", curve[places]) | _numbered("oracle", oracle[places])
    if kind == "spread":
        of_spread, of_error = deviations(deviation, claimed)
        found[ENCE.name] = ence(of_spread, of_error)
        found |= _numbered("spread", of_spread) | _numbered("error", of_error)
    return found


def _numbered(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name} {number}": float(value) for number, value in enumerate(values)}


def _array(pixels: "Tensor") -> np.ndarray:
    return pixels.double().cpu().numpy()

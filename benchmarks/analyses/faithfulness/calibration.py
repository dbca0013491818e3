"""The detector of the best F1 on real targets with their masks: of training patients, where they have lesions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.analyses.faithfulness.detector import Detector, Grid, compact, finds
from benchmarks.analyses.faithfulness.scale import Scale
from benchmarks.analyses.radiomics.regions import parts
from datamodules.errors import InputError

if TYPE_CHECKING:
    from datamodules.ultrasound import UltrasoundDataModule

MOST = 100  # targets
SMOOTHING = (0.03, 0.045, 0.06)  # to choose from, and likewise
QUANTILES = 1 - np.geomspace(0.002, 0.4, 20)  # of the sizes of all responses, which the thresholds are


@dataclass(frozen=True)
class Sample:
    """A real target: ``values`` float64 ``(H, W)``, ``valid`` and ``lesion`` bool ``(H, W)``."""

    values: np.ndarray
    valid: np.ndarray
    lesion: np.ndarray


def calibrate_on(data: "UltrasoundDataModule", scale: Scale) -> tuple[Detector | None, str]:
    """The detector, and of which split the targets are: the first that has a lesion of training, validation and, for
    want of others, test. None where no lesion is marked anywhere."""
    for split in dict.fromkeys(("train", "val", data.test_split)):
        detector = calibrate([*_samples(data, split, scale)])
        if detector is not None:
            return detector, split
    return None, ""


def _samples(data: "UltrasoundDataModule", split: str, scale: Scale) -> Iterator[Sample]:
    """At most :data:`MOST` targets of a split, as they are, evenly chosen; each with its own lesion."""
    try:
        dataset = data.dataset(split)
    except InputError:  # too few patients for one of its sides
        return
    dataset.augment, dataset.shuffle = None, False
    count = len(dataset) if dataset.targets is None else min(len(dataset), len(dataset.targets))
    for index in np.unique(np.linspace(0, count - 1, min(MOST, count)).round().astype(int)):
        sample = dataset[int(index)]
        lesion = sample.get("target_lesion", sample.get("lesion") if data.task.paired else None)
        if lesion is not None:
            yield Sample(scale.values(sample["target"].numpy()), sample["valid"][0].numpy(), lesion[0].numpy())


def calibrate(samples: list[Sample]) -> Detector | None:
    """The detector of the best F1 on these targets: a lesion found is a hit, a region outside all lesions a false
    alarm. Of equal ones that of the least smoothing and the highest threshold. None where no lesion is marked."""
    grids = [Grid.of(sample.values, sample.valid) for sample in samples]
    lesions = [_lesions_on(grid, sample) for grid, sample in zip(grids, samples, strict=True)]
    if not any(lesions):
        return None
    best, detector = -1.0, None
    for smoothing in SMOOTHING:
        responses = [grid.response(smoothing) for grid in grids]
        thresholds = np.quantile(np.abs(np.concatenate([response.ravel() for response in responses])), QUANTILES)
        for direction, threshold in product((1, -1), thresholds):
            beyond = (direction * response > threshold for response in responses)
            score = _f1([compact(mask) for mask in beyond], lesions)
            if score > best:
                best, detector = score, Detector(smoothing, float(threshold), direction)
    return detector


def _lesions_on(grid: Grid, sample: Sample) -> list[np.ndarray]:
    """The lesions that can be judged, on the detector's grid."""
    return [part for part in parts(grid.mask(sample.lesion)) if is_valid(part, grid.weight > 0)]


def is_valid(lesion: np.ndarray, valid: np.ndarray) -> bool:
    """Whether the target may be trusted in most of a lesion: no shear wave runs in a cyst."""
    return 2 * int((lesion & valid).sum()) >= int(lesion.sum())


def _f1(found: list[list[np.ndarray]], lesions: list[list[np.ndarray]]) -> float:
    """Of the regions found in each image, beside its lesions."""
    images = list(zip(found, lesions, strict=True))
    hits = sum(any(finds(region, lesion) for region in regions) for regions, own in images for lesion in own)
    missed = sum(map(len, lesions)) - hits
    false = sum(outside(region, own) for regions, own in images for region in regions)
    return 2 * hits / (2 * hits + missed + false)


def outside(region: np.ndarray, lesions: list[np.ndarray]) -> bool:
    """Whether a region touches none of them."""
    return not any((region & lesion).any() for lesion in lesions)

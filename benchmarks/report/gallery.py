"""The gallery of a table: the same test images as every row made them, side by side."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image

from benchmarks.plan import PlannedTable
from benchmarks.reading import damaged, say_left_out
from benchmarks.results import CellFolder, Results
from benchmarks.tables.notes import PICTURES

ROWS = 4
ERROR = "{}: error, 0 to 100 %"
Sample = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # source, target, translation, error


@dataclass(frozen=True)
class Gallery:
    """``picture`` is uint8 ``(H, W, 3)``; ``columns`` are the names of what stands side by side in it."""

    picture: np.ndarray
    columns: list[str]


def make_gallery(results: Results, table: PlannedTable) -> Gallery | None:
    """The first test images of the first run, as many of every column of the table: source, target, then each row's
    translation, and of a physical quantity its error. None for a sweep, and where there are no samples. An image that
    is damaged in one row is left out of all, and said to be."""
    if table.grid:
        return None
    paths: dict[str, list[Path]] = {}
    physical: dict[str, bool] = {}
    for cell, folder in results.finished(table.key):
        if cell.row not in paths and (own := _paths(folder, table.columns or [""])):
            paths[cell.row] = own
            physical[cell.row] = folder.data["unit"] not in PICTURES
    if not paths:
        return None
    most = max(map(len, paths.values()))  # a row may have been tested on some of the columns
    paths = {row: paths[row] for row in table.rows if len(paths.get(row, ())) == most}
    images = [image for image in zip(*map(_read, paths.values()), strict=True) if _are_alike(image)]
    if not images:
        return None
    shown = dict(zip(paths, map(list, zip(*images, strict=True)), strict=True))
    *_, last = shown.values()
    columns = {"source": [sample[0] for sample in last], "target": [sample[1] for sample in last]}
    for row, samples in shown.items():
        columns[row] = [sample[2] for sample in samples]
        if physical[row]:
            columns[ERROR.format(row)] = [sample[3] for sample in samples]
    width = last[0][0].shape[1]
    pictures = [np.concatenate([_of_width(image, width) for image in column]) for column in columns.values()]
    return Gallery(np.concatenate(pictures, axis=1), list(columns))


def _paths(folder: CellFolder, tested: list[str]) -> list[Path]:
    """A few of each column that was tested on, in their order."""
    most = -(-ROWS // len(tested))
    return [*chain.from_iterable(sorted(folder.samples(column).glob("*.png"))[:most] for column in tested)]


def _read(paths: list[Path]) -> list[Sample | None]:
    """The pictures of each sample (see :func:`zoo.pictures.panel`), None where they cannot be read."""
    samples: list[Sample | None] = []
    for path in paths:
        try:
            source, target, made, error = np.split(np.asarray(Image.open(path).convert("RGB")), 4, axis=1)
            samples.append((source, target, made, error))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            say_left_out(damaged(path, error))
            samples.append(None)
    return samples


def _are_alike(image: tuple[Sample | None, ...]) -> TypeGuard[tuple[Sample, ...]]:
    """Whether every row has the image, of one shape, though its size may be another."""
    return None not in image and len({round(_ratio(sample), 3) for sample in image if sample is not None}) == 1


def _ratio(sample: Sample) -> float:
    return sample[0].shape[0] / sample[0].shape[1]


def _of_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return picture if picture.shape[1] == width else np.asarray(Image.fromarray(picture).resize((width, height)))

"""The gallery of a table: the same test images as every row made them, side by side."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.plan import PlannedTable
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
    translation, and of a physical quantity its error. None for a sweep, and where there are no samples."""
    if table.grid:
        return None
    rows: dict[str, list[Sample]] = {}
    physical: dict[str, bool] = {}
    for cell, folder in results.finished(table.key):
        if cell.row not in rows and (samples := _samples(folder, table.columns or [""])):
            rows[cell.row] = samples
            physical[cell.row] = folder.data["unit"] not in PICTURES
    if not rows:
        return None
    most = max(len(samples) for samples in rows.values())  # a row may have been tested on some of the columns
    shown = {row: rows[row] for row in table.rows if row in rows and len(rows[row]) == most}
    *_, last = shown.values()
    columns = {"source": [sample[0] for sample in last], "target": [sample[1] for sample in last]}
    for row, samples in shown.items():
        columns[row] = [sample[2] for sample in samples]
        if physical[row]:
            columns[ERROR.format(row)] = [sample[3] for sample in samples]
    width = last[0][0].shape[1]
    pictures = [np.concatenate([_of_width(image, width) for image in column]) for column in columns.values()]
    return Gallery(np.concatenate(pictures, axis=1), list(columns))


def _samples(folder: CellFolder, tested: list[str]) -> list[Sample]:
    """A few of each column that was tested on, in their order."""
    most = -(-ROWS // len(tested))
    paths = chain.from_iterable(sorted(folder.samples(column).glob("*.png"))[:most] for column in tested)
    return [_four(path) for path in paths]


def _four(path: Path) -> Sample:
    """The pictures of a sample (see :func:`zoo.pictures.panel`)."""
    source, target, made, error = np.split(np.asarray(Image.open(path)), 4, axis=1)
    return source, target, made, error


def _of_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return picture if picture.shape[1] == width else np.asarray(Image.fromarray(picture).resize((width, height)))

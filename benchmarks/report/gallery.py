"""The gallery of a table: the same test images as every row made them, side by side."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image

from benchmarks.plan import PlannedTable
from benchmarks.report.samples import Sample, read_sample
from benchmarks.results import CellFolder, Results
from benchmarks.tables.notes import PICTURES

ROWS = 4
ERROR = "{}: error, 0 to 100 %"
Place = tuple[str, str]  # column and file
Paths = dict[Place, Path]


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
    paths: dict[str, Paths] = {}
    physical: dict[str, bool] = {}
    tested = table.columns or [""]
    for cell, folder in results.finished(table.key):
        if cell.row not in paths and (own := _paths(folder, tested)):
            paths[cell.row] = own
            physical[cell.row] = folder.data["unit"] not in PICTURES
    if not paths:
        return None
    most = max(map(_columns_of, paths.values()))  # a row may have been tested on some of the columns
    paths = {row: paths[row] for row in table.rows if _columns_of(paths.get(row, {})) == most}
    places = _shared(list(paths.values()), tested)
    read = [[read_sample(own[place]) for place in places] for own in paths.values()]
    images = [image for image in zip(*read, strict=True) if _are_alike(image)]
    if not images:
        return None
    shown = dict(zip(paths, map(list, zip(*images, strict=True)), strict=True))
    *_, last = shown.values()
    columns = {"source": [sample.source for sample in last], "target": [sample.target for sample in last]}
    for row, samples in shown.items():
        columns[row] = [sample.translation for sample in samples]
        if physical[row]:
            columns[ERROR.format(row)] = [sample.error for sample in samples]
    width = last[0].source.shape[1]
    pictures = [np.concatenate([_of_width(image, width) for image in column]) for column in columns.values()]
    return Gallery(np.concatenate(pictures, axis=1), list(columns))


def _paths(folder: CellFolder, tested: list[str]) -> Paths:
    return {(column, path.name): path for column in tested for path in sorted(folder.samples(column).glob("*.png"))}


def _columns_of(paths: Paths) -> int:
    return len({column for column, _ in paths})


def _shared(paths: list[Paths], tested: list[str]) -> list[Place]:
    """A few places of each column that was tested on, in their order, of those that all rows have."""
    most = -(-ROWS // len(tested))
    shared = [place for place in paths[0] if all(place in own for own in paths)]
    return [*chain.from_iterable([place for place in shared if place[0] == column][:most] for column in tested)]


def _are_alike(image: tuple[Sample | None, ...]) -> TypeGuard[tuple[Sample, ...]]:
    """Whether every row has the image, of one shape, though its size may be another."""
    return None not in image and len({sample.ratio for sample in image if sample is not None}) == 1


def _of_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return picture if picture.shape[1] == width else np.asarray(Image.fromarray(picture).resize((width, height)))

"""The sample pictures of cells as they are read, and which cell has that of which image."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.plan import PlannedCell, PlannedTable
from benchmarks.reading import damaged, say_left_out
from benchmarks.results import CellFolder, Results


class Sample(NamedTuple):
    """The four pictures of :func:`zoo.pictures.panel`, each uint8 ``(H, W, 3)``."""

    source: np.ndarray
    target: np.ndarray
    translation: np.ndarray
    error: np.ndarray

    @property
    def ratio(self) -> float:
        """Height over width, by which pictures of different sizes are told to show the same."""
        return round(self.source.shape[0] / self.source.shape[1], 3)


def read_sample(path: Path) -> Sample | None:
    """None, after a line that says so, where it cannot be read."""
    try:
        return Sample(*np.split(np.asarray(Image.open(path).convert("RGB")), 4, axis=1))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        say_left_out(damaged(path, error))
        return None


def with_samples(results: Results, table: PlannedTable) -> Iterator[tuple[PlannedCell, CellFolder, str]]:
    """Of every row, fold and column of a table ("" where it has none) the first finished cell that has pictures."""
    seen = set()
    for cell, folder in results.finished(table.key):
        for column in table.columns or [""]:
            place = (cell.row, cell.fold, column)
            if place not in seen and any(folder.samples(column).glob("*.png")):
                seen.add(place)
                yield cell, folder, column

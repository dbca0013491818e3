"""The images of a manifest: decoded, checked, put on one grid."""

from pathlib import Path

import numpy as np

from datamodules.batch import Signal, Task
from datamodules.errors import InputError
from datamodules.grid import Grid, resize
from datamodules.manifest import FILES, MASK_SEPARATOR, Manifest
from datamodules.readers import Limits, Picture, read_image, to_signed


class FileSource:
    """A manifest's files as an image source (see :mod:`datamodules.cache`).

    A row may carry ``spacing`` in mm a pixel for files that do not know their own. ``lesion`` may name several masks,
    separated by ``;``, which are united. Beside the images, ``read`` gives the rows and columns of the source's file
    as ``shape`` and, as ``colour``, whether a coloured picture was made grey.
    """

    verb = "reading images"
    parallel = True

    def __init__(
        self, manifest: Manifest, task: Task, grid: Grid, limits: Limits, resample_pairs: bool = False
    ) -> None:
        self.resample_pairs = resample_pairs
        self.rows, self.task, self.grid, self.limits = manifest.rows, task, grid, limits
        self.root, self.name = manifest.root, manifest.name
        self.columns = [name for name in FILES if (manifest.rows[name] != "").any()]
        self.key = {
            "version": 2,
            "files": [[cell, *_stamp(self.root, cell)] for name in self.columns for cell in manifest.rows[name]],
            "columns": self.columns,
            "root": str(self.root.resolve()),
            "spacing": list(manifest.rows.get("spacing", [])),
            "task": repr((task.source, task.target)),
            "grid": repr(grid),
            "limits": repr(limits),
            "resample_pairs": resample_pairs,
        }

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> dict[str, np.ndarray]:
        row = self.rows.iloc[index]
        pictures: dict[str, Picture] = {
            name: self._read(row[name]) for name in ("source", "target") if name in self.columns
        }
        shape = pictures["source"].pixels.shape[:2]
        spacing = self._spacing(index, pictures["source"])
        images = {name: self._on_grid(index, name, picture, shape, spacing) for name, picture in pictures.items()}
        images["shape"] = np.array(shape, np.int32).reshape(1, 1, 2)
        images["colour"] = np.array(self._loses_colour(pictures)).reshape(1, 1, 1)
        valid = self._mask(index, "valid", shape) if row["valid"] else np.ones(shape, bool)
        images["valid"] = self._resample_mask(valid, spacing)
        if "lesion" in self.columns:
            images["lesion"] = self._resample_mask(self._mask(index, "lesion", shape), spacing)
        return images

    def _read(self, cell: str) -> Picture:
        return read_image(self.root / cell, self.limits)

    def _on_grid(self, index: int, name: str, picture: Picture, shape: tuple[int, int], spacing) -> np.ndarray:
        """The picture in [-1, 1] on the grid; a target of another size than its source only where that is allowed."""
        image, own = to_signed(picture, self._signal(name)), picture.pixels.shape[:2]
        if own != shape:
            if not self.resample_pairs:
                raise InputError(
                    f"{self.name} row {index + 2} (id '{self.rows['id'][index]}'): source is {shape[0]} x {shape[1]} "
                    f"but {name} is {own[0]} x {own[1]}; a pair must have one size, or set data.resample_pairs to true"
                )
            image = resize(image, shape)
        return self.grid.resample(image, spacing, fill=-1.0)

    def _loses_colour(self, pictures: dict[str, Picture]) -> bool:
        return any(picture.pixels.ndim == 3 and self._signal(name).channels == 1 for name, picture in pictures.items())

    def _signal(self, name: str) -> Signal:
        return self.task.source if name == "source" else self.task.target

    def _mask(self, index: int, name: str, shape: tuple[int, int]) -> np.ndarray:
        """The union of a row's masks; a row without one has an empty mask."""
        row = self.rows.iloc[index]
        union = np.zeros(shape, bool)
        for cell in filter(None, row[name].split(MASK_SEPARATOR)):
            pixels = self._read(cell).pixels
            if pixels.shape[:2] != shape:
                raise InputError(
                    f"{self.name} row {index + 2} (id '{row['id']}'): {name} '{cell}' is {pixels.shape[0]} x "
                    f"{pixels.shape[1]} but source is {shape[0]} x {shape[1]}; a pair must have one size"
                )
            union |= (pixels if pixels.ndim == 2 else pixels.max(axis=2)) > 0.5
        return union

    def _resample_mask(self, mask: np.ndarray, spacing) -> np.ndarray:
        return self.grid.resample(mask[..., None].astype(np.float32), spacing, fill=0.0, nearest=True) > 0.5

    def _spacing(self, index: int, picture: Picture) -> tuple[float, float] | None:
        if self.grid.spacing is None:
            return None
        row = self.rows.iloc[index]
        if row.get("spacing"):
            try:
                spacing = float(row["spacing"])
            except ValueError:
                spacing = 0.0
            if not 0 < spacing < 100:
                raise InputError(
                    f"{self.name} row {index + 2}: spacing '{row['spacing']}' is not a number of mm a pixel; correct it"
                )
            return spacing, spacing
        if picture.spacing is None:
            raise InputError(
                f"{self.name} row {index + 2} (id '{row['id']}'): {row['source']} does not say its pixel spacing; "
                "add a column 'spacing' in mm, or leave out --data.spacing"
            )
        return picture.spacing


def _stamp(root: Path, cell: str) -> list:
    """Size and time of the files behind a cell: a changed file must not be served from the cache."""
    stats = [(root / entry.partition("#")[0]).stat() for entry in cell.split(MASK_SEPARATOR) if entry]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]

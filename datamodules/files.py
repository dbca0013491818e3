"""The images of a manifest: decoded, checked, put on one grid."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from datamodules.batch import Signal, Task
from datamodules.cache import ImageCache
from datamodules.errors import InputError
from datamodules.grid import Grid, resize
from datamodules.manifest import FILES, MASK_SEPARATOR, Manifest
from datamodules.ranges import check_inside, seen_range, slivers
from datamodules.readers import Entry, Limits, Picture, count_regions, is_dicom, read_image, read_mask, to_signed

MASKED = {
    "valid": "store it as 0 and 255",
    "lesion": "say which value is the lesion by data.lesion_value, or store it as 0 and 255",
}


@dataclass(frozen=True)
class Reading:
    """How files are read: what a data module's arguments of these names say."""

    limits: Limits = Limits()  # noqa: RUF009 (frozen)
    resample_pairs: bool = False
    region: int | Literal["all", "whole"] = 0
    lesion_value: int | None = None
    clip: bool = False


class FileSource:
    """A manifest's files as an image source (see :mod:`datamodules.cache`).

    A row may carry ``spacing`` in mm a pixel for files that do not know their own. ``lesion`` may name several masks,
    separated by ``;``, which are united. Beside the images, ``read`` gives facts of the files, for checks and for a
    summary: ``shape``, rows and columns of the source; ``file_spacing``, its mm a pixel, NaN where unknown; ``colour``,
    whether a coloured picture was made grey; ``source_range`` and ``target_range``, the least and the largest value in
    the signal's unit, of a target where it is valid; ``source_physical`` and ``target_physical``, whether files hold
    values rather than levels; ``empty_lesion``, whether a row's masks of lesions hold none.
    """

    verb = "reading images"
    parallel = True

    def __init__(self, manifest: Manifest, task: Task, grid: Grid, reading: Reading) -> None:
        self.rows, self.task, self.grid, self.reading = manifest.rows, task, grid, reading
        self.root, self.name, self.place = manifest.root, manifest.name, manifest.place
        self.columns = [name for name in FILES if (manifest.rows[name] != "").any()]
        self.key = {
            "version": 3,
            "files": [[cell, *_stamp(self.root, cell)] for name in self.columns for cell in manifest.rows[name]],
            "columns": self.columns,
            "root": str(self.root.resolve()),
            "spacing": list(manifest.rows.get("spacing", [])),
            "task": repr((task.source, task.target)),
            "grid": repr(grid),
            "reading": repr(reading),
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
        valid = self._mask(index, "valid", shape) if row["valid"] else np.ones(shape, bool)
        if not valid.any():
            raise InputError(
                f"{self._where(index)}: valid '{row['valid']}' is empty, so that no pixel may be trusted; "
                "correct it or drop the row"
            )
        images = {name: self._on_grid(index, name, picture, shape, spacing) for name, picture in pictures.items()}
        images["valid"] = self._resample_mask(valid, spacing)
        if "lesion" in self.columns:
            lesion = self._mask(index, "lesion", shape)
            images["lesion"] = self._resample_mask(lesion, spacing)
            images["empty_lesion"] = _fact([bool(row["lesion"]) and not lesion.any()])
        for name, picture in pictures.items():
            images[f"{name}_range"] = _fact(self._range(row[name], name, picture, valid))
            images[f"{name}_physical"] = _fact([picture.physical])
        images["shape"] = _fact(np.array(shape, np.int32))
        images["file_spacing"] = _fact(np.array(pictures["source"].spacing or (np.nan, np.nan), np.float64))
        images["colour"] = _fact([self._loses_colour(pictures)])
        return images

    def check_ranges(self, images: ImageCache) -> None:
        """Refuse a set that uses a sliver of a signal's range, which no single picture can show.

        Raises:
            InputError: with the range that was seen, and the option that states it.
        """
        faults: list[str] = []
        for name in ("source", "target"):
            if name in self.columns:
                seen = images.arrays[f"{name}_range"][:, 0, 0]
                physical = bool(images.arrays[f"{name}_physical"].any())
                faults += slivers(f"{self.name}: {name}", seen, physical, self._signal(name), self._option(name))
        InputError.raise_for(faults)

    def _option(self, name: str) -> str:
        """What sets a signal; both sides of unpaired scanners have one."""
        return f"data.{name}" if self.task.paired else "data.signal"

    def _read(self, cell: str) -> Picture:
        region = self._region()
        return read_image(self.root / cell, self.reading.limits, region is not None, region or 0)

    def _range(self, cell: str, name: str, picture: Picture, valid: np.ndarray) -> np.ndarray:
        """The least and the largest value of a picture, of a target where it may be trusted."""
        signal = self._signal(name)
        trusted = valid if name == "target" and picture.pixels.shape[:2] == valid.shape else ...
        found = seen_range(picture, signal, trusted)
        if picture.physical and not self.reading.clip:
            check_inside(str(self.root / cell), found, signal, self._option(name))
        return found

    def _on_grid(self, index: int, name: str, picture: Picture, shape: tuple[int, int], spacing) -> np.ndarray:
        """The picture in [-1, 1] on the grid; a target of another size than its source only where that is allowed."""
        image, own = to_signed(picture, self._signal(name)), picture.pixels.shape[:2]
        if own != shape:
            if not self.reading.resample_pairs:
                raise InputError(
                    f"{self._where(index)}: source is {shape[0]} x {shape[1]} "
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
            mask = self._read_mask(name, cell)
            if mask.shape != shape:
                raise InputError(
                    f"{self._where(index)}: {name} '{cell}' is {mask.shape[0]} x "
                    f"{mask.shape[1]} but source is {shape[0]} x {shape[1]}; a pair must have one size"
                )
            union |= mask
        return union

    def _region(self) -> int | None:
        """Of a cell that names none; none for whole frames."""
        region = self.reading.region
        return region if isinstance(region, int) else {"all": 0, "whole": None}[region]

    def _read_mask(self, name: str, cell: str) -> np.ndarray:
        value = self.reading.lesion_value if name == "lesion" else None
        return read_mask(self.root / cell, self.reading.limits, self._region(), value, MASKED[name])

    def _where(self, index: int) -> str:
        place, image = self.place(index), self.rows["id"].iloc[index]
        return place if place.endswith(f"'{image}'") else f"{place} (id '{image}')"

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
                    f"{self.place(index)}: spacing '{row['spacing']}' is not a number of mm a pixel; correct it"
                )
            return spacing, spacing
        if picture.spacing is None:
            fault = picture.spacing_fault or "does not say its pixel spacing"
            raise InputError(
                f"{self._where(index)}: {row['source']} {fault}; "
                "add a column 'spacing' in mm, or leave out --data.spacing"
            )
        return picture.spacing


def each_region(manifest: Manifest) -> Manifest:
    """A row a tissue region of DICOM sources and of their DICOM targets; ids of several end on ``@`` and its number.

    Raises:
        InputError: every file that cannot be read.
    """
    rows, faults = [], []
    for _, row in manifest.rows.iterrows():
        try:
            rows += _regions_of(manifest.root, row)
        except InputError as error:
            faults.append(str(error))
    InputError.raise_for(faults)
    return replace(manifest, rows=pd.DataFrame(rows))


def _regions_of(root: Path, row: pd.Series) -> list[pd.Series]:
    """Copies of a row, under its own number, so that messages name it."""
    entry = Entry.of(root / row["source"])
    number = count_regions(entry.path) if is_dicom(entry.path) and entry.region is None else 0
    if number < 2:
        return [row]
    copies = []
    for region in range(number):
        copy = row.copy()
        copy["id"] = f"{row['id']}@{region}"
        for name in ("source", "target"):
            if row[name] and is_dicom(Path(row[name].partition("#")[0])):
                copy[name] = f"{row[name]}{'' if '#' in row[name] else '#'}@{region}"
        copies.append(copy)
    return copies


def _fact(values) -> np.ndarray:
    return np.asarray(values).reshape(1, 1, -1)


def _stamp(root: Path, cell: str) -> list:
    """Size and time of the files behind a cell: a changed file must not be served from the cache."""
    stats = [(root / entry.partition("#")[0]).stat() for entry in cell.split(MASK_SEPARATOR) if entry]
    return [[stat.st_size, stat.st_mtime_ns] for stat in stats]

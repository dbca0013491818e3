"""A user's own pairs: ``source/`` and ``target/`` folders, or a manifest CSV."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pytorch_lightning.utilities import rank_zero_warn

from datamodules.batch import GREY, Reference, Signal, Task
from datamodules.cache import ImageCache, open_or_build
from datamodules.errors import InputError
from datamodules.files import FileSource, Reading, each_region
from datamodules.grid import Grid
from datamodules.manifest import FILES, MASK_SEPARATOR, Manifest, make_manifest, read_manifest
from datamodules.matching import check_folders, files_by_name, masks_in, pictures_and_masks
from datamodules.patients import unnamed
from datamodules.readers import Limits
from datamodules.split_files import find_split_file, split_by_file
from datamodules.summary import details
from datamodules.ultrasound import UltrasoundDataModule


class FileDataModule(UltrasoundDataModule):
    """Images from files that a manifest names. Subclasses build the manifest, nothing else.

    Args:
        source: channels and range of the sources.
        target: channels, physical range and unit of the targets.
        spacing: mm a pixel; pictures then keep their physical scale (they must know it, or the manifest's column
            ``spacing`` must say it). By default pictures are stretched to ``size``.
        limits: sides that a picture may have.
        resample_pairs: stretch a target of another size than its source to the source's; by default such pairs are
            refused.
        region: of a DICOM file, which of its tissue regions, from 0; "all" makes an image of each, "whole" takes the
            frame. A cell ``file.dcm#0@1`` says it for itself.
        lesion_value: which value is the lesion in masks of several; by default masks are 0 and one other value.
        clip: take values beyond a signal's range as its ends; by default they are refused.
        split_file: a published split in the place of one by ``fractions``: a CSV with the columns ``id, split``, or the
            name of one in ``datamodules/published``; see :func:`datamodules.split_files.split_by_file`.

    The other arguments are those of :class:`datamodules.ultrasound.UltrasoundDataModule`.
    """

    name = "files"

    def __init__(
        self,
        source: Signal = GREY,
        target: Signal = GREY,
        spacing: float | None = None,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        resample_pairs: bool = False,
        region: int | Literal["all", "whole"] = 0,
        lesion_value: int | None = None,
        clip: bool = False,
        split_file: Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(region, int) and region < 0:
            raise InputError(f"region {region}: give a number from 0, 'all' or 'whole'")
        if spacing is not None and spacing <= 0:
            raise InputError(f"spacing {spacing}: give a positive number of mm a pixel")
        if target.high <= target.low or source.high <= source.low:
            raise InputError(f"source {source}, target {target}: high must be above low")
        self.task = Task(self.name, source, target, data=self.name)
        self.grid, self.reading = Grid(self.size, spacing), Reading(limits, resample_pairs, region, lesion_value, clip)
        self.split_file = split_file

    def manifest(self) -> Manifest:
        """The table of the dataset."""
        raise TypeError(f"{type(self).__name__} does not build a manifest")

    def listed(self) -> pd.DataFrame:
        rows = self.manifest().rows.reset_index(drop=True)
        if self.split_file is not None:
            rows["split"] = split_by_file(rows, self.split_file, self.fractions, self.split_seed)
        return rows

    def load(self) -> tuple[pd.DataFrame, ImageCache]:
        manifest = self.manifest()
        if self.reading.region == "all":
            manifest = each_region(manifest)
        source = FileSource(manifest, self.task, self.grid, self.reading)
        images = open_or_build(source, self.cache_dir)
        source.check_ranges(images)
        coloured = np.flatnonzero(images.arrays["colour"])
        if len(coloured):
            first, more = manifest.rows["id"][coloured[0]], ", ..." if len(coloured) > 1 else ""
            rank_zero_warn(
                f"{self.name}: {len(coloured)} of {len(images)} pairs have coloured pictures ('{first}'{more}), which "
                "were made grey; crop screenshots to their B-mode"
            )
        return manifest.rows.reset_index(drop=True), images

    def _split(self) -> None:
        if self.split_file is not None and not self._is_split:
            own = split_by_file(self.rows, self.split_file, self.fractions, self.split_seed)
            self.rows["split"] = own
            self.remark = " ".join([self.remark, f"Split by {find_split_file(self.split_file).name}."]).strip()
        super()._split()

    def summary(self) -> list[str]:
        """With what the files hold."""
        return [*super().summary(), *details(self.rows, self.images, self.task)]

    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of every source's file (of a DICOM file: of its B-mode region), by id.

        Raises:
            InputError: the grid is one in mm, of which the file's own cannot be made again.
        """
        if self.grid.spacing is not None:
            raise InputError("predictions.size 'input' needs pictures stretched to data.size; leave out data.spacing")
        self._load()
        return {
            name: tuple(shape)
            for name, shape in zip(self.rows["id"], self.images.arrays["shape"][:, 0, 0].tolist(), strict=True)
        }


class PairedFolderDataModule(FileDataModule):
    """Pairs in a folder of the user's.

    ``root`` is a manifest CSV, or a folder with a ``manifest.csv``, or a folder with ``source/`` and ``target/`` in
    which files of the same name (endings aside) are a pair. Masks may stand in ``valid/`` and ``lesion/`` by the same
    names, those of lesions also beside the source as ``NAME_mask.png``, ``NAME_mask_1.png``; several are joined.
    Without ``target/`` the data can only be predicted on. In folders without a manifest, the patient is the part of
    the name before the first ``patient_separator``; by default every image is a patient of its own.

    Args:
        root: the folder or the CSV.
        patient_separator: e.g. ``"_"`` where names are ``patient12_3.png``.
        references: what translations are compared with: the ``target``, the ``source``, or both.

    The other arguments are those of :class:`FileDataModule`.
    """

    def __init__(
        self,
        root: Path,
        patient_separator: str | None = None,
        references: tuple[Reference, ...] = ("target",),
        **kwargs: Any,
    ) -> None:
        self.root, self.patient_separator = Path(root), patient_separator
        self.name = self.root.stem
        super().__init__(**kwargs)
        self.task = replace(self.task, references=references)

    def manifest(self) -> Manifest:
        if self.root.suffix.lower() == ".csv":
            return read_manifest(self.root)
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder; name one with source/ and target/, or a manifest CSV")
        if (self.root / "manifest.csv").is_file():
            return read_manifest(self.root / "manifest.csv")
        self.remark = "" if self.patient_separator else unnamed(self.name)
        return make_manifest(self._rows(), self.root, str(self.root))

    def _rows(self) -> pd.DataFrame:
        check_folders(self.root, FILES)
        sources, beside = pictures_and_masks(self.root / "source")
        if not sources:
            raise InputError(f"{self.root / 'source'}: holds no images; put the source pictures there")
        targets = files_by_name(self.root / "target")
        lonely = sorted(sources.keys() ^ targets.keys()) if targets else []
        InputError.raise_for(
            f"{self.root}: '{name}' stands in only one of source/ and target/; a pair needs both, by one name"
            for name in lonely
        )
        masks = {column: masks_in(self.root / column, sources) for column in ("valid", "lesion")}
        rows = []
        for name, file in sorted(sources.items()):
            cells = {column: [f"{column}/{mask}" for mask in own.get(name, [])] for column, own in masks.items()}
            cells["lesion"] += [f"source/{mask}" for mask in beside.get(name, [])]
            row = {"id": name, "patient": self._patient(name), "source": f"source/{file}"}
            row["target"] = f"target/{targets[name]}" if targets else ""
            rows.append(row | {column: MASK_SEPARATOR.join(files) for column, files in cells.items()})
        return pd.DataFrame(rows)

    def _patient(self, name: str) -> str:
        return name.partition(self.patient_separator)[0].strip() if self.patient_separator else name

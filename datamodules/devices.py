"""Images of several scanners, unpaired: sources of some of them to be brought to one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.batch import GREY, Signal, Task
from datamodules.cache import ImageCache
from datamodules.errors import InputError
from datamodules.folder import FileDataModule, PairedFolderDataModule
from datamodules.manifest import MASK_SEPARATOR, Manifest, make_manifest, read_manifest
from datamodules.matching import check_folders, masks_in, pictures_and_masks
from datamodules.patients import unnamed
from datamodules.ultrasound import UltrasoundDataset

LEAST = 2  # images of a device


class DeviceFolders(FileDataModule):
    """A folder with one folder a device, or a manifest whose column ``device`` says which.

    Masks of lesions may stand in a device's folder ``lesion``, by the images' names, or beside them as
    ``NAME_mask.png``, ``NAME_mask_1.png``. Training draws both sides
    independently; in validation and test the targets, which belong to no source, are taken in turn, for metrics of
    whole sets. With ``pairs``, these are what is tested instead, and the test part of ``root`` is held out, unused.

    Args:
        root: the folder of folders, or a manifest CSV (``target`` is not used).
        target_device: the device that all others are brought to.
        source_devices: the devices to bring there, pooled; by default all others. For a model a device, name one.
        patient_separator: the patient is the part of a file's name before it; by default every image is a patient of
            its own. One patient on several devices must have one name.
        signal: channels and range of both sides.
        pairs: images of one object by a source and by the target device, to test on: a folder or manifest as
            :class:`datamodules.folder.PairedFolderDataModule` takes it.

    The other arguments are those of :class:`datamodules.folder.FileDataModule`.
    """

    name = "devices"

    def __init__(
        self,
        root: Path,
        target_device: str,
        source_devices: list[str] | None = None,
        patient_separator: str | None = None,
        signal: Signal = GREY,
        pairs: Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(source=signal, target=signal, **kwargs)
        self.root, self.target_device, self.source_devices = Path(root), target_device, source_devices
        self.patient_separator = patient_separator
        name = self.root.stem
        self.tested = None
        if pairs is not None:
            self.tested = PairedFolderDataModule(pairs, patient_separator, source=signal, target=signal, **kwargs)
        self.task = Task(
            name,
            signal,
            signal,
            paired=False,
            data=name,
            references=("source",),
            test_references=("target", "source") if self.tested else None,
        )

    def manifest(self) -> Manifest:
        rows, root, name = self._rows()
        counts = rows["device"].value_counts()
        sources = self.source_devices or [device for device in counts.index if device != self.target_device]
        faults = [
            f"{name}: device '{device}' has no images; it has {', '.join(sorted(counts.index))}"
            for device in (self.target_device, *sources)
            if device not in counts.index
        ]
        faults += [
            f"{name}: device '{device}' has {count} image; a device needs at least {LEAST}: add some or leave it out"
            for device, count in counts.items()
            if count < LEAST and device in (self.target_device, *sources)
        ]
        if self.target_device in sources or not sources:
            faults.append(f"{name}: the target device '{self.target_device}' needs other devices as sources; name some")
        InputError.raise_for(faults)
        used = rows[rows["device"].isin([*sources, self.target_device])]
        return make_manifest(used.drop(columns="target", errors="ignore"), root, name)

    def _rows(self) -> tuple[pd.DataFrame, Path, str]:
        if self.root.suffix.lower() == ".csv":
            manifest = read_manifest(self.root)
            return manifest.rows, manifest.root, manifest.name
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder; name one with a folder a device, or a manifest CSV")
        self.remark = "" if self.patient_separator else unnamed(self.task.data)
        rows = []
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir()):
            name = folder.name
            check_folders(folder, ("lesion",))
            pictures, beside = pictures_and_masks(folder)
            masks = masks_in(folder / "lesion", pictures)
            for stem, file in sorted(pictures.items()):
                lesion = [f"{name}/lesion/{mask}" for mask in masks.get(stem, [])]
                lesion += [f"{name}/{mask}" for mask in beside.get(stem, [])]
                rows.append({"id": f"{name}/{stem}", "patient": self._patient(name, stem), "source": f"{name}/{file}",
                             "lesion": MASK_SEPARATOR.join(lesion), "device": name})  # fmt: skip
        if not rows:
            raise InputError(f"{self.root}: holds no folders with images; put each device's images into its own")
        return pd.DataFrame(rows), self.root, str(self.root)

    def _patient(self, device: str, name: str) -> str:
        return name.partition(self.patient_separator)[0].strip() if self.patient_separator else f"{device}/{name}"

    target_arrays = {"target": "source", "target_lesion": "lesion"}  # a target is another row's source

    @property
    def has_targets(self) -> bool:
        return True

    def listed(self) -> pd.DataFrame:
        rows = super().listed()
        return rows[rows["device"] != self.target_device]

    def load(self) -> tuple[pd.DataFrame, ImageCache]:
        if self.tested is not None and not len(self.tested.dataset("all")):
            raise InputError(f"{self.tested.root}: holds no pairs to test on; add some or leave out 'pairs'")
        if self.tested is not None and not self.tested.has_targets:
            raise InputError(f"{self.tested.root}: holds no targets; a pair needs a target/ beside its source/")
        rows, images = super().load()
        return rows.assign(role=np.where(rows["device"] == self.target_device, "target", "source")), images

    def dataset(self, split: str) -> UltrasoundDataset:
        self._load()
        if split == "test" and self.tested is not None:
            return self.tested.dataset("all")
        if split != "all":
            self._split()
        rows = self.rows if split == "all" else self.rows[self.rows["split"] == split]
        sources, targets = (rows[rows["role"] == role] for role in ("source", "target"))
        for role, own in (("source", sources), ("target", targets)):
            if len(rows) and own.empty:
                raise InputError(
                    f"{self.name}: split '{split}' has no image of a {role} device; add some, or change the split"
                )
        shuffle = split == "train"
        pool = targets["index"].to_numpy()
        return UltrasoundDataset(self.cache, sources, self._augment(split), pool, shuffle, self.target_arrays)

    def splits(self) -> pd.DataFrame:
        own = super().splits()
        if self.tested is None:
            return own
        pairs = self.tested.dataset("all").rows[own.columns.drop("split")].assign(split="test")
        return pd.concat([own.replace({"split": {"test": "held out"}}), pairs], ignore_index=True)

"""BUSI, the Dataset of Breast Ultrasound Images (Al-Dhabyani et al., Data in Brief 28:104863, 2020, CC BY 4.0)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.utilities import rank_zero_warn

from datamodules.cache import ImageCache, open_or_build
from datamodules.duplicates import first_alike, near_duplicates
from datamodules.errors import InputError
from datamodules.files import FileSource
from datamodules.folder import FileDataModule
from datamodules.grid import Grid
from datamodules.manifest import MASK_SEPARATOR, Manifest, make_manifest
from datamodules.matching import pictures_and_masks
from datamodules.patients import unnamed, with_patients

NAMES = ("benign", "malignant", "normal")
COMPARED = (128, 128)  # pixels, whatever the data's size is: the split must not follow from it
CLOSE = 0.97  # correlation of near-duplicates here: those above 0.98 at any other size are among them
IMAGE = re.compile(r"(benign|malignant|normal) \((\d+)\)")


class BUSI(FileDataModule):
    """BUSI in its released layout: ``benign/benign (1).png`` with ``benign (1)_mask.png``, ``..._mask_1.png`` beside.

    Masks are optional; an image's several lesions are joined. The set has no targets, so it serves prediction and
    diagnosis. It names no patients, and holds near-duplicates, some of them by two labels. Without a table of patients
    every image counts as one; near-duplicates count as one together, which a warning and every table say.

    Args:
        root: the folder that holds ``benign``, ``malignant`` and ``normal``.
        classes: which of them to use; the two-class papers leave out ``normal``.
        patients: CSV with the columns ``id, patient``, such as ``benign (1), 17``.

    The other arguments are those of :class:`datamodules.folder.FileDataModule`.
    """

    name = "BUSI"

    def __init__(
        self,
        root: Path,
        classes: tuple[str, ...] = NAMES,
        patients: Path | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = [name for name in classes if name not in NAMES]
        InputError.raise_for(f"classes: '{name}' is none of {', '.join(NAMES)}; correct it" for name in unknown)
        super().__init__(**kwargs)
        self.root, self.classes, self.patients = Path(root), classes, patients
        self.remark = "" if patients is not None else unnamed(self.name, ", near-duplicates as one")

    def manifest(self) -> Manifest:
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder; name the one that holds {', '.join(NAMES)}")
        rows = [row for name in self.classes for row in _images(self.root, name)]
        if not rows:
            raise InputError(f"{self.root}: holds no BUSI images such as 'benign/benign (1).png'; check the folder")
        table = pd.DataFrame(rows)
        return make_manifest(table if self.patients is None else with_patients(table, self.patients), self.root, "BUSI")

    def load(self) -> tuple[pd.DataFrame, ImageCache]:
        rows, images = super().load()
        return rows if self.patients is not None else rows.assign(patient=self._by_looks(rows)), images

    def _by_looks(self, rows: pd.DataFrame) -> list[str]:
        """The patient of every row: near-duplicates have the name of the first of them."""
        manifest = Manifest(rows.assign(lesion=""), self.root, self.name)
        source = FileSource(manifest, self.task, Grid(COMPARED), self.reading)
        pairs = near_duplicates(open_or_build(source, self.cache_dir).arrays["source"], CLOSE)
        names = rows["id"].to_numpy()
        if len(pairs):
            (one, other), several = names[pairs[0]], len(pairs) > 1
            rank_zero_warn(
                f"{self.name}: {len(pairs)} pair{'s' * several} of near-duplicates among {len(set(pairs.flat))} of "
                f"{len(rows)} images ('{one}' and '{other}'{', ...' * several}; correlation above {CLOSE}); they count "
                "as one patient, so that no split parts them, and every other image as one of its own; name the "
                "patients by data.patients"
            )
        return list(names[first_alike(pairs, len(rows))])


def _images(root: Path, name: str) -> Iterator[dict[str, str]]:
    """One row an image of the class, in the order of the released numbers."""
    pictures, masks = pictures_and_masks(root / name)
    numbered = ((int(match[2]), stem) for stem in pictures if (match := IMAGE.fullmatch(stem)))
    for _, stem in sorted(numbered):
        yield {
            "id": stem,
            "patient": stem,
            "source": f"{name}/{pictures[stem]}",
            "lesion": MASK_SEPARATOR.join(f"{name}/{mask}" for mask in masks.get(stem, [])),
            "label": name,
            "organ": "breast",
        }

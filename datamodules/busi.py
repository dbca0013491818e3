"""BUSI, the Dataset of Breast Ultrasound Images (Al-Dhabyani et al., Data in Brief 28:104863, 2020, CC BY 4.0)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import InputError
from datamodules.folder import FileDataModule
from datamodules.manifest import MASK_SEPARATOR, Manifest, make_manifest
from datamodules.matching import pictures_and_masks

NAMES = ("benign", "malignant", "normal")
IMAGE = re.compile(r"(benign|malignant|normal) \((\d+)\)")


class BUSI(FileDataModule):
    """BUSI in its released layout: ``benign/benign (1).png`` with ``benign (1)_mask.png``, ``..._mask_1.png`` beside.

    Masks are optional; an image's several lesions are joined. The set names no patients, so every image counts as one;
    it has no targets, so it serves prediction and diagnosis.

    Args:
        root: the folder that holds ``benign``, ``malignant`` and ``normal``.
        classes: which of them to use; the two-class papers leave out ``normal``.

    The other arguments are those of :class:`datamodules.folder.FileDataModule`.
    """

    name = "BUSI"

    def __init__(
        self,
        root: Path,
        classes: tuple[str, ...] = NAMES,
        **kwargs: Any,
    ) -> None:
        unknown = [name for name in classes if name not in NAMES]
        InputError.raise_for(f"classes: '{name}' is none of {', '.join(NAMES)}; correct it" for name in unknown)
        super().__init__(**kwargs)
        self.root, self.classes = Path(root), classes

    def manifest(self) -> Manifest:
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder; name the one that holds {', '.join(NAMES)}")
        rows = [row for name in self.classes for row in _images(self.root, name)]
        if not rows:
            raise InputError(f"{self.root}: holds no BUSI images such as 'benign/benign (1).png'; check the folder")
        return make_manifest(pd.DataFrame(rows), self.root, "BUSI")


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

"""BUSI, the Dataset of Breast Ultrasound Images (Al-Dhabyani et al., Data in Brief 28:104863, 2020, CC BY 4.0)."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import InputError
from datamodules.folder import FileDataModule
from datamodules.manifest import MASK_SEPARATOR, Manifest, make_manifest

NAMES = ("benign", "malignant", "normal")
IMAGE = re.compile(r"^(benign|malignant|normal) \((\d+)\)\.png$")


class BUSI(FileDataModule):
    """BUSI in its released layout: ``benign/benign (1).png`` with ``benign (1)_mask.png``, ``..._mask_1.png`` beside.

    Masks are optional. The set names no patients, so every image counts as one; it has no targets, so it serves
    prediction and diagnosis.

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


def _images(root: Path, name: str):
    """One row an image of the class, in the order of the released numbers."""
    folder = root / name
    matches = [IMAGE.match(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    for match in sorted(filter(None, matches), key=lambda match: int(match[2])):
        stem = match[0].removesuffix(".png")
        masks = sorted(path.name for path in folder.glob(f"{_literal(stem)}_mask*.png"))
        yield {
            "id": stem,
            "patient": stem,
            "source": f"{name}/{match[0]}",
            "lesion": MASK_SEPARATOR.join(f"{name}/{mask}" for mask in masks),
            "label": name,
            "organ": "breast",
        }


def _literal(text: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", text)

"""Benign or malignant, of every patient of US3M: by the folder about them, or by the table that comes with the set."""

from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from datamodules.errors import InputError
from datamodules.tables import read_by_id

TABLES = ("BD3M.csv", "BD3M.xlsx")  # in the folder of the set or beside it
CLASSES = ("benign", "malignant")
LABELS = {"0": "benign", "1": "malignant", "benign": "benign", "malignant": "malignant"}


def labels_of(root: Path, folders: list[Path], table: Path | None = None) -> dict[Path, str]:
    """The label of every patient's folder.

    Args:
        root: of the set.
        folders: the patients'; where all stand in folders ``benign`` and ``malignant``, or are these, nothing else is
            asked.
        table: CSV with the columns ``id, label``, ids being the folders' names with or without leading zeros, labels
            words or 0 and 1; or the set's own ``BD3M.xlsx``, whose first two columns these are.

    Raises:
        InputError: there is no table, it cannot be read, or it leaves a folder out or has another label for it.
    """
    of_folders = {folder: _by_place(root, folder) for folder in folders}
    if table is None and all(of_folders.values()):
        return of_folders
    path = Path(table) if table is not None else _beside(root)
    known = {_number(name): label.lower() for name, label in _read(path).items()}
    given = {folder: known.get(_number(folder.name), "") for folder in folders}
    InputError.raise_for(
        f"{path.name}: folder '{folder.name}': label '{label}' is none of {', '.join(LABELS)}; correct it"
        if label
        else f"{path.name}: has no row for the folder '{folder.name}'; add it, or drop the folder"
        for folder, label in given.items()
        if label not in LABELS
    )
    return {folder: LABELS[label] for folder, label in given.items()}


def _by_place(root: Path, folder: Path) -> str:
    names = [part.lower() for part in folder.relative_to(root.parent).parts]
    return next((name for name in names if name in CLASSES), "")


def _beside(root: Path) -> Path:
    found = [path for folder in (root, root.resolve().parent) for name in TABLES if (path := folder / name).is_file()]
    if not found:
        raise InputError(
            f"{root}: does not say which lesions are malignant; put {' or '.join(TABLES)} there, sort the patients' "
            "folders into benign/ and malignant/, or name a CSV with the columns id, label by data.labels"
        )
    return found[0]


def _read(path: Path) -> dict[str, str]:
    if path.suffix.lower() != ".xlsx" or not path.is_file():
        return read_by_id(path, "label")
    try:
        table = pd.read_excel(path, header=None, dtype=str).iloc[:, :2].dropna()
    except ImportError:
        raise InputError(
            f"{path}: reading it needs openpyxl; pip install openpyxl, or save the table as CSV with the columns "
            "id, label and name it by data.labels"
        ) from None
    except (ValueError, OSError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: not a readable Excel file ({error}); download it again") from None
    if table.shape[1] < 2 or table.empty:
        raise InputError(f"{path}: has no two columns, of patients' numbers and of 0 or 1; download it again")
    names, labels = (table[column].str.strip() for column in table)
    return dict(zip(names, labels, strict=True))


def _number(name: str) -> str:
    """A folder's name without leading zeros, where it is a number."""
    return str(int(name)) if name.isdecimal() else name

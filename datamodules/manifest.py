"""The table that describes any dataset: one CSV row a pair, paths relative to the CSV."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datamodules.errors import InputError
from datamodules.tables import LINE, read_table

COLUMNS = ("id", "patient", "source", "target", "valid", "lesion", "label", "organ", "device", "split")
REQUIRED = ("id", "patient", "source")
FILES = ("source", "target", "valid", "lesion")
SPLITS = ("train", "val", "test")
CLASSES = ("benign", "malignant", "normal")
MASK_SEPARATOR = ";"  # a lesion may consist of several mask files


@dataclass(frozen=True)
class Manifest:
    """``rows`` holds the columns of the CSV as text ("" where empty); ``root`` is the folder its paths start from.

    ``name`` is what error messages call it, usually the CSV's own name.
    """

    rows: pd.DataFrame
    root: Path
    name: str

    def path(self, relative: str) -> Path:
        return self.root / relative

    def place(self, index: int) -> str:
        """What error messages call the row at ``index``, from 0: its number in an editor, or the image's id where it is
        no CSV's."""
        if LINE in self.rows:
            return f"{self.name} row {self.rows[LINE].iloc[index]}"
        return f"{self.name}: image '{self.rows['id'].iloc[index]}'"


def read_manifest(csv: Path | str) -> Manifest:
    """Read and check a manifest.

    Raises:
        InputError: the file is missing or not a CSV, or :func:`check` finds faults.
    """
    csv = Path(csv)
    if not os.path.isfile(csv):  # also where no file can be called so
        raise InputError(f"{csv}: no such manifest; name a CSV with the columns {', '.join(COLUMNS)}")
    rows = read_table(csv, REQUIRED, (*COLUMNS, "spacing"))
    for column, values in (("label", CLASSES), ("split", SPLITS)):
        if column in rows:
            rows[column] = [cell.lower() if cell.lower() in values else cell for cell in rows[column]]
    for column in set(FILES) & set(rows.columns):
        rows[column] = [MASK_SEPARATOR.join(map(str.strip, cell.split(MASK_SEPARATOR))) for cell in rows[column]]
    return make_manifest(rows, csv.parent, csv.name)


def make_manifest(rows: pd.DataFrame, root: Path | str, name: str) -> Manifest:
    """Fill in the optional columns and check the whole table.

    Raises:
        InputError: with every fault of the table, each with its row.
    """
    _check_header(rows, name)
    rows = rows.copy()
    for column in COLUMNS:
        if column not in rows.columns:
            rows[column] = ""
    rows = rows.astype({column: str for column in COLUMNS}).reset_index(drop=True)
    manifest = Manifest(rows, Path(root), name)
    check(manifest)
    return manifest


def _check_header(rows: pd.DataFrame, name: str) -> None:
    missing = [column for column in REQUIRED if column not in rows.columns]
    if len(missing) == len(REQUIRED):
        found = _shortened(", ".join(rows.columns.drop(LINE, errors="ignore")))
        raise InputError(
            f"{name}: its header '{found}' has none of {', '.join(REQUIRED)}; add them, separated by commas"
        )
    InputError.raise_for(f"{name}: column '{column}' is missing; add it to the header" for column in missing)


def check(manifest: Manifest) -> None:
    """Report every fault that can be seen without decoding a picture, all together."""
    if manifest.rows.empty:
        raise InputError(f"{manifest.name}: has no rows; list at least one image a row")
    InputError.raise_for(
        [*_bad_values(manifest), *_bad_labels(manifest), *_bad_splits(manifest), *_bad_paths(manifest)]
    )


def _bad_values(manifest: Manifest):
    rows = manifest.rows
    for column in REQUIRED:
        for row in rows.index[rows[column] == ""]:
            yield f"{manifest.place(row)}: '{column}' is empty; every row needs one"
    for row in rows.index[(rows["id"] != "") & rows["id"].duplicated()]:
        yield f"{manifest.place(row)}: id '{rows['id'][row]}' stands in an earlier row too; ids must be unique"
    for column in ("target", "label"):
        filled = rows[column] != ""
        if filled.any() and not filled.all():
            for row in rows.index[~filled]:
                yield (
                    f"{manifest.place(row)}: '{column}' is empty while other rows have one; fill it in or drop the row"
                )


def _bad_labels(manifest: Manifest):
    """Each unknown label once, with its first row."""
    unknown = manifest.rows["label"][~manifest.rows["label"].isin(("", *CLASSES))]
    for label, rows in unknown.groupby(unknown, sort=False).groups.items():
        remedy = "rename it"
        if str(label).isdigit():  # what a number stands for differs from set to set
            remedy = f"write what it stands for, such as {CLASSES[0]} for 0 and {CLASSES[1]} for 1"
        more = f", as in {len(rows) - 1} more rows" if len(rows) > 1 else ""
        yield f"{manifest.place(rows[0])}: label '{label}' is none of {', '.join(CLASSES)}{more}; {remedy}"


def _bad_splits(manifest: Manifest):
    rows, name = manifest.rows, manifest.name
    filled = rows["split"] != ""
    if not filled.any():
        return
    for row in rows.index[~rows["split"].isin(SPLITS)]:
        yield (
            f"{manifest.place(row)}: split '{rows['split'][row]}' is none of {', '.join(SPLITS)}; "
            "correct it, or leave the whole column empty to have patients split for you"
        )
    yield from parted(rows[filled], name)


def parted(rows: pd.DataFrame, name: str) -> Iterator[str]:
    """Patients that a table's ``split`` has on two sides, and labels that it has not on every side."""
    for patient, splits in rows.groupby("patient")["split"].unique().items():
        if len(splits) > 1:
            yield f"{name}: patient '{patient}' is in the splits {' and '.join(sorted(splits))}; keep it in one"
    for split, labels in rows.groupby("split")["label"].unique().items():
        for label in sorted(set(rows["label"]) - set(labels)):
            yield f"{name}: split '{split}' has no image with the label '{label}'; move a patient of it there"


def _bad_paths(manifest: Manifest):
    root = manifest.root.resolve()
    for column in FILES:
        for row, cell in manifest.rows[column].items():
            for entry in filter(None, cell.split(MASK_SEPARATOR)):
                path = manifest.path(entry.partition("#")[0])
                where = f"{manifest.place(row)}: {column} '{_shortened(entry)}'"
                if os.path.islink(path) and not os.path.exists(path):
                    yield f"{where} is a link to '{path.readlink()}', which is not there; copy the file itself"
                elif not path.resolve().is_relative_to(root):
                    yield f"{where} leaves the dataset's folder; move the file inside"
                elif not os.path.isfile(path):
                    yield f"{where} does not exist; correct the path or drop the row"


def _shortened(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}..."

"""The table that describes any dataset: one CSV row a pair, paths relative to the CSV."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datamodules.errors import InputError

COLUMNS = ("id", "patient", "source", "target", "valid", "lesion", "label", "organ", "device", "split")
REQUIRED = ("id", "patient", "source")
FILES = ("source", "target", "valid", "lesion")
SPLITS = ("train", "val", "test")
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


def read_manifest(csv: Path | str) -> Manifest:
    """Read and check a manifest.

    Raises:
        InputError: the file is missing or not a CSV, or :func:`check` finds faults.
    """
    csv = Path(csv)
    if not csv.is_file():
        raise InputError(f"{csv}: no such manifest; name a CSV with the columns {', '.join(COLUMNS)}")
    try:
        rows = pd.read_csv(csv, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{csv}: not a readable CSV ({error}); save it as comma-separated UTF-8 text") from None
    return make_manifest(rows, csv.parent, csv.name)


def make_manifest(rows: pd.DataFrame, root: Path | str, name: str) -> Manifest:
    """Fill in the optional columns and check the whole table.

    Raises:
        InputError: with every fault of the table, each with its row.
    """
    missing = [column for column in REQUIRED if column not in rows.columns]
    InputError.raise_for(f"{name}: column '{column}' is missing; add it to the header" for column in missing)
    rows = rows.copy()
    for column in COLUMNS:
        if column not in rows.columns:
            rows[column] = ""
    rows = rows.astype({column: str for column in COLUMNS}).reset_index(drop=True)
    manifest = Manifest(rows, Path(root), name)
    check(manifest)
    return manifest


def check(manifest: Manifest) -> None:
    """Report every fault that can be seen without decoding a picture, all together."""
    rows, name = manifest.rows, manifest.name
    if rows.empty:
        raise InputError(f"{name}: has no rows; list at least one image a row")
    faults = [*_bad_values(rows, name), *_bad_splits(rows, name), *_bad_paths(manifest)]
    InputError.raise_for(faults)


def _bad_values(rows: pd.DataFrame, name: str):
    for column in REQUIRED:
        for row in rows.index[rows[column] == ""]:
            yield f"{name} row {row + 2}: '{column}' is empty; every row needs one"
    for row in rows.index[(rows["id"] != "") & rows["id"].duplicated()]:
        yield f"{name} row {row + 2}: id '{rows['id'][row]}' stands in an earlier row too; ids must be unique"
    for column in ("target", "label"):
        filled = rows[column] != ""
        if filled.any() and not filled.all():
            for row in rows.index[~filled]:
                yield f"{name} row {row + 2}: '{column}' is empty while other rows have one; fill it in or drop the row"


def _bad_splits(rows: pd.DataFrame, name: str):
    filled = rows["split"] != ""
    if not filled.any():
        return
    for row in rows.index[~rows["split"].isin(SPLITS)]:
        yield (
            f"{name} row {row + 2}: split '{rows['split'][row]}' is none of {', '.join(SPLITS)}; "
            "correct it, or leave the whole column empty to have patients split for you"
        )
    for patient, splits in rows[filled].groupby("patient")["split"].unique().items():
        if len(splits) > 1:
            yield f"{name}: patient '{patient}' is in the splits {' and '.join(sorted(splits))}; keep it in one"
    for split, labels in rows[filled].groupby("split")["label"].unique().items():
        for label in sorted(set(rows["label"]) - set(labels)):
            yield f"{name}: split '{split}' has no image with the label '{label}'; move a patient of it there"


def _bad_paths(manifest: Manifest):
    root = manifest.root.resolve()
    for column in FILES:
        for row, cell in manifest.rows[column].items():
            for entry in filter(None, cell.split(MASK_SEPARATOR)):
                path = manifest.path(entry.partition("#")[0])
                where = f"{manifest.name} row {row + 2}: {column} '{entry}'"
                if not path.resolve().is_relative_to(root):
                    yield f"{where} leaves the dataset's folder; move the file inside"
                elif not path.is_file():
                    yield f"{where} does not exist; correct the path or drop the row"

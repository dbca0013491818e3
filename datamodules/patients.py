"""Whose the images of a released set are: by a table of the user's, or each a patient of its own."""

from pathlib import Path

import pandas as pd

from datamodules.errors import InputError
from datamodules.tables import LINE, read_table

COLUMNS = ("id", "patient")  # of a table of patients


def unnamed(data: str, but: str = "") -> str:
    """What every table has to say of data whose patients nobody has named."""
    return f"Images count as patients in {data}{but}: no table of patients was given."


def read_patients(path: Path) -> dict[str, str]:
    """The patient of every id, of a CSV with the columns ``id, patient``.

    Raises:
        InputError: it is none, has an empty cell, or an id twice.
    """
    path = Path(path)  # from Python it may be text
    table = read_table(path, COLUMNS) if path.is_file() else pd.DataFrame()
    if not set(COLUMNS) <= set(table.columns):
        raise InputError(f"{path}: not a CSV with the columns {', '.join(COLUMNS)}; correct it")
    InputError.raise_for(
        f"{path.name} row {line}: '{column}' is empty; every row needs one"
        for column in COLUMNS
        for line in table[LINE][table[column] == ""]
    )
    twice = table[table["id"].duplicated()]
    InputError.raise_for(
        f"{path.name} row {line}: id '{name}' stands in an earlier row too; keep one"
        for line, name in zip(twice[LINE], twice["id"], strict=True)
    )
    return dict(zip(table["id"], table["patient"], strict=True))


def with_patients(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A manifest's rows with the patients of that table.

    Raises:
        InputError: of :func:`read_patients`, or for every image that the table leaves out.
    """
    known = read_patients(path)
    InputError.raise_for(f"{path}: has no row for '{name}'; add it" for name in rows["id"] if name not in known)
    return rows.assign(patient=[known[name] for name in rows["id"]])

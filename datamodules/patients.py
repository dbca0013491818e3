"""Whose the images of a released set are: by a table of the user's, or each a patient of its own."""

from pathlib import Path

import pandas as pd

from datamodules.errors import InputError
from datamodules.tables import read_by_id


def unnamed(data: str, but: str = "") -> str:
    """What every table has to say of data whose patients nobody has named."""
    return f"Images count as patients in {data}{but}: no table of patients was given."


def with_patients(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A manifest's rows with the patients of a CSV with the columns ``id, patient``.

    Raises:
        InputError: of :func:`datamodules.tables.read_by_id`, or for every image that the table leaves out.
    """
    known = read_by_id(path, "patient")
    InputError.raise_for(f"{path}: has no row for '{name}'; add it" for name in rows["id"] if name not in known)
    return rows.assign(patient=[known[name] for name in rows["id"]])

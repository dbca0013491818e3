"""Published splits: a table that says of every image on which side it is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from datamodules.errors import InputError
from datamodules.manifest import SPLITS, parted
from datamodules.splits import split_patients
from datamodules.tables import read_by_id

SHIPPED = Path(__file__).parent / "published"
NAMED = 3  # ids in one message


def find_split_file(name: Path) -> Path:
    """A table by its path, or by its name where it comes with this package."""
    shipped = SHIPPED / f"{name}.csv"
    return shipped if shipped.is_file() and not Path(name).exists() else Path(name)


def split_by_file(
    rows: pd.DataFrame, file: Path, fractions: tuple[float, float, float] = (0.9, 0.1, 0.0), seed: int = 0
) -> pd.Series:
    """The split of every row by a CSV with the columns ``id, split``.

    Where it names no ``val``, a part of the training patients is set aside for it: as large beside the rest as
    ``fractions`` (train, validation, test) make it.

    Args:
        rows: a manifest's rows.
        file: the CSV, or the name of one in ``datamodules/published``.

    Raises:
        InputError: the table is none, names other splits, leaves images out or has more than there are, parts a
            patient, or has not every label on every side.
    """
    path = find_split_file(file)
    known = read_by_id(path, "split")
    InputError.raise_for(
        f"{path.name}: id '{name}': split '{split}' is none of {', '.join(SPLITS)}; correct it"
        for name, split in known.items()
        if split not in SPLITS
    )
    InputError.raise_for(_strangers(path.name, known, rows["id"]))
    split = rows["id"].map(known).rename("split")
    if not (split == "val").any():
        split = _with_validation(rows, split, fractions, seed)
    InputError.raise_for(parted(rows.assign(split=split), path.name))
    return split


def _strangers(name: str, known: dict[str, str], ids: pd.Series) -> Iterator[str]:
    """Images that are not the table's own."""
    there = set(ids)
    if missing := [one for one in ids if one not in known]:
        yield f"{name}: has no row for {_listed(missing)}; add one for every image, or name another split file"
    if unknown := [one for one in known if one not in there]:
        yield f"{name}: the data has no image {_listed(unknown)}; complete the data, or drop the rows"


def _listed(names: Iterable[str]) -> str:
    names = [f"'{name}'" for name in names]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _with_validation(
    rows: pd.DataFrame, split: pd.Series, fractions: tuple[float, float, float], seed: int
) -> pd.Series:
    train, val, _ = fractions
    if not val:
        return split
    part = val / (train + val)
    own = rows[split == "train"]
    return split.where(split != "train", split_patients(own, (1 - part, part, 0.0), 0, seed))

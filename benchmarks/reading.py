"""Files of a results folder as they are read, and named where they were cut, emptied or are of another kind."""

import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import InputError
from datamodules.tables import without_guards

TEXT = ("id", "patient", "organ", "device", "column")  # whatever they look like: 1 and 001, NA and null are names
UNREADABLE = (OSError, EOFError, ValueError, RecursionError, zlib.error)


def say_left_out(what: InputError) -> None:
    """On the way to a report that can do without."""
    print(f"left out: {what}", file=sys.stderr)


def read_json(path: Path, kind: type = dict) -> Any:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise damaged(path, error) from None
    if not isinstance(read, kind):
        raise damaged(path, f"it holds a {type(read).__name__}, not a {kind.__name__}")
    return read


def with_keys(path: Path, read: dict[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InputError if a key is missing or of another kind."""
    for key, kind in kinds.items():
        if not isinstance(read.get(key), kind):
            raise damaged(path, f"its '{key}' is missing or of another kind")
    return read


def check_numbers(path: Path, table: pd.DataFrame, columns: Iterable[str]) -> None:
    for name in columns:
        if name not in table or not pd.api.types.is_numeric_dtype(table[name]):
            raise damaged(path, f"its column '{name}' is missing or has texts")


def check_probabilities(path: Path, table: pd.DataFrame) -> None:
    """Raises InputError if a classifier's label is neither 0 nor 1, or a probability not from 0 to 1. None of either
    (NaN) is no damage: :meth:`benchmarks.results.Results.scores` leaves the image out."""
    check_numbers(path, table, ("label", "probability"))
    for name, fits in (("label", table["label"].isin([0, 1])), ("probability", table["probability"].between(0, 1))):
        if not (fits | table[name].isna()).all():
            raise damaged(path, f"its column '{name}' has a value that is no {name}")


def read_curves(path: Path) -> pd.DataFrame:
    try:
        curves = pd.read_csv(path)
    except UNREADABLE as error:
        raise damaged(path, error) from None
    check_numbers(path, curves, ["epoch", *curves.filter(like="val/")])
    return curves


def damaged(path: Path, why: Exception | str) -> InputError:
    told = (why.strerror if isinstance(why, OSError) else None) or str(why)
    return InputError(f"{path}: is damaged ({' '.join(told.split())[:100]})")


def read_images(path: Path, text: Iterable[str] = TEXT) -> pd.DataFrame:
    """A table of a row an image. Its columns ``text`` hold what was written, letter by letter; of the others an empty
    cell is NaN.

    Raises:
        InputError: the file is not there or cannot be read.
    """
    try:
        numbers = pd.read_csv(path, nrows=0).columns.difference(list(text))
        empty = {name: ["", "nan"] for name in numbers}
        return without_guards(pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=empty))
    except UNREADABLE as error:
        raise damaged(path, error) from None


def read_whole_images(path: Path, needed: Iterable[str], text: Iterable[str] = TEXT) -> pd.DataFrame:
    """The same, with rows, the columns that are ``needed``, and an end. Raises InputError likewise."""
    table = read_images(path, text)
    if missing := sorted(set(needed) - set(table)):
        raise damaged(path, f"it has no column '{missing[0]}'")
    if table.empty or not path.read_bytes().endswith(b"\n"):
        raise damaged(path, "it has no rows" if table.empty else "it ends within a row")
    return table

"""A CSV as its user meant it: every cell text, stripped, and every row with its number in an editor. And our own CSV,
in which a spreadsheet finds no formula."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import InputError

LINE = "line"  # the column that holds a row's number in an editor
SEPARATORS = (",", ";", "\t")
ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
Row = tuple[int, list[str]]  # number in an editor, cells
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would run begins so, or did before it was guarded


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV without its index. An apostrophe stands before every text, names of columns included, that begins
    as a formula does; numbers are left alone. :func:`without_guards` takes it off again, and nothing else."""
    texts = {name: table[name].map(_guarded) for name in table.select_dtypes(exclude="number")}
    returns = any("\r" in str(text) for column in texts.values() for text in column)  # which csv leaves without quotes
    quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    return table.assign(**texts).rename(columns=_guarded).to_csv(index=False, quoting=quoting)


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def without_guards(table: pd.DataFrame) -> pd.DataFrame:
    """What :func:`csv_text` was given, of what pandas has read: every text letter by letter."""
    texts = {name: table[name].map(_unguarded) for name in table.select_dtypes(exclude="number")}
    return table.assign(**texts).rename(columns=_unguarded)


def _unguarded(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value[:1] == "'" and FORMULA.match(value) else value


def read_table(path: Path, required: tuple[str, ...], known: tuple[str, ...] = ()) -> pd.DataFrame:
    """The columns of a CSV, as text, "" where empty; :data:`LINE` is the number of a row's first line, from 1.

    Text is UTF-8, or what a byte order mark says. The separator is the comma, or the semicolon or tab where these give
    the header its ``required`` columns. Names that are ``required`` or ``known`` may be in capitals. Empty rows, and
    empty fields at the end of rows or header, mean nothing.

    Raises:
        InputError: the file cannot be read, or a row has not the fields of the header.
    """
    text = _decode(path)
    found = ((number, cells) for number, cells in _split(path, text, _separator(text, required)) if any(cells))
    header, rows = next(found, (1, []))[1], list(found)
    names = _names(path.name, header, {*required, *known})
    InputError.raise_for(_odd_rows(path.name, rows, len(names)))
    table = pd.DataFrame([cells[: len(names)] for _, cells in rows], columns=range(len(names)), dtype=str)
    table = table.drop(columns=list(_unnamed(path.name, table, names)))
    table.columns = pd.Index([names[place] for place in table.columns])
    return table.assign(**{LINE: [number for number, _ in rows]})


def read_by_id(path: Path, column: str) -> dict[str, str]:
    """What a CSV with the columns ``id`` and ``column`` says of every id.

    Raises:
        InputError: it is none, has an empty cell, or an id twice.
    """
    columns, path = ("id", column), Path(path)  # from Python it may be text
    table = read_table(path, columns) if path.is_file() else pd.DataFrame()
    if not set(columns) <= set(table.columns):
        raise InputError(f"{path}: not a CSV with the columns {', '.join(columns)}; correct it")
    InputError.raise_for(
        f"{path.name} row {line}: '{name}' is empty; every row needs one"
        for name in columns
        for line in table[LINE][table[name] == ""]
    )
    twice = table[table["id"].duplicated()]
    InputError.raise_for(
        f"{path.name} row {line}: id '{name}' stands in an earlier row too; keep one"
        for line, name in zip(twice[LINE], twice["id"], strict=True)
    )
    return dict(zip(table["id"], table[column], strict=True))


def _decode(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from None
    if not raw.strip():
        raise InputError(f"{path}: the file is empty; write a header and a row an image")
    encoding = next((name for mark, name in ENCODINGS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: not a readable CSV (row {row}: {error.reason}); save it as comma-separated UTF-8 text"
        ) from None
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}: not a readable CSV (row {row} holds a NUL byte); save it as UTF-8 text")
    return text


def _separator(text: str, required: tuple[str, ...]) -> str:
    header = next((line for line in io.StringIO(text) if line.strip()), "")[: csv.field_size_limit()]
    for separator in SEPARATORS:
        names = {name.strip(' "').lower() for name in header.split(separator)}
        if set(required) <= names:
            return separator
    return SEPARATORS[0]


def _split(path: Path, text: str, separator: str) -> Iterator[Row]:
    """Rows with the numbers of their first lines; a quoted cell may have several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, [cell.strip() for cell in cells]
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: not a readable CSV (row {start}: {error}); check its quotes") from None


def _names(name: str, header: list[str], known: set[str]) -> list[str]:
    """The header's names without empty ones at its end."""
    names = [cell.lower() if cell.lower() in known else cell for cell in header]
    while names and not names[-1]:
        names.pop()
    doubled = sorted({one for one in names if one and names.count(one) > 1})
    InputError.raise_for(f"{name}: column '{one}' stands twice in the header; keep one" for one in doubled)
    return names


def _odd_rows(name: str, rows: list[Row], width: int) -> Iterator[str]:
    for number, cells in rows:
        if len(cells) < width or any(cells[width:]):
            yield (
                f"{name} row {number}: has {len(cells)} fields but the header {width}; "
                "leave no cell out, and put a cell that holds a separator in quotes"
            )


def _unnamed(name: str, table: pd.DataFrame, names: list[str]) -> Iterator[int]:
    """The places of columns without a name, which may hold nothing, or, the first, pandas' own numbers."""
    numbers = [str(number) for number in range(len(table))]
    for place in (place for place, own in enumerate(names) if not own):
        cells = table[place].tolist()
        if any(cells) and (place > 0 or cells != numbers):
            raise InputError(f"{name}: column {place + 1} has no name; name it in the header, or drop it")
        yield place

"""What a table's key ``faithfulness`` may hold."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.tables.statistics import OF_PROBABILITIES
from benchmarks.vocabulary import Table, Vocabulary
from datamodules.errors import InputError


@dataclass(frozen=True)
class Asked(Vocabulary):
    """``faithfulness: true``, or ``{columns: [A>B]}``.

    Args:
        columns: of a table of sets, those whose images are looked at; all by default.
    """

    columns: list[str] = field(default_factory=list)


def read_asked(where: str, settings: Any, table: Table) -> Asked:
    """The settings, checked against the table.

    Raises:
        InputError: they are none, name columns that the table does not have, or its rows do not translate.
    """
    if settings is not True and not isinstance(settings, dict):
        raise InputError(f"{where} is '{settings}'; write true, or columns: [A>B], or leave it out")
    if classifying := [metric for metric in table.metrics if metric in OF_PROBABILITIES]:
        raise InputError(f"{where}: compares translations, and rows scored by {classifying[0]} make none; leave it out")
    asked = Asked() if settings is True else Asked.read(where, settings)
    if asked.columns and not table.columns:
        raise InputError(f"{where}: columns are those of sets, and the table has none; write true")
    table.check_columns(where, asked.columns)
    return asked

"""What a suite may say under ``overview``: its tasks by name, and where the numbers of each stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.vocabulary import Table, Vocabulary
from datamodules.errors import InputError


@dataclass(frozen=True)
class Task(Vocabulary):
    """One task of an overview. Methods are matched over tables by the names of their rows.

    Args:
        table: of the suite, whose rows are compared.
        quality: the one of its metrics by which they are ranked.
        column: the one of its columns that is meant, where it has some.
        diagnosis: a table of classifiers whose rows are called as the translators are that they see; of its first
            column the AUC is shown.
    """

    table: str
    quality: str
    column: str = ""
    diagnosis: str = ""

    def check(self, where: str, tables: Mapping[str, Table]) -> None:
        """Raises InputError for what the suite's tables do not have."""
        for name in filter(None, (self.table, self.diagnosis)):
            if name not in tables:
                raise InputError(f"{where}: table '{name}' is none of {', '.join(tables)}; correct it")
        table = tables[self.table]
        if self.quality not in table.metrics:
            raise InputError(f"{where}: quality '{self.quality}' is none of {', '.join(table.metrics)}; correct it")
        if table.columns and not self.column:
            raise InputError(f"{where}: its table has columns; say which one by 'column'")
        table.check_columns(where, [self.column] if self.column else [])
        if self.diagnosis and "AUC" not in tables[self.diagnosis].metrics:
            raise InputError(f"{where}: table '{self.diagnosis}' has no AUC; name a table of classifiers that has it")


def read_tasks(where: str, given: Mapping[str, Any], tables: Mapping[str, Table]) -> dict[str, Task]:
    """The tasks of a suite by name, checked against its tables.

    Raises:
        InputError: an unknown key, or what no table has.
    """
    tasks = {name: Task.read(f"{where}: overview: '{name}'", settings) for name, settings in given.items()}
    for name, task in tasks.items():
        task.check(f"{where}: overview: '{name}'", tables)
    return tasks

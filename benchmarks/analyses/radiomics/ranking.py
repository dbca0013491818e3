"""The rows of these tables: methods first, then ceilings, which stand apart and are never the best."""

from collections.abc import Iterable

from benchmarks.plan import PlannedTable
from benchmarks.tables.printing import Entry, with_best


def in_order(table: PlannedTable, *more: str) -> list[str]:
    """The table's rows, with ``more`` after its methods and before its ceilings."""
    methods = [row for row in table.rows if row not in table.ceilings]
    return [*methods, *more, *(row for row in table.rows if row in table.ceilings)]


def best_method(table: PlannedTable, entries: Iterable[Entry], higher_is_better: bool) -> list[Entry]:
    """The entries of one column with the best of the methods marked."""
    entries = list(entries)
    marked = with_best([entry for entry in entries if entry.row not in table.ceilings], higher_is_better)
    by_row = {entry.row: entry for entry in marked}
    return [by_row.get(entry.row, entry) for entry in entries]

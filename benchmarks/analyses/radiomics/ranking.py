"""The rows of these tables: methods first, then ceilings, which stand apart."""

from benchmarks.plan import PlannedTable


def in_order(table: PlannedTable, *more: str) -> list[str]:
    """The table's rows, with ``more`` after its methods and before its ceilings."""
    methods = [row for row in table.rows if row not in table.ceilings]
    return [*methods, *more, *(row for row in table.rows if row in table.ceilings)]

"""The table of costs, from what the cells have measured."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import floor, isnan, log10

import numpy as np

from benchmarks.analyses.cost.columns import COLUMNS, ENERGY, TRAINING_MEMORY, Column
from benchmarks.analyses.cost.record import FILE, CellCost
from benchmarks.plan import PlannedCell, PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.tables.budget import parameters_text
from benchmarks.tables.printing import NAN, Entry, Printed

DIGITS = 3  # of a number that was measured
ABSENT = "-"


@dataclass(frozen=True)
class Costs:
    """Of the finished cells of a table, those of methods."""

    results: Results
    table: PlannedTable

    @cached_property
    def cells(self) -> list[tuple[PlannedCell, CellFolder, CellCost | None]]:
        """Raises InputError if what a cell has measured cannot be read."""
        return [
            (cell, folder, CellCost.read(folder))
            for cell, folder in self.results.finished(self.table.key)
            if cell.row in self.table.candidates
        ]

    def of_column(self, key: str) -> dict[str, float]:
        """The mean of each row that has such a cost."""
        return {row: float(np.mean(values)) for row in self._rows if (values := self._values(row, key))}

    def of_budget(self, key: str) -> dict[str, float]:
        """Likewise of what a cell keeps of its training anyhow."""
        return self.results.mean_budget(self.table.key, key)

    def printed(self) -> Printed:
        columns = [column for column in COLUMNS if self.of_column(column.key)]
        entries = [self._entry(row, column) for column in columns for row in self._rows]
        notes = [*self._on_machines(), *_on_columns(columns), *self._on_missing()]
        title = f"Cost of: {self.table.title}"
        return Printed(f"{self.table.key}_cost", title, [*entries, *self._parameters()], notes)

    @cached_property
    def _rows(self) -> list[str]:
        finished = {cell.row for cell, _, _ in self.cells}
        return [row for row in self.table.rows if row in finished]

    @cached_property
    def _measured(self) -> list[tuple[PlannedCell, CellCost]]:
        return [(cell, cost) for cell, _, cost in self.cells if cost is not None]

    def _values(self, row: str, key: str) -> list[float]:
        values = (cost.costs.get(key, NAN) for cell, cost in self._measured if cell.row == row)
        return [value for value in values if not isnan(value)]

    def _entry(self, row: str, column: Column) -> Entry:
        values = self._values(row, column.key)
        if not values:
            return Entry(row, row, column.name, column.group, ABSENT)
        planned = sum(cell.row == row for cell in self.results.cells_of(self.table.key))
        mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else NAN
        return Entry(
            row, row, column.name, column.group, mean=mean, std_runs=spread, runs=len(values), spread=spread,
            planned=planned, digits=_digits(mean),
        )  # fmt: skip

    def _parameters(self) -> Iterator[Entry]:
        known = self.of_budget("parameters")
        for row in self._rows:
            text = parameters_text(known[row]) if row in known else ABSENT
            yield Entry(row, row, "parameters", text=text, mean=known.get(row, NAN))

    def _on_machines(self) -> Iterator[str]:
        measured = [cost for _, cost in self._measured]
        if not measured:
            return
        devices, threads = _all(cost.device for cost in measured), _all(cost.threads for cost in measured)
        batches, precisions = _all(cost.batch for cost in measured), _all(cost.precision for cost in measured)
        yield (
            f"Measured in the cells themselves on {devices}, beside what else ran there: threads {threads}, batches of "
            f"{batches}, precision {precisions}; means over runs."
        )

    def _on_missing(self) -> Iterator[str]:
        for cell, folder, cost in self.cells:
            if cost is None:
                yield (
                    f"No cost measured: {cell.name}: there is no {folder.path.name}/{FILE}; remove that folder of "
                    "cells/ and run the suite again."
                )


def _on_columns(columns: list[Column]) -> Iterator[str]:
    """What each one is."""
    told = dict.fromkeys(column.note for column in columns)
    told |= {"parameters: of what an image passes through in use": None}
    yield f"{'; '.join(told)}; {ABSENT}: not measured, as of what is not trained."
    if any(column.key == TRAINING_MEMORY for column in columns):
        yield "Memory of a GPU is what torch allocated; of CPUs what the process held, libraries and data included."
    if any(column.name == ENERGY for column in columns):
        yield "Energy is what the device says that it used, whatever else ran on it."
    else:
        yield "No energy: no device told it."


def _all(values: Iterable[object]) -> str:
    return " and ".join(dict.fromkeys(str(value) for value in values))


def _digits(value: float) -> int:
    """After the point, of a number with :data:`DIGITS` that say something."""
    return max(0, DIGITS - 1 - floor(log10(abs(value)))) if value else 0

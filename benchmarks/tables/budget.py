"""What every row was trained with, beside its scores: parameters, updates, time."""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.plan import PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.tables.printing import OVERALL, Entry

MILLION = 1_000_000


def budget_entries(results: Results, table: PlannedTable, labels: dict[str, str]) -> list[Entry]:
    """An entry a trained row and column of the budget, each a mean over the row's runs; ``labels`` are the rows' names
    in print. Where a table's rows are trained on several sets, updates and time have a column a set.

    Rows that are not trained have none, nor have cells that were run before these numbers were kept.
    """
    return [
        Entry(row, labels[row], name, group, text=printed(mean), mean=mean, apart=row in table.ceilings)
        for name, group, found, printed in _columns(results, table)
        for row in labels
        for mean in [_mean(found, row)]
        if not np.isnan(mean)
    ]


Found = dict[str, list[float]]  # the numbers of a row's runs
Column = tuple[str, str, Found, Callable[[float], str]]


def _columns(results: Results, table: PlannedTable) -> Iterator[Column]:
    """Name, group, numbers and way of printing of each column that has a number."""
    trained = [(cell, budget) for cell, folder in results.finished(table.key) if (budget := folder.budget)]
    sets = list(dict.fromkeys(cell.train for cell, _ in trained))
    yield "parameters", OVERALL, _of_rows(trained, "parameters"), parameters_text
    if any(budget["passes"] > 1 for _, budget in trained):
        yield "passes", OVERALL, _of_rows(trained, "passes"), updates_text
    for name, printed in (("updates", updates_text), ("training", time_text)):
        for train in sets:
            own = [(cell, budget) for cell, budget in trained if cell.train == train]
            yield name, train if len(sets) > 1 else OVERALL, _of_rows(own, name), printed


def _of_rows(trained: list[tuple[PlannedCell, dict[str, float]]], name: str) -> Found:
    found: Found = {}
    for cell, budget in trained:
        found.setdefault(cell.row, []).append(budget[name])
    return found


def _mean(found: Found, row: str) -> float:
    return float(np.mean(found[row])) if row in found else float("nan")


def parameters_text(number: float) -> str:
    """54,411,907 as 54.4 M; below a million every one of them."""
    return f"{number / MILLION:.1f} M" if number >= MILLION else f"{number:,.0f}"


def updates_text(number: float) -> str:
    return f"{number:,.0f}"


def time_text(seconds: float) -> str:
    """In hours and minutes, minutes and seconds, or seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{seconds:.1f} s"

"""Which rows are behind one that takes no training: a note under a table."""

from collections.abc import Iterable

from benchmarks.plan import PlannedTable
from benchmarks.results import Metric
from benchmarks.tables.printing import OVERALL, Entry


def behind_trivial(table: PlannedTable, metrics: dict[str, Metric], entries: Iterable[Entry]) -> list[str]:
    """A line that names every method whose mean is worse than a trivial row's, in which column and than which; of all
    images, or of each column of sets. Likeness to the source, where nothing beats the source, is left out.

    Args:
        entries: of the whole table, in its order.
    """
    trivial = {row for row in table.rows if row not in (*table.candidates, *table.ceilings)}
    seen = [
        entry
        for entry in entries
        if entry.group in (OVERALL, *table.columns) and metrics[entry.metric].compares != "source"
        if entry.runs == entry.planned > 0
    ]
    behind: dict[str, list[str]] = {}
    for entry in (entry for entry in seen if entry.row in table.candidates):
        others = [other for other in seen if other.row in trivial and other.head == entry.head]
        better = [other.row for other in others if _better(other.mean, entry.mean, metrics[entry.metric])]
        if better:
            behind.setdefault(f"in {entry.head} ({', '.join(better)})", []).append(entry.row)
    told = "; ".join(f"{column}: {_quoted(rows)}" for column, rows in behind.items())
    return [f"Behind a row that takes no training {told}."] if told else []


def _quoted(rows: list[str]) -> str:
    return ", ".join(f"'{row}'" for row in rows)  # names may hold commas


def _better(one: float, other: float, metric: Metric) -> bool:
    if metric.higher_is_better is None:  # the closest to 0 is
        return abs(one) < abs(other)
    return one > other if metric.higher_is_better else one < other

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
    untold = {name for name, metric in metrics.items() if metric.compares == "source"}
    trivial = {row for row in table.rows if row not in (*table.candidates, *table.ceilings)}
    done = [e for e in entries if e.metric in metrics and e.metric not in untold and e.runs == e.planned > 0]
    seen = [entry for entry in done if entry.group in (OVERALL, *table.columns)]
    behind: dict[str, list[str]] = {}
    for entry in (entry for entry in seen if entry.row in table.candidates):
        others = [other for other in seen if other.row in trivial and other.head == entry.head]
        better = [other.row for other in others if _better(other.mean, entry.mean, metrics[entry.metric])]
        if better:
            behind.setdefault(entry.row, []).append(f"{entry.head} ({', '.join(better)})")
    told = "; ".join(f"{row} in {', '.join(columns)}" for row, columns in behind.items())
    return [f"Behind a row that takes no training: {told}."] if told else []


def _better(one: float, other: float, metric: Metric) -> bool:
    if metric.higher_is_better is None:  # the closest to 0 is
        return abs(one) < abs(other)
    return one > other if metric.higher_is_better else one < other

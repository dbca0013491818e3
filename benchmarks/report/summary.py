"""What stands on top of the page, a card a table: what was compared and on what, the best row, budgets, failures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite

from benchmarks.plan import PlannedTable
from benchmarks.results import Metric, Results
from benchmarks.tables.budget import updates_text
from benchmarks.tables.intervals import interval_of
from benchmarks.tables.printing import OVERALL, Entry, Printed
from benchmarks.tables.statistics import by_patient

BARS = 14  # rows that a card draws
MARGIN = 0.04  # of the width, on both sides of what is drawn
METHOD, TRIVIAL, CEILING = "method", "trivial", "ceiling"
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Bar:
    """A row's mean and its interval, as parts of the width in per cent; at its edge where the row is ``beyond`` it."""

    label: str
    kind: str
    text: str
    mean: float
    low: float
    high: float
    best: bool
    beyond: bool = False


@dataclass(frozen=True)
class Card:
    """Of one table by its first metric, in all images or in the table's first column. ``bars`` are its rows, the best
    first; ``lines`` what there is to say of them, ``faults`` what failed or has not run."""

    title: str
    metric: str
    leader: str
    score: str
    lines: list[str]
    faults: list[str]
    bars: list[Bar] = field(default_factory=list)


def card_of(results: Results, table: PlannedTable, printed: Printed) -> Card:
    """``printed`` is the table of its scores."""
    metric = results.metrics(table.key)[table.metrics[0]]
    group = table.columns[0] if table.columns else OVERALL
    own = [entry for entry in printed.entries if (entry.metric, entry.group) == (metric.name, group)]
    ranked = _ranked([entry for entry in own if entry.runs and isfinite(entry.mean)], metric)
    intervals = _intervals(results, table, metric, ranked[:BARS])
    leader = next((entry for entry in ranked if entry.best), None)
    lines = [*_measured_on(printed), _compared(results, table), *_on_leader(leader, ranked)]
    lines += _on_budget(results, table)
    lines += [f"{len(ranked) - BARS} more rows stand in the table."] if len(ranked) > BARS else []
    return Card(
        table.title,
        metric.name if group == OVERALL else f"{metric.name}, {group}",
        leader.label if leader else "",
        _score(leader, intervals.get(leader.row), metric) if leader else "",
        lines,
        [*_faults(results, table)],
        _bars(table, ranked[:BARS], intervals),
    )


def _ranked(entries: list[Entry], metric: Metric) -> list[Entry]:
    """The best first."""
    if metric.higher_is_better is None:
        return sorted(entries, key=lambda entry: abs(entry.mean))
    return sorted(entries, key=lambda entry: entry.mean, reverse=metric.higher_is_better)


def _intervals(results: Results, table: PlannedTable, metric: Metric, entries: list[Entry]) -> dict[str, Interval]:
    scores = results.scores(table.key)
    if table.columns and "column" in scores:
        scores = scores[scores["column"] == table.columns[0]]
    if table.per and len(scores):
        scores = by_patient(scores, [metric])
    return {entry.row: interval_of(scores[scores["row"] == entry.row], metric) for entry in entries}


def _score(entry: Entry, interval: Interval, metric: Metric) -> str:
    """With its interval, or else with its spread."""
    if interval is None:
        return entry.printed()
    low, high = (f"{side:.{metric.digits}f}" for side in interval)
    return f"{entry.mean:.{metric.digits}f} (95 % interval {low} to {high})"


def _measured_on(printed: Printed) -> Iterator[str]:
    yield from (note for note in printed.notes if note.startswith(("Measured on", "Own data")))


def _compared(results: Results, table: PlannedTable) -> str:
    rows = len(table.candidates or table.rows)
    counts = [(rows, "method"), (len(table.rows) - rows - len(table.ceilings), "row without training"),
              (len(table.ceilings), "ceiling")]  # fmt: skip
    told = ", ".join(f"{count} {name if count == 1 else _plural(name)}" for count, name in counts if count > 0)
    runs = results.planned_runs(table.key)
    return f"{told}; {runs} run{'s' * (runs != 1)} of each."


def _plural(name: str) -> str:
    first, *rest = name.split(" ")
    return " ".join([f"{first}s", *rest])


def _on_leader(leader: Entry | None, ranked: list[Entry]) -> Iterator[str]:
    """Which rows the best one is not told apart from."""
    if leader is None:
        yield "No row has a score yet."
        return
    equals = [entry.label for entry in ranked if entry.best and entry is not leader]
    if equals:
        yield f"Not told apart from it: {', '.join(equals)}."


def _on_budget(results: Results, table: PlannedTable) -> Iterator[str]:
    updates = sorted({folder.budget["updates"] for _, folder in results.finished(table.key) if folder.budget})
    if not updates:
        return
    told = " to ".join(updates_text(number) for number in dict.fromkeys((updates[0], updates[-1])))
    equal = "all trained rows alike" if len(updates) == 1 else "rows differ"
    yield f"Budget: {told} updates, {equal}{' (budget: free)' if table.budget else ''}."


def _faults(results: Results, table: PlannedTable) -> Iterator[str]:
    """A line a row that failed, with its first reason, and one on what has not run."""
    folders = [(cell, results.cell(cell.hash)) for cell in results.cells_of(table.key)]
    undone = [(cell, folder.failure) for cell, folder in folders if not folder.finished]
    for row in table.rows:
        reasons = [why for cell, why in undone if cell.row == row and why]
        runs = sum(cell.row == row for cell, _ in folders)
        if reasons:
            yield f"Failed: {row}, {len(reasons)} of {runs} cells: {reasons[0]}"
    waiting = [cell.row for cell, why in undone if not why]
    if waiting:
        rows = ", ".join(dict.fromkeys(waiting))
        yield f"{len(waiting)} of {len(folders)} cells have not run, or are not in this folder: {rows}."


def _bars(table: PlannedTable, ranked: list[Entry], intervals: dict[str, Interval]) -> list[Bar]:
    spans = {entry.row: intervals[entry.row] or (entry.mean, entry.mean) for entry in ranked}
    if not spans:
        return []
    start, stop = _drawn(spans, {entry.row for entry in ranked if _kind(table, entry) != TRIVIAL})

    def place(value: float) -> float:
        inside = min(max(value, start), stop)
        return round(100 * (MARGIN + (1 - 2 * MARGIN) * (inside - start) / (stop - start or 1.0)), 2)

    return [
        Bar(
            entry.row,
            _kind(table, entry),
            f"{entry.mean:.{entry.digits}f}",
            place(entry.mean),
            place(spans[entry.row][0]),
            place(spans[entry.row][1]),
            entry.best,
            not start <= entry.mean <= stop,
        )
        for entry in ranked
    ]


def _drawn(spans: dict[str, tuple[float, float]], trained: set[str]) -> tuple[float, float]:
    """From where to where is drawn: all methods and ceilings, and of the other rows those that are not far away."""
    ends = [end for row, span in spans.items() if row in trained for end in span]
    ends = ends or [end for span in spans.values() for end in span]
    low, high = min(ends), max(ends)
    width = high - low
    near = [end for span in spans.values() for end in span if low - width <= end <= high + width]
    return min(near), max(near)


def _kind(table: PlannedTable, entry: Entry) -> str:
    if entry.apart:
        return CEILING
    return METHOD if entry.row in (table.candidates or table.rows) else TRIVIAL

"""What an overview prints and draws: one table of ranks over tasks, one table a task, and two figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.analyses.base import ASPECTS, Figure, Findings, Headline
from benchmarks.overview.figures import critical_difference_plot, pareto_plot
from benchmarks.overview.numbers import numbers_of, scores_by_patient
from benchmarks.overview.ranks import Ranking, beaten, ranking, ranks_of
from benchmarks.overview.settings import Task
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.budget import time_text
from benchmarks.tables.printing import Entry, Printed, with_best
from datamodules.writers import safe_name

KEY, BEATEN = "overview", "rivals beaten"
DIFFERENCES = (
    "Mean ranks over the test patients of a task, 1 is the best. Methods that a bar joins do not differ at 5 % "
    "(Nemenyi, after Friedman's test), as far as patients go: that trainings differ by chance is not in it."
)
COSTS = "Quality against cost; the line is the Pareto front: what no cheaper or equally cheap method beats."


@dataclass(frozen=True)
class Measured:
    """One task with what was measured on it. ``numbers`` are quality first; ``ranks`` is None where patients have no
    scores of their own, or there is nothing to compare."""

    name: str
    task: Task
    table: PlannedTable
    numbers: list[Headline]
    ranks: Ranking | None

    @property
    def quality(self) -> Headline:
        return self.numbers[0]

    def ranked(self, headline: Headline) -> dict[str, float]:
        """The ranks of methods alone: neither trivial rows nor ceilings have one."""
        of_methods = {row: value for row, value in headline.values.items() if row in self.table.candidates}
        return ranks_of(of_methods, headline.higher_is_better)


def overview_findings(results: Results, headlines: Mapping[str, list[Headline]]) -> list[Findings]:
    """The overview; nothing of a suite without one, or before any method is finished on any task. ``headlines`` are
    those of the analyses by table."""
    tasks = results.plan.overview.items()
    measured = [found for name, task in tasks if (found := _measured(results, name, task, headlines))]
    if not measured:
        return []
    figures = [Figure(f"{KEY}_costs", KEY, COSTS, partial(pareto_plot, measured))]
    if any(found.ranks for found in measured):
        figures.insert(0, Figure(f"{KEY}_ranks", KEY, DIFFERENCES, partial(critical_difference_plot, measured)))
    return [Findings([_over_tasks(measured), *map(_of_task, measured)], figures)]


def _measured(results: Results, name: str, task: Task, headlines: Mapping[str, list[Headline]]) -> Measured | None:
    table, numbers = results.plan.tables[task.table], numbers_of(results, task, headlines)
    if not numbers or numbers[0].aspect != "quality" or not set(numbers[0].values) & set(table.candidates):
        return None
    return Measured(name, task, table, numbers, ranking(scores_by_patient(results, task), numbers[0].higher_is_better))


def _over_tasks(measured: list[Measured]) -> Printed:
    """Of every method its rank on each task by quality, and in each aspect how many of its rivals it beats."""
    entries = [entry for found in measured for entry in _ranked(found)]
    for aspect in ASPECTS:
        entries += with_best(_beaten(measured, aspect), higher_is_better=True)
    methods = list(dict.fromkeys(row for found in measured for row in found.table.candidates))
    entries.sort(key=lambda entry: methods.index(entry.row))
    order = dict.fromkeys(entry.head for entry in sorted(entries, key=lambda entry: _place(entry, measured)))
    entries.sort(key=lambda entry: list(order).index(entry.head))
    return Printed(KEY, "Overview", entries, list(_notes(measured)))


def _place(entry: Entry, measured: list[Measured]) -> int:
    names = [found.name for found in measured]
    return names.index(entry.group) if entry.group in names else len(names) + ASPECTS.index(entry.group)


def _ranked(found: Measured) -> list[Entry]:
    ranks, quality = found.ranked(found.quality), found.quality
    entries = [
        Entry(
            row, row, quality.name, found.name, f"{quality.values[row]:.{quality.digits}f} ({rank:g} of {len(ranks)})",
            quality.values[row],
        )
        for row, rank in ranks.items()
    ]  # fmt: skip
    return with_best(entries, quality.higher_is_better)


def _beaten(measured: list[Measured], aspect: str) -> list[Entry]:
    """A task counts once, however many numbers of the aspect it has."""
    of_tasks: dict[str, list[float]] = {}
    for found in measured:
        shares = [beaten(found.ranked(headline)) for headline in found.numbers if headline.aspect == aspect]
        for row in dict.fromkeys(row for own in shares for row in own):
            of_tasks.setdefault(row, []).append(float(np.mean([own[row] for own in shares if row in own])))
    return [
        Entry(row, row, BEATEN, aspect, f"{np.mean(shares):.0f} % ({len(shares)})", float(np.mean(shares)))
        for row, shares in of_tasks.items()
    ]


def _notes(measured: list[Measured]) -> Iterator[str]:
    for found in measured:
        column = f", {found.task.column}" if found.task.column else ""
        yield f"{found.name}: {found.quality.name} of table '{found.task.table}'{column}, and among how many its rank."
    for aspect in ASPECTS[1:]:
        if named := dict.fromkeys(own.name for found in measured for own in found.numbers if own.aspect == aspect):
            yield f"{aspect}: {', '.join(named)}."
    yield (
        f"{BEATEN}: the part of a task's other methods that rank behind it, half of those that rank alike; mean over "
        "the numbers of that aspect, then over tasks, in brackets how many. Methods that serve other tasks have met "
        "other rivals. A rank says nothing of how large a difference is, or whether it is real: see the tables and the "
        "figure."
    )


def _of_task(found: Measured) -> Printed:
    """Quality, use, faithfulness and cost of every row side by side, trivial rows and ceilings too."""
    entries = []
    for headline in found.numbers:
        column = [_number(found, headline, row) for row in found.table.rows if row in headline.values]
        entries += with_best(column, headline.higher_is_better)
    apart = found.table.ceilings
    entries.sort(key=lambda entry: entry.row in apart)
    notes = [
        f"{aspect}: {', '.join(own.name for own in found.numbers if own.aspect == aspect)}."
        for aspect in ASPECTS
        if any(own.aspect == aspect for own in found.numbers)
    ]
    return Printed(f"{KEY}_{safe_name(found.name)}", f"Side by side: {found.name}", entries, [*notes, BEST])


BEST = "Bold: the best number of a column; whether it is better than another is tested in the table of the scores."


def _number(found: Measured, headline: Headline, row: str) -> Entry:
    value = headline.values[row]
    text = time_text(value) if (headline.name, headline.unit) == ("training", "s") else _text(headline, value)
    head = f"{headline.name} ({headline.unit})" if headline.unit and headline.name != "training" else headline.name
    return Entry(row, row, head, text=text, mean=value, apart=row in found.table.ceilings)


def _text(headline: Headline, value: float) -> str:
    return f"{value:,.{headline.digits}f}"

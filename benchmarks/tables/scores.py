"""The table of a suite's scores: a number a row, metric and group. Pure functions of a results folder."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from benchmarks.plan import PlannedTable
from benchmarks.results import Metric, Results
from benchmarks.tables.budget import budget_entries
from benchmarks.tables.notes import notes_of
from benchmarks.tables.printing import NAN, OVERALL, Entry, Printed
from benchmarks.tables.published import beside, printed, read_published
from benchmarks.tables.reference import Reference
from benchmarks.tables.search import ranked, search_notes
from benchmarks.tables.statistics import OF_SET, by_patient, compare, has_scores, holm, not_worse, over_runs
from benchmarks.tables.trivial import behind_trivial
from benchmarks.vocabulary import BETWEEN

LABELS = {"benign": 0, "malignant": 1, "normal": 2}
TESTED = ("bootstrap", "t_test", "t_test_patients", "wilcoxon")  # of a Comparison, each a family of p-values
CEILING = "ceiling"  # what the name of a row that stands apart begins with


def scores_table(results: Results, key: str) -> Printed:
    """The printed table of the scores of a suite's table."""
    return _Scores.of(results, results.plan.tables[key]).printed()


def score_entries(
    results: Results, table: PlannedTable, metrics: Iterable[Metric], scores: pd.DataFrame
) -> list[Entry]:
    """Further metrics of a table's images, which an analysis has in ``scores``: an entry a row in each of the table's
    columns, with the best marked, as :func:`scores_table` has its own."""
    known = {metric.name: metric for metric in metrics}
    own = replace(table, metrics=list(known), groups=[], reference=None)
    return _Scores(results, own, known, scores, read_published(None), Reference(results, own)).entries()


@dataclass(frozen=True)
class _Scores:
    results: Results
    table: PlannedTable
    metrics: dict[str, Metric]
    scores: pd.DataFrame
    published: pd.DataFrame
    reference: Reference

    @classmethod
    def of(cls, results: Results, table: PlannedTable) -> "_Scores":
        metrics, scores = results.metrics(table.key), results.scores(table.key)
        if table.per and len(scores):
            scores = by_patient(scores, metrics.values())
        return cls(results, table, metrics, scores, read_published(table.paper), Reference(results, table))

    def entries(self) -> list[Entry]:
        return [entry for metric, group in self._pieces() for entry in self._column(metric, group)]

    def printed(self) -> Printed:
        entries = self.entries()
        behind = behind_trivial(self.table, self.metrics, entries)
        entries += budget_entries(self.results, self.table, {row: self._label(row) for row in self.table.rows})
        tests = pd.DataFrame(list(self._tests()) if self._compared() else [])
        if len(tests):
            tests = tests.assign(**{f"{name}_holm": holm(tests[name]) for name in TESTED})
        digits = {name: metric.digits for name, metric in self.metrics.items()}
        notes = [*self._search_notes(), *behind, *notes_of(self.results, self.table)]
        return Printed(self.table.key, self.table.title, entries, notes, tests, digits)

    def _search_notes(self) -> list[str]:
        if not self.table.search:
            return []
        columns = {column: self._of_group(column or OVERALL) for column in self.table.columns or [""]}
        return [*search_notes(self.table, self.metrics[self.table.search], columns, self._runs)]

    def _compared(self) -> str:
        """The row that is tested against all others: the one that is named, or of a search of one column the best."""
        if self.table.compare or not self.table.search or len(self.table.columns) > 1:
            return self.table.compare
        found = ranked(self.table, self.metrics[self.table.search], self.scores, self._runs)
        return found[0] if found else ""

    @property
    def _runs(self) -> int:
        return self.results.planned_runs(self.table.key)

    def _pieces(self) -> Iterator[tuple[Metric, str]]:
        """What has a column: each metric, of classes and of all of them, or of the sets trained and tested on."""
        for name in self.table.metrics:
            metric = self.metrics[name]
            groups = [] if metric.pooling == OF_SET else self.table.groups
            for group in self.table.columns or [*groups, OVERALL]:
                yield metric, group

    def _of_group(self, group: str) -> pd.DataFrame:
        if not len(self.scores) or group == OVERALL:
            return self.scores
        if BETWEEN in group:
            return self.scores[self.scores["column"] == group]
        name, wanted = ("label", LABELS[group]) if group in LABELS else ("organ", group)
        return self.scores[self.scores[name] == wanted]

    def _column(self, metric: Metric, group: str) -> list[Entry]:
        """One metric of one group: an entry a method, the ceilings, and the printed ones of others."""
        chosen = self._of_group(group)
        rows = sorted(self.table.rows, key=lambda row: row in self.table.ceilings)
        entries = [self._entry(metric, group, chosen, row) for row in rows]
        complete = [entry.row for entry in entries if not entry.apart and entry.runs == entry.planned > 0]
        # In likeness to the source nothing beats the source itself.
        ranked = [] if metric.compares == "source" else complete
        winners = not_worse({row: chosen[chosen["row"] == row] for row in ranked}, metric)
        entries = [replace(entry, best=entry.row in winners) for entry in entries]
        return entries + self._printed_by_others(metric, group)

    def _label(self, row: str) -> str:
        """A row as it is named in print: what its method has to say beside, and whether it is a ceiling."""
        said = self.results.remark(self.table.key, row)
        label = f"{row} [{said}]" if said else row
        apart = row in self.table.ceilings and not row.startswith(CEILING)
        return f"{CEILING}: {label}" if apart else label

    def _entry(self, metric: Metric, group: str, chosen: pd.DataFrame, row: str) -> Entry:
        own = chosen[chosen["row"] == row]
        numbers = over_runs(own, metric) if has_scores(own, metric) else (NAN, NAN, NAN, 0)
        mean, std_runs, std_images, runs = numbers
        text = self.results.state(self.table.key, row, group)
        return Entry(
            row, self._label(row), metric.name, group, text or ("" if runs else "-"),
            mean, std_runs, std_images, runs, std_images if self.table.per else std_runs,
            self._runs, apart=row in self.table.ceilings, digits=metric.digits,
            **beside(printed(self.published, self.table.rows[row], metric.name, group)),
        )  # fmt: skip

    def _printed_by_others(self, metric: Metric, group: str) -> list[Entry]:
        """Methods that are not run here, whose numbers stand in the paper's column."""
        lines = self.reference.of(metric.name, group)
        return [Entry(name, name, metric.name, group, digits=metric.digits, **beside(line)) for name, line in lines]

    def _tests(self) -> Iterator[dict[str, Any]]:
        """The row named by ``compare`` against every other, on every metric that single images or patients have."""
        row = self._compared()
        for metric, group in self._pieces():
            if metric.pooling == OF_SET:
                continue
            chosen = self._of_group(group)
            for other in (name for name in self.table.rows if name != row and name not in self.table.ceilings):
                ours, theirs = (chosen[chosen["row"] == name] for name in (row, other))
                scored = has_scores(ours, metric) and has_scores(theirs, metric)
                found = compare(ours, theirs, metric) if scored else None
                if found is None:
                    continue
                pair = f"{self.table.rows[row]} vs {self.table.rows[other]}"
                paper = printed(self.published, pair, f"t-test p of {metric.name}", group)["value"]
                # Papers that score patients test over these, the others over runs.
                omitted = ("t_test",) if self.table.per else ("t_test_patients", "wilcoxon")
                line = {"row": row, "other": other, "metric": metric.name, "group": group} | asdict(found)
                yield line | dict.fromkeys(omitted, NAN) | {"paper": paper.iloc[0] if len(paper) else NAN}

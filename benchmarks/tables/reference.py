"""Printed rows of others below ours: those that a suite names, or the ranking of the challenge whose data were used."""

from collections.abc import Iterator

import pandas as pd

from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.printing import OVERALL
from benchmarks.tables.published import read_published
from benchmarks.vocabulary import BETWEEN, Paper

NAMES = {"usenhance_leaderboard": "the USenhance 2023 challenge's own ranking"}
RANKINGS = {"USenhance 2023": Paper("usenhance_leaderboard", "final")}  # by what finished cells call their data
SAME = {"LNCC challenge": "LNCC"}  # what we compute in two ways, the challenge in one


class Reference:
    """The printed rows of others that stand below a table of ours; none, where it has neither."""

    def __init__(self, results: Results, table: PlannedTable) -> None:
        self.table, self.ranked = table, _ranked(results, table)
        self.paper = table.reference or next(iter(self.ranked.values()), None)
        self.lines = read_published(self.paper)

    def of(self, metric: str, group: str) -> Iterator[tuple[str, pd.DataFrame]]:
        """The method and the line of each number of a metric and group. Of a table of sets, the columns that are tested
        on a challenge's data have its ranking."""
        _, between, tested = group.partition(BETWEEN)
        group = OVERALL if between and tested in self.ranked else group
        chosen = self.lines[(self.lines["metric"] == SAME.get(metric, metric)) & (self.lines["group"] == group)]
        for index in chosen.index:
            yield chosen["method"][index], chosen.loc[[index]]

    def notes(self) -> Iterator[str]:
        """What is said of them; nothing where no metric of the table has such a row."""
        metrics = {SAME.get(metric, metric) for metric in self.table.metrics}
        if self.paper is None or not metrics & set(self.lines["metric"]):
            return
        yield f"Below ours, as printed: {NAMES.get(self.paper.paper, self.paper.paper)}."
        if self.paper in RANKINGS.values():
            yield "It is of the challenge's own test images, whose targets are not public: other images than ours."


def _ranked(results: Results, table: PlannedTable) -> dict[str, Paper]:
    """The ranking of each set that is a challenge's data, by the set's name ("" in a table without sets)."""
    data = {cell.train: folder.data["data"] for cell, folder in results.finished(table.key)}
    return {train: RANKINGS[name] for train, name in data.items() if name in RANKINGS}

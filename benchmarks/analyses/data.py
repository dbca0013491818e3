"""The images behind a table, as papers list them first: patients and pairs of each organ in each split."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.analyses.base import Analysis, Findings
from benchmarks.results import PlannedTable, Results
from benchmarks.tables.printing import Entry, Printed
from benchmarks.tables.published import beside, paper_name, read_published
from benchmarks.vocabulary import Paper, Table
from datamodules.counts import count_images, group_of


class DataSummary(Analysis):
    """``summary: {paper: cyclegan_perceptual, table: 1}``: the paper whose counts stand beside ours.

    Counted from the splits of the table's first finished cell.
    """

    key = "summary"
    comes_first = True

    def check(self, where: str, settings: Any, table: Table) -> None:
        Paper.read(f"{where}: {self.key}", settings)

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        finished = results.finished(table.key)
        if not finished:
            return Findings()
        cell, folder = finished[0]
        splits, paper = folder.read_splits(), Paper(**table.analyses[self.key])
        groups = splits["organ"].map(group_of)
        scanners = splits["device"].groupby(groups).unique()
        notes = [
            f"{folder.data['data']}: task {folder.data['task']}; of fold {cell.fold}.",
            f"Scanners of the sources: {'; '.join(f'{group} ' + ', '.join(own) for group, own in scanners.items())}.",
            f"'paper': as printed in the {paper_name(paper)} paper, table {paper.table}: other data.",
        ]
        entries = list(_entries(count_images(splits), read_published(paper)))
        return Findings([Printed(f"{table.key}_data", f"Images of: {table.title}", entries, notes, index="organ")])


def _entries(counts: pd.DataFrame, published: pd.DataFrame) -> Iterator[Entry]:
    for metric in ("patients", "pairs"):
        for count in counts.to_dict("records"):
            group, split = count["group"], count["split"]
            printed = published[(published["metric"] == f"{metric} {split}") & (published["group"] == group)]
            yield Entry(group, group, metric, split, mean=count[metric], runs=1, planned=1, digits=0, **beside(printed))

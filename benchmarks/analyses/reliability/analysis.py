"""The analysis of reliability, of classifiers and of translators."""

from dataclasses import replace
from typing import Any

import pandas as pd

from benchmarks.analyses.base import Analysis, Findings, Headline
from benchmarks.analyses.reliability.diagnoses import brier_entries, diagnosis_findings
from benchmarks.analyses.reliability.measurement import MEASURED, ReliabilityMeasurement
from benchmarks.analyses.reliability.translations import ause_entries, translation_findings
from benchmarks.budget import find_class
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.printing import OVERALL, Entry
from benchmarks.vocabulary import Table
from datamodules.errors import InputError


class Reliability(Analysis):
    """``reliability: true``. Of classifiers it needs their scores alone; it measures translators that say where they
    may be wrong: sSWE with a ``confidence`` head, DDPM with several ``samples``."""

    key = "reliability"
    metrics = MEASURED

    def check(self, where: str, settings: Any, table: Table) -> None:
        if settings is not True and settings != {}:
            raise InputError(f"{where}: {self.key} is '{settings}'; write true, or leave it out")

    def of_cell(self, settings: Any) -> bool:
        return True

    def of_row(self, settings: Any, model: dict[str, Any]) -> bool | None:
        """A row that says nothing is the same cell as where nobody asks, and is not run again."""
        is_unsure = getattr(find_class(model["class_path"], ("zoo",)), "is_unsure", None)
        return True if is_unsure is not None and is_unsure(model.get("init_args", {})) else None

    def measurement(self, of_cell: Any) -> ReliabilityMeasurement:
        return ReliabilityMeasurement()

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        scores = results.scores(table.key)
        if scores.empty:
            return Findings()
        of_kind = diagnosis_findings if "probability" in scores else translation_findings
        return replace(of_kind(results, table, scores), headlines=_headlines(results, table, scores))


def _headlines(results: Results, table: PlannedTable, scores: pd.DataFrame) -> list[Headline]:
    """The Brier score or AUSE, in the first of the table's columns, of rows that are finished."""
    classifiers = "probability" in scores
    entries = brier_entries(results, table, scores) if classifiers else ause_entries(results, table, scores)
    values = _of_first_column(table, entries)
    if not values:
        return []
    name = "Brier" if classifiers else "AUSE"
    head = f"{name}, {table.columns[0]}" if len(table.columns) > 1 else name
    return [Headline(head, "downstream" if classifiers else "faithfulness", values, False, digits=3)]


def _of_first_column(table: PlannedTable, entries: list[Entry]) -> dict[str, float]:
    first = [*table.columns, OVERALL][0]
    return {entry.row: entry.mean for entry in entries if entry.group == first and entry.runs == entry.planned > 0}

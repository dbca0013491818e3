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
from benchmarks.tables.statistics import OF_PROBABILITIES
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

    def of_row(self, settings: Any, model: dict[str, Any], table: Table) -> bool | None:
        """A row that says nothing is the same cell as where nobody asks, and is not run again."""
        if set(table.metrics) & set(OF_PROBABILITIES):
            return None
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
    """The Brier score or AUSE, in each of the table's columns, of rows that are finished."""
    name, aspect, entries = "AUSE", "faithfulness", ause_entries
    if "probability" in scores:
        name, aspect, entries = "Brier", "downstream", brier_entries
    told = entries(results, table, scores)
    found = [
        Headline(name, aspect, _of_column(told, column or OVERALL), False, digits=3, column=column)
        for column in table.columns or [""]
    ]
    return [headline for headline in found if headline.values]


def _of_column(entries: list[Entry], column: str) -> dict[str, float]:
    return {entry.row: entry.mean for entry in entries if entry.group == column and entry.runs == entry.planned > 0}

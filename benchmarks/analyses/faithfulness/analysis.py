"""The analysis of lesions: kept, lost, invented, and whether they look as in the target."""

from typing import Any

from benchmarks.analyses.base import Analysis, Findings, Headline
from benchmarks.analyses.faithfulness.measurement import FaithfulnessMeasurement
from benchmarks.analyses.faithfulness.settings import read_asked
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.vocabulary import Table


class Faithfulness(Analysis):
    """``faithfulness: true``, or ``{columns: [A>B]}``, see :class:`benchmarks.analyses.faithfulness.settings.Asked`."""

    key = "faithfulness"

    def check(self, where: str, settings: Any, table: Table) -> None:
        read_asked(f"{where}: {self.key}", settings, table)

    def of_cell(self, settings: Any) -> dict[str, list[str]]:
        return {} if settings is True else settings

    def measurement(self, of_cell: dict[str, list[str]]) -> FaithfulnessMeasurement:
        return FaithfulnessMeasurement(of_cell.get("columns", []))

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        return Findings()

    def headlines(self, results: Results, table: PlannedTable) -> list[Headline]:
        return []

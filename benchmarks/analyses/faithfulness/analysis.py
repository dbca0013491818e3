"""The analysis of lesions: kept, lost, invented, and whether they look as in the target."""

from typing import Any

from benchmarks.analyses.base import Analysis, Findings
from benchmarks.analyses.faithfulness.figures import faithfulness_figures
from benchmarks.analyses.faithfulness.measurement import FaithfulnessMeasurement
from benchmarks.analyses.faithfulness.measures import read_seen
from benchmarks.analyses.faithfulness.settings import read_asked
from benchmarks.analyses.faithfulness.table import faithfulness_table, headlines, of_columns
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
        seen = read_seen(results, table.key)
        if seen.empty:
            return Findings()
        columns = of_columns(results, table, seen)
        figures = faithfulness_figures(table, columns)
        return Findings([faithfulness_table(table, columns)], figures, headlines(columns))

"""The analysis of costs: a row's training step, latency, memory, operations and energy, beside its parameters."""

from typing import Any

from benchmarks.analyses.base import Analysis, Findings, Headline, Measurement
from benchmarks.analyses.cost.columns import LATENCY
from benchmarks.analyses.cost.table import Costs
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.budget import MILLION
from benchmarks.vocabulary import UNTRAINED, Table
from datamodules.errors import InputError


class Cost(Analysis):
    """``cost: true``: what each row costs, measured in its cells."""

    key = "cost"

    def check(self, where: str, settings: Any, table: Table) -> None:
        if settings is not True:
            raise InputError(f"{where}: {self.key} is '{settings}'; write true, or leave it out")

    def of_cell(self, settings: bool) -> bool:
        return settings

    def of_row(self, settings: bool, model: dict[str, Any], table: Table) -> bool | None:
        """Trivial rows cost nothing, and ceilings are known, not computed."""
        return None if model["class_path"] in UNTRAINED.values() else settings

    def measurement(self, of_cell: bool) -> Measurement:
        from benchmarks.speed.in_cell import CostMeasurement  # which needs torch

        return CostMeasurement()

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        costs = Costs(results, table)
        return Findings([costs.printed()], headlines=_headlines(costs)) if costs.cells else Findings()


def _headlines(costs: Costs) -> list[Headline]:
    parameters = {row: number / MILLION for row, number in costs.of_budget("parameters").items()}
    found = [
        Headline("latency", Cost.key, costs.of_column(LATENCY), False, 1, "ms"),
        Headline("training", Cost.key, costs.of_budget("training"), False, 0, "s"),
        Headline("parameters", Cost.key, parameters, False, 2, "M"),
    ]
    return [headline for headline in found if headline.values]

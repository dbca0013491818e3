"""The analysis of radiomics features: likeness to the target scanner, and the prediction of patients' outcome."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from benchmarks.analyses.base import Analysis, Findings
from benchmarks.analyses.radiomics.comparison import of_column, read_features
from benchmarks.analyses.radiomics.extraction import HOW_TO_INSTALL, Settings
from benchmarks.analyses.radiomics.likeness_table import likeness_findings
from benchmarks.analyses.radiomics.measurement import DICE, RadiomicsMeasurement
from benchmarks.analyses.radiomics.outcome_table import outcome_findings
from benchmarks.analyses.radiomics.settings import Asked
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.vocabulary import Table
from datamodules.errors import InputError


class Radiomics(Analysis):
    """``radiomics: {pairs: A>B, sets: A>A}``, see :class:`benchmarks.analyses.radiomics.settings.Asked`."""

    key = "radiomics"
    metrics = (DICE,)

    def check(self, where: str, settings: Any, table: Table) -> None:
        asked = Asked.read(f"{where}: {self.key}", settings)
        asked.check(f"{where}: {self.key}")
        table.check_columns(where, asked.columns)

    def missing(self) -> str:
        if find_spec("radiomics") is not None:
            return ""
        return f"its features need pyradiomics: {HOW_TO_INSTALL}"

    def of_cell(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The bin width always: a cell that was measured with a former default is measured again."""
        given = {key: settings[key] for key in ("bin_width", "wavelet") if key in settings}
        return {"bin_width": Settings.bin_width} | given

    def measurement(self, of_cell: dict[str, Any]) -> RadiomicsMeasurement:
        return RadiomicsMeasurement(Settings(**of_cell))

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        """Radiomics against the target scanner (Fig. 4b, Table 2 of the harmonizer paper) and prediction of the outcome
        (Table 3, Fig. 6)."""
        features = read_features(results, table.key)
        if features.empty:
            return Findings()
        asked = Asked(**table.analyses[self.key])
        found = likeness_findings(table, features, asked)
        if "outcome" not in features:
            return found
        try:
            more = outcome_findings(table, of_column(features, asked.sets))
        except InputError as error:  # too few patients, one outcome only: the other tables do not depend on it
            (printed,) = found.tables
            notes = [*printed.notes, f"No prediction of the outcome: {error}."]
            return replace(found, tables=[replace(printed, notes=notes)])
        return Findings(
            [*found.tables, *more.tables],
            [*found.figures, *more.figures],
            [*found.headlines, *more.headlines],
        )

"""The analysis of radiomics features: likeness to the target scanner, and the prediction of patients' outcome."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from benchmarks.analyses.base import Analysis, Findings
from benchmarks.analyses.radiomics.comparison import of_column, read_features
from benchmarks.analyses.radiomics.extraction import HOW_TO_INSTALL, Settings
from benchmarks.analyses.radiomics.likeness_table import likeness_findings
from benchmarks.analyses.radiomics.measurement import DICE, RadiomicsMeasurement
from benchmarks.analyses.radiomics.outcome_table import outcome_findings
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.vocabulary import Table, Vocabulary
from datamodules.errors import InputError


@dataclass(frozen=True)
class Asked(Vocabulary):
    """What a table's key ``radiomics`` may hold.

    Args:
        pairs: the column whose images are compared one by one with the target scanner's, region by region.
        sets: the column whose images are compared as a set, and whose patients' outcome is predicted.
        bin_width: of grey levels; see :class:`benchmarks.analyses.radiomics.extraction.Settings`.
        wavelet: likewise; empty for none.
    """

    pairs: str = ""
    sets: str = ""
    bin_width: float = Settings.bin_width
    wavelet: str = Settings.wavelet


class Radiomics(Analysis):
    """``radiomics: {pairs: A>B, sets: A>A}``, see :class:`Asked`."""

    key = "radiomics"
    metrics = (DICE,)

    def check(self, where: str, settings: Any, table: Table) -> None:
        asked = Asked.read(f"{where}: {self.key}", settings)
        columns = {"pairs": asked.pairs, "sets": asked.sets}
        InputError.raise_for(
            f"{where}: {self.key} has no '{name}'; name a column" for name, column in columns.items() if not column
        )
        table.check_columns(where, columns.values())

    def missing(self) -> str:
        if find_spec("radiomics") is not None:
            return ""
        return f"its features need pyradiomics: {HOW_TO_INSTALL}"

    def of_cell(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {key: settings[key] for key in ("bin_width", "wavelet") if key in settings}

    def measurement(self, of_cell: dict[str, Any]) -> RadiomicsMeasurement:
        return RadiomicsMeasurement(Settings(**of_cell))

    def findings(self, results: Results, table: PlannedTable) -> Findings:
        """Radiomics against the target scanner (Fig. 4b, Table 2 of the harmonizer paper) and prediction of the outcome
        (Table 3, Fig. 6)."""
        features = read_features(results, table.key)
        if features.empty:
            return Findings()
        asked = Asked(**table.analyses[self.key])
        found = likeness_findings(table, features, asked.pairs, asked.sets)
        if "outcome" not in features:
            return found
        try:
            more = outcome_findings(table, of_column(features, asked.sets))
        except InputError as error:  # too few patients, one outcome only: the other tables do not depend on it
            (printed,) = found.tables
            notes = [*printed.notes, f"No prediction of the outcome: {error}."]
            return Findings([replace(printed, notes=notes)], found.figures)
        return Findings([*found.tables, *more.tables], [*found.figures, *more.figures])

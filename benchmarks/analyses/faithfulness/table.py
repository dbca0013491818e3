"""The table of faithfulness: a column a measure, and below the rows what the detector makes of the targets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.analyses.base import Headline
from benchmarks.analyses.faithfulness.measurement import WHOLE
from benchmarks.analyses.faithfulness.measures import (
    MEASURES,
    OF_TARGET,
    RANK,
    SPLITS,
    VALUE,
    Measure,
    first_run,
    has_lesions,
    targets,
    translations,
)
from benchmarks.analyses.radiomics.ranking import in_order
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.printing import NAN, OVERALL, Entry, Printed
from benchmarks.tables.scores import CEILING
from benchmarks.tables.statistics import RUN, best, not_worse

THEMSELVES = "targets themselves"
USEFUL = 50.0  # % of the targets' lesions that the detector has to find
KEPT, INVENTED = MEASURES[0], MEASURES[2]
HEADLINES = {"stiffness rank", "speckle KS"}  # beside the lesions' F1
WITHOUT_LESIONS = (
    "No lesion is marked in these images, so what is kept, lost or invented cannot be told; give masks, in folders "
    "'lesion' beside the images or in the manifest's column 'lesion'."
)
UNCALIBRATED = (
    "No detector: the images that it is calibrated on show no lesion that is large enough to be found. What is kept, "
    "lost or invented cannot be told."
)
BOLD = (
    "Bold: the best and every row whose difference from it has a 95 % interval with 0 in it (patients resampled); of "
    "ranks the best alone."
)


@dataclass(frozen=True)
class Lesions:
    """What has been seen of one column of a table, on one kind of scale."""

    results: Results
    table: PlannedTable
    seen: pd.DataFrame
    group: str

    @property
    def kind(self) -> str:
        return str(self.seen["scale"].iloc[0])

    @property
    def measures(self) -> list[Measure]:
        known = has_lesions(self.seen)
        return [measure for measure in MEASURES if self.kind in measure.scales and (known or not measure.of_lesions)]

    @property
    def rows(self) -> list[str]:
        return in_order(self.table)

    def scores(self, measure: Measure, row: str) -> pd.DataFrame:
        return measure.scores(translations(self.seen, row), targets(self.seen))

    def of_targets(self, measure: Measure) -> pd.DataFrame:
        """What the measure makes of the targets, with nothing beside them: the detector's own error."""
        own = targets(self.seen)
        return measure.scores(own, own.iloc[:0])

    def values(self, measure: Measure) -> dict[str, float]:
        """A number a row that has one."""
        found = {row: measure.over_runs(self.scores(measure, row)) for row in self.rows}
        return {row: mean for row, (mean, _, runs) in found.items() if runs}

    def entries(self) -> Iterator[Entry]:
        for measure in self.measures:
            scores = {row: self.scores(measure, row) for row in self.rows}
            if not all(own.empty for own in scores.values()):
                entries = [self._entry(measure, row, own) for row, own in scores.items()]
                yield from self._marked(measure, entries, scores)
                yield self._of_targets(measure)

    def _entry(self, measure: Measure, row: str, scores: pd.DataFrame) -> Entry:
        mean, spread, runs = measure.over_runs(scores)
        state = self.results.state(self.table.key, row, self.group)
        planned = self.results.planned_runs(self.table.key)
        return Entry(
            row, self._label(row), measure.name, self.group, state or ("" if runs else "-"), mean, spread, runs=runs,
            spread=spread, planned=planned, apart=row in self.table.ceilings, digits=measure.digits,
        )  # fmt: skip

    def _label(self, row: str) -> str:
        return f"{CEILING}: {row}" if row in self.table.ceilings and not row.startswith(CEILING) else row

    def _of_targets(self, measure: Measure) -> Entry:
        """Empty where it follows from the definition."""
        scores = self.of_targets(measure)
        mean, spread, runs = measure.over_runs(scores) if measure.by_definition is None else (NAN, NAN, 0)
        return Entry(
            THEMSELVES, THEMSELVES, measure.name, self.group, "", mean, spread, runs=runs, spread=spread, planned=runs,
            apart=True, digits=measure.digits,
        )  # fmt: skip

    def _marked(self, measure: Measure, entries: list[Entry], scores: dict[str, pd.DataFrame]) -> list[Entry]:
        """The best, and every row whose difference from it has a 95 % interval with 0 in it; of ranks the best."""
        complete = [entry.row for entry in entries if not entry.apart and entry.runs == entry.planned > 0]
        if measure.pooling == RANK:
            winners = best({entry.row: entry.mean for entry in entries if entry.row in complete}, True)
            return [replace(entry, best=entry.row in winners) for entry in entries]
        winners = not_worse({row: self._ranked(measure, scores[row]) for row in complete}, measure.metric)
        return [replace(entry, best=entry.row in winners) for entry in entries]

    def _ranked(self, measure: Measure, scores: pd.DataFrame) -> pd.DataFrame:
        """Where nearest what the targets have is best, how far the scores are from that in their run."""
        if measure.higher_is_better is not None:
            return scores
        if measure.by_definition is not None:
            return scores.assign(**{VALUE: scores[VALUE] - measure.by_definition})
        of_runs = self.of_targets(measure).groupby(RUN)[VALUE].mean().rename(OF_TARGET)
        return scores.assign(**{VALUE: scores[VALUE] - scores.join(of_runs, on=RUN)[OF_TARGET]})

    def notes(self) -> Iterator[str]:
        """What was detected, and how sure the detector is."""
        about = f"{self.group}: " if self.group != OVERALL else ""
        own = targets(self.seen)
        first = first_run(own)
        images, lesions = first[first["region"] == WHOLE], first[first["region"] != WHOLE]
        if lesions.empty:
            yield f"{about}{WITHOUT_LESIONS}"
            return
        detector = first.iloc[0]
        if detector["calibrated"] not in SPLITS:
            yield f"{about}{UNCALIBRATED}"
            return
        found = self.of_targets(MEASURES[0])[VALUE].mean()
        beyond = "above" if detector["direction"] > 0 else "below"
        yield (
            f"{about}{len(lesions)} lesions in {len(images)} test images of the first run. Detector: compact regions "
            f"more than {detector['threshold']:.2g} {detector['unit']} {beyond} the tissue about them, smoothed by "
            f"{detector['smoothing']:g} of the sides; calibrated on the targets of {SPLITS[detector['calibrated']]} "
            f"patients. '{THEMSELVES}': its own error, on the test targets."
        )
        if found < USEFUL:
            yield f"{about}The detector finds only {found:.0f} % of the targets' lesions: it says little of rows."


def faithfulness_table(table: PlannedTable, columns: list[Lesions]) -> Printed:
    """The printed table; a line in its place where nothing can be measured."""
    entries = [entry for own in columns for entry in own.entries()]
    heads = {entry.metric for entry in entries}
    if not entries:
        entries = [Entry(row, row, "lesions", text="none marked") for row in table.rows]
    used = [measure for measure in MEASURES if measure.name in heads]
    notes = [
        *(note for own in columns for note in own.notes()),
        *(f"'{measure.name}': {measure.about}." for measure in used),
        *([BOLD] if used else []),
    ]
    return Printed(f"{table.key}_faithfulness", f"Faithfulness of: {table.title}", entries, notes)


def of_columns(results: Results, table: PlannedTable, seen: pd.DataFrame) -> list[Lesions]:
    """Of each column that was looked at, in the table's order; of a table without sets all together."""
    present = [column for column in table.columns if (seen["column"] == column).any()]
    if not present:
        return [Lesions(results, table, seen, OVERALL)]
    return [Lesions(results, table, seen[seen["column"] == column], column) for column in present]


def headlines(columns: list[Lesions]) -> list[Headline]:
    """What the overview shows of each column that was looked at: the F1 of lesions, of elastograms whether the order of
    stiffness is right, and of B-modes whether the speckle is."""
    return [headline for own in columns if has_lesions(own.seen) for headline in _headlines(own)]


def _headlines(own: Lesions) -> Iterator[Headline]:
    column = "" if own.group == OVERALL else own.group
    found = {row: lesion_f1(own, row) for row in own.rows if len(own.scores(KEPT, row))}
    yield Headline("lesion F1", "faithfulness", found, True, 3, column=column)
    for measure in (measure for measure in own.measures if measure.name in HEADLINES):
        values = own.values(measure)
        yield Headline(
            measure.name, "faithfulness", values, bool(measure.higher_is_better), measure.digits, column=column
        )


def lesion_f1(own: Lesions, row: str) -> float:
    """One number of lesions kept, lost and invented, for neither keeping nothing nor inventing everything is faithful:
    2 kept / (2 kept + lost + invented)."""
    kept, invented = own.scores(KEPT, row)[VALUE].dropna() / 100, own.scores(INVENTED, row)[VALUE].dropna()
    return float(2 * kept.sum() / (kept.sum() + len(kept) + invented.sum()))

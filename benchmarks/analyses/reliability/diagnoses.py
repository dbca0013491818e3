"""Tables and figures of classifiers' probabilities: Brier score and calibration, from their scores alone."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Figure, Findings
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.report.figures import places
from benchmarks.results import Metric, Results
from benchmarks.tables.printing import OVERALL, Entry, Printed, with_best
from benchmarks.tables.scores import score_entries
from benchmarks.tables.statistics import RUN, compare

BRIER = Metric("Brier", compares="label", higher_is_better=False, digits=3)
ECE = "ECE"
CALIBRATED = "ECE if calibrated"
BINS = 10
DRAWS = 200  # of labels
CAPTION = (
    "Reliability diagrams of the test images of all runs: part of malignant images against the mean probability in "
    "each tenth of it; bars: how many images are there."
)
NOTES = [
    "Brier: mean of (probability - label)^2, with the 95 % interval of resampling patients; one that always says one "
    "half has 0.25.",
    "ECE: expected calibration error, the mean over images of |part of malignant images - mean probability| in their "
    "tenth of the probability. It is above 0 by chance too: 'if calibrated' is the mean ECE of labels that are drawn "
    "by these very probabilities. Bold of ECE: the best alone.",
]


def brier_entries(results: Results, table: PlannedTable, scores: pd.DataFrame) -> list[Entry]:
    """An entry a row and column of the table."""
    return score_entries(results, table, [BRIER], _with_brier(scores))


def diagnosis_findings(results: Results, table: PlannedTable, scores: pd.DataFrame) -> Findings:
    """A row a method; a panel a row and column of the table."""
    scores, columns, _ = places(_with_brier(scores), table)
    of_columns, entries = brier_entries(results, table, scores), list[Entry]()
    for column in columns:
        own = {row: scores[(scores["row"] == row) & (scores["column"] == column)] for row in table.rows}
        briers = [entry for entry in of_columns if entry.group == (column or OVERALL)]
        entries += [replace(entry, text=_with_interval(entry, own[entry.row]), runs=0) for entry in briers]
        errors = [_calibration(entry, own[entry.row]) for entry in briers]
        complete = [entry for entry in errors if entry.runs == entry.planned]
        best = {entry.row for entry in with_best(complete, False) if entry.best}
        entries += [replace(entry, best=entry.row in best) for entry in errors]
        entries += [_by_chance(entry, own[entry.row]) for entry in briers]
    key = f"{table.key}_reliability"
    notes = [*NOTES, *_of_base_rates(columns, scores)]
    printed = Printed(key, f"Reliability of: {table.title}", entries, notes)
    return Findings([printed], [Figure(f"{key}_diagram", key, CAPTION, lambda: reliability_plot(scores, table))])


def calibration_error(label: np.ndarray, probability: np.ndarray) -> float:
    """The expected calibration error of a probability of malignancy (Naeini et al., AAAI 2015): sum_b n_b / n |mean
    label - mean probability| over ten equal bins b of the probability, each with its upper end. Of arrays ``(n,)``."""
    beyond = np.bincount(_bins(probability), label - probability, minlength=BINS)
    return float(np.abs(beyond).sum() / len(label))


def error_by_chance(probability: np.ndarray, seed: int = 0) -> float:
    """Its mean over labels that are drawn by the probabilities themselves, which are then calibrated."""
    drawn = np.random.default_rng(seed).random((DRAWS, len(probability))) < probability
    return float(np.mean([calibration_error(label, probability) for label in drawn]))


def reliability_plot(scores: pd.DataFrame, table: PlannedTable) -> str:
    """One panel a column (down) and row (across) of the table."""
    from sklearn.calibration import calibration_curve

    scores, columns, rows = places(scores, table)
    figure, axes = panels(len(columns), len(rows), 2.0, 2.3)
    for axis, (column, row) in zip(axes.flat, ((c, r) for c in columns for r in rows), strict=True):
        own = scores[(scores["row"] == row) & (scores["column"] == column)]
        if own.empty:
            axis.axis("off")
            continue
        label, probability = own["label"].to_numpy(), own["probability"].to_numpy()
        share, said = calibration_curve(label, probability, n_bins=BINS, pos_label=1)
        counts = np.bincount(_bins(probability), minlength=BINS)
        middles = (np.arange(BINS) + 0.5) / BINS
        axis.bar(middles, 0.3 * counts / counts.max(), 0.9 / BINS, color="0.85")
        for place, count in zip(middles[counts > 0], counts[counts > 0], strict=True):
            axis.text(place, 0.01, str(count), ha="center", fontsize=5)
        axis.plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
        axis.plot(said, share, "o-", markersize=3, linewidth=1.2)
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability", ylabel="part malignant" if row == rows[0] else "")
        axis.set_title(f"{row}\n{column}", fontsize=8)
    return svg(figure)


def _with_brier(scores: pd.DataFrame) -> pd.DataFrame:
    """A Brier score is a mean over images like any other."""
    return scores.assign(**{BRIER.name: (scores["probability"] - scores["label"]) ** 2})


def _with_interval(entry: Entry, own: pd.DataFrame) -> str:
    """The number with its interval: that of its difference from a classifier that knows all."""
    found = compare(own, own.assign(**{BRIER.name: 0.0}), BRIER) if entry.runs else None
    return entry.printed() + (f" ({max(0.0, found.low):.3f} to {found.high:.3f})" if found else "")


def _calibration(entry: Entry, own: pd.DataFrame) -> Entry:
    """The Brier score's entry with the calibration error in its place, mean over runs."""
    errors = [calibration_error(run["label"].to_numpy(), run["probability"].to_numpy()) for run in _runs(own)]
    spread = float(np.std(errors, ddof=1)) if len(errors) > 1 else float("nan")
    mean = float(np.mean(errors)) if errors else float("nan")
    return replace(entry, metric=ECE, mean=mean, std_runs=spread, std_images=float("nan"), spread=spread, best=False)


def _by_chance(entry: Entry, own: pd.DataFrame) -> Entry:
    errors = [error_by_chance(run["probability"].to_numpy()) for run in _runs(own)]
    mean = float(np.mean(errors)) if errors else float("nan")
    text = f"{mean:.3f}" if errors else entry.text
    return Entry(entry.row, entry.label, CALIBRATED, entry.group, text, mean, apart=entry.apart)


def _runs(own: pd.DataFrame) -> list[pd.DataFrame]:
    return [run for _, run in own.groupby(RUN)]


def _bins(probability: np.ndarray) -> np.ndarray:
    """The tenth of each, as scikit-learn's calibration curve has it."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], probability)


def _of_base_rates(columns: list[str], scores: pd.DataFrame) -> Iterator[str]:
    """What is had by knowing no image."""
    rates = {column: scores["label"][scores["column"] == column].mean() for column in columns}
    told = [
        f"{rate * (1 - rate):.3f}" + (f" ({column})" if column else "")
        for column, rate in rates.items()
        if not np.isnan(rate)
    ]
    if told:
        yield f"One that always says the part of malignant images has a Brier score of {', '.join(told)}."

"""What the features foretell of the patients' outcome, before and after translation (Table 3 and Fig. 6 of the
harmonizer paper)."""

import pandas as pd

from benchmarks.analyses.base import Figure, Findings
from benchmarks.analyses.radiomics.comparison import COMBAT, Prediction, predictions
from benchmarks.analyses.radiomics.outcome import delong
from benchmarks.analyses.radiomics.paper import printed_beside, printed_in
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.tables.printing import Entry, Printed, with_best

SCORES = ("AUC", "accuracy", "specificity", "sensitivity")
VALIDATION = "validation"
CAPTION = "ROC curves of the validation patients; AUC with DeLong's 95 % interval."


def outcome_findings(table: PlannedTable, features: pd.DataFrame) -> Findings:
    """The table of scores on both cohorts, and the ROC curves.

    Raises:
        InputError: the outcome cannot be predicted: too few patients, or one outcome only.
    """
    found = predictions(features, next(iter(table.rows)))
    rows = [*(row for row in table.rows if row in found), COMBAT]
    scores = pd.concat([own.scores.assign(row=row) for row, own in found.items()])
    weights = pd.concat([own.model.coefficients.rename(row) for row, own in found.items()], axis=1)
    printed = Printed(
        f"{table.key}_outcome",
        f"Prediction of the outcome from: {table.title}",
        _ranked([entry for row in rows for entry in _entries(table, row, found[row])]),
        _notes(table, found, scores),
        files={
            f"{table.key}_outcome_scores": scores,
            f"{table.key}_outcome_coefficients": weights.rename_axis("feature").reset_index(),
        },
    )
    return Findings([printed], [Figure(f"{table.key}_outcome", table.key, CAPTION, lambda: outcome_plot(scores))])


def _entries(table: PlannedTable, row: str, found: Prediction) -> list[Entry]:
    count = len(found.model.coefficients)
    entries = [Entry(row, row, "features", "selected", str(count), count, digits=0)]
    for cohort, own in found.results.items():
        for metric in SCORES:
            interval = f" ({own['AUC_low']:.2f} to {own['AUC_high']:.2f})" if metric == "AUC" else ""
            text = f"{own[metric]:.3f}{interval}"
            entries.append(Entry(row, row, metric, cohort, text, own[metric], digits=3))
    return [printed_beside(table, entry) for entry in entries]


def _ranked(entries: list[Entry]) -> list[Entry]:
    """The best of each score on the validation patients marked."""
    marked: dict[tuple[str, str], Entry] = {}
    for metric in SCORES:
        column = [entry for entry in entries if (entry.metric, entry.group) == (metric, VALIDATION)]
        marked |= {(metric, entry.row): entry for entry in with_best(column, True)}
    return [marked[entry.metric, entry.row] if entry.group == VALIDATION else entry for entry in entries]


def _notes(table: PlannedTable, found: dict[str, Prediction], scores: pd.DataFrame) -> list[str]:
    counted = scores[scores["row"] == scores["row"].iloc[0]].groupby("cohort")["outcome"].agg(["size", "sum"])
    parts = ", ".join(f"{name} {size} ({int(sick)} positive)" for name, size, sick in counted.itertuples())
    dropped = {name for own in found.values() for name in own.model.dropped}
    return [
        f"Patients: {parts}; the same split for every row. AUC with DeLong's 95 % interval; the other scores at the "
        "training cohort's Youden threshold. Everything is chosen on the training cohort.",
        f"Features that could not be used: {', '.join(sorted(dropped)) or 'none'}.",
        *printed_in(table, "text and table 3"),
    ]


def outcome_plot(scores: pd.DataFrame) -> str:
    """ROC curve of every row on the validation patients."""
    from sklearn.metrics import roc_curve

    figure, axes = panels(1, 1, 4.2, 4.0)
    for row, own in scores[scores["cohort"] == VALIDATION].groupby("row", sort=False):
        false, true, _ = roc_curve(own["outcome"], own["probability"])
        area, low, high = delong(own["outcome"].to_numpy(), own["probability"].to_numpy())
        axes[0][0].plot(false, true, linewidth=1.2, label=f"{row} {area:.2f} ({low:.2f} to {high:.2f})")
    axes[0][0].plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
    axes[0][0].set(xlabel="false positive rate", ylabel="true positive rate")
    axes[0][0].legend(fontsize=7, loc="lower right")
    return svg(figure)

"""What the features foretell of the patients' outcome, before and after translation (Table 3 and Fig. 6 of the
harmonizer paper)."""

import pandas as pd

from benchmarks.analyses.base import Figure, Findings, Headline
from benchmarks.analyses.radiomics.comparison import Prediction, combat_prediction, predictions
from benchmarks.analyses.radiomics.outcome import area_with_interval
from benchmarks.analyses.radiomics.paper import printed_beside, printed_in
from benchmarks.analyses.radiomics.ranking import in_order
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.tables.printing import Entry, Printed, with_best
from datamodules.errors import InputError

COMBAT = "ComBat on features"
SCORES = ("AUC", "accuracy", "specificity", "sensitivity")
VALIDATION = "validation"
CAPTION = "ROC curves of the validation patients; AUC with its 95 % interval."


def outcome_findings(table: PlannedTable, features: pd.DataFrame) -> Findings:
    """The table of scores on both cohorts, and the ROC curves.

    Raises:
        InputError: the outcome cannot be predicted: too few patients, or one outcome only.
    """
    found = predictions(features)
    on_combat = (
        f"'{COMBAT}': fitted on the training patients' lesions, and as its reference on those of the target scanner's "
        "patients that stand beside them, each image once, and none that stands beside a validation patient too unless "
        "fewer than two are left."
    )
    try:
        found[COMBAT] = combat_prediction(features)
    except InputError as error:
        on_combat = f"No '{COMBAT}': {'; '.join(str(error).splitlines())}."
    rows = [row for row in in_order(table, COMBAT) if row in found]
    scores = pd.concat([found[row].scores.assign(row=row) for row in rows])
    weights = pd.concat([found[row].model.coefficients.rename(row) for row in rows], axis=1)
    entries = _ranked([entry for row in rows for entry in _entries(table, row, found[row])])
    printed = Printed(
        f"{table.key}_outcome",
        f"Prediction of the outcome from: {table.title}",
        entries,
        [*_notes(found, scores), on_combat, *printed_in(table, "text and table 3")],
        files={
            f"{table.key}_outcome_scores": scores,
            f"{table.key}_outcome_coefficients": weights.rename_axis("feature").reset_index(),
        },
    )
    figure = Figure(f"{table.key}_outcome", table.key, CAPTION, lambda: outcome_plot(scores))
    areas = (own for own in entries if (own.metric, own.group) == ("AUC", VALIDATION) and own.row != COMBAT)
    return Findings([printed], [figure], [Headline.of_entries("outcome AUC", "downstream", areas, True, 3)])


def _entries(table: PlannedTable, row: str, found: Prediction) -> list[Entry]:
    count, apart = len(found.model.coefficients), row in table.ceilings
    entries = [Entry(row, row, "features", "selected", str(count), count, digits=0, apart=apart)]
    for cohort, own in found.results.items():
        for metric in SCORES:
            interval = f" ({own['AUC_low']:.3f} to {own['AUC_high']:.3f})" if metric == "AUC" else ""
            text = f"{own[metric]:.3f}{interval}"
            entries.append(Entry(row, row, metric, cohort, text, own[metric], digits=3, apart=apart))
    return [printed_beside(table, entry) for entry in entries]


def _ranked(entries: list[Entry]) -> list[Entry]:
    """The best method of each score on the validation patients marked."""
    marked: dict[tuple[str, str], Entry] = {}
    for metric in SCORES:
        column = [entry for entry in entries if (entry.metric, entry.group) == (metric, VALIDATION)]
        marked |= {(metric, entry.row): entry for entry in with_best(column, True)}
    return [marked[entry.metric, entry.row] if entry.group == VALIDATION else entry for entry in entries]


def _notes(found: dict[str, Prediction], scores: pd.DataFrame) -> list[str]:
    counted = scores[scores["row"] == scores["row"].iloc[0]].groupby("cohort")["outcome"].agg(["size", "sum"])
    parts = ", ".join(f"{name} {size} ({int(sick)} positive)" for name, size, sick in counted.itertuples())
    dropped = {name for own in found.values() for name in own.model.dropped}
    return [
        f"Patients: {parts}; the same split for every row. AUC with DeLong's 95 % interval, with Newcombe's where "
        "outcomes are perfectly separated; the other scores at the training cohort's Youden threshold. Everything is "
        "chosen on the training cohort.",
        "Bold: the best alone.",
        f"Features that could not be used: {', '.join(sorted(dropped)) or 'none'}.",
    ]


def outcome_plot(scores: pd.DataFrame) -> str:
    """ROC curve of every row on the validation patients."""
    from sklearn.metrics import roc_curve

    figure, axes = panels(1, 1, 4.2, 4.0)
    for row, own in scores[scores["cohort"] == VALIDATION].groupby("row", sort=False):
        false, true, _ = roc_curve(own["outcome"], own["probability"])
        area, low, high = area_with_interval(own["outcome"].to_numpy(), own["probability"].to_numpy())
        axes[0][0].plot(false, true, linewidth=1.2, label=f"{row} {area:.3f} ({low:.3f} to {high:.3f})")
    axes[0][0].plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
    axes[0][0].set(xlabel="false positive rate", ylabel="true positive rate")
    axes[0][0].legend(fontsize=7, loc="lower right")
    return svg(figure)

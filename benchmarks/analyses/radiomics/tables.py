"""The harmonizer paper's tables and figures beyond the scores of single images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analyses.radiomics.comparison import (
    COMBAT,
    correlations,
    distances,
    load_features,
    numbers,
    predictions,
)
from benchmarks.analyses.radiomics.likeness import Correlation
from benchmarks.analyses.radiomics.measurement import WHOLE
from benchmarks.tables.printing import OVERALL, Table
from benchmarks.tables.published import PAPER_NAMES, beside, read_published
from benchmarks.tables.statistics import best
from datamodules.errors import InputError
from datamodules.writers import write_text_atomically

UNFILTERED = "without wavelets"
HIGHER = {"mean r": True, "Frechet distance": False}
SCORES = ("AUC", "accuracy", "specificity", "sensitivity")
CORRELATION, SELECTION, PREDICTION = "Fig 4b", "text", "3 / Fig 6"  # where the harmonizer paper prints them
PRINTED = {
    "mean r": (CORRELATION, "mean Pearson r of radiomics features with target", OVERALL),
    "features, selected": (SELECTION, "selected features of 451", OVERALL),
    "AUC, validation": (PREDICTION, "AUC", "validation"),
}


def harmonization_tables(out: Path, plan: dict[str, Any], key: str) -> list[Table]:
    """Radiomics against the target scanner (Fig. 4b, Table 2) and prediction of the outcome (Table 3); also written:
    ``tables/<key>_correlations.csv``, ``_outcome_scores.csv`` and ``_outcome_coefficients.csv``."""
    features = load_features(out, plan, key)
    if features.empty:
        return []
    settings = plan["tables"][key]
    tables = [_radiomics(out, settings, key, features)]
    if "outcome" in features:
        try:
            tables.append(_outcome(out, settings, key, features))
        except InputError as error:  # too few patients, one outcome only: the other tables do not depend on it
            tables[0].notes.append(f"No prediction of the outcome: {error}.")
    return tables


def _of_column(features: pd.DataFrame, settings: dict[str, Any], name: str) -> pd.DataFrame:
    return features[features["column"] == settings["radiomics"][name]]


def _radiomics(out: Path, settings: dict[str, Any], key: str, features: pd.DataFrame) -> Table:
    pairs, sets = (_of_column(features, settings, name) for name in ("pairs", "sets"))
    r, apart = correlations(pairs), distances(sets)
    if r:
        by_feature = pd.DataFrame({row: found.by_feature for row, found in r.items()})
        write_text_atomically(out / "tables" / f"{key}_correlations.csv", by_feature.to_csv(index_label="feature"))
    cells = _likeness(settings, OVERALL, r, apart)
    wavelets = [name for name in features if name.startswith("wavelet")]
    if wavelets:
        plain = (table.drop(columns=wavelets) for table in (pairs, sets))
        cells += _likeness(settings, UNFILTERED, correlations(next(plain)), distances(next(plain)))
    cells.sort(key=lambda cell: list(HIGHER).index(cell["metric"]))
    for metric, group in {(cell["metric"], cell["group"]) for cell in cells}:
        own = [cell for cell in cells if (cell["metric"], cell["group"]) == (metric, group)]
        winners = best({cell["row"]: cell["mean"] for cell in own}, HIGHER[metric])
        for cell in own:
            cell["best"] = cell["row"] in winners
    first = pairs[(pairs["region"] != WHOLE) & (pairs["of"] == "made") & (pairs["row"] == pairs["row"].iloc[0])]
    notes = [
        f"{numbers(features).shape[1]} features. mean r: Pearson correlation with the target scanner's image of the "
        "same region, mean over features, 95 % interval of resampling them; "
        f"{len(first)} regions of '{settings['radiomics']['pairs']}'. Without one, being constant: {_undefined(r)}.",
        "Frechet distance: of whole-image features to the target scanner's, each scaled by its deviation over the "
        f"measured images of both sides; '{settings['radiomics']['sets']}'.",
        *_printed_in(settings, CORRELATION),
    ]
    return Table(f"{key}_radiomics", f"Radiomics of: {settings['title']}", pd.DataFrame(cells), notes)


def _likeness(settings: dict[str, Any], group: str, r: dict[str, Correlation], apart: dict[str, list[float]]):
    """Cells of a row's correlation and distance, on all features or a part of them."""
    cells = []
    for row in (row for row in settings["rows"] if row in r or row in apart):
        if row in r:
            text = f"{r[row].mean:.3f} ({r[row].low:.3f} to {r[row].high:.3f})"
            cells.append(_cell(settings, row, "mean r", group, text, r[row].mean))
        if row in apart:
            mean = np.mean(apart[row])
            cells.append(_cell(settings, row, "Frechet distance", group, f"{mean:.1f}", mean))
    return cells


def _undefined(r: dict[str, Correlation]) -> str:
    """The features that have no correlation in some row."""
    rows = {row: found.by_feature.index[found.by_feature.isna()] for row, found in r.items()}
    return "; ".join(f"{row}: {', '.join(names)}" for row, names in rows.items() if len(names)) or "none"


def _outcome(out: Path, settings: dict[str, Any], key: str, features: pd.DataFrame) -> Table:
    found = predictions(_of_column(features, settings, "sets"), next(iter(settings["rows"])))
    scores = pd.concat([own["scores"].assign(row=row) for row, own in found.items()])
    write_text_atomically(out / "tables" / f"{key}_outcome_scores.csv", scores.to_csv(index=False))
    weights = pd.concat([own["model"].coefficients.rename(row) for row, own in found.items()], axis=1)
    text = weights.to_csv(index_label="feature")
    write_text_atomically(out / "tables" / f"{key}_outcome_coefficients.csv", text)
    cells = []
    for row in (*(row for row in settings["rows"] if row in found), COMBAT):
        model, results = found[row]["model"], found[row]["results"]
        count = len(model.coefficients)
        cells.append(_cell(settings, row, "features", "selected", str(count), count))
        for cohort, own in results.items():
            for metric in SCORES:
                interval = f" ({own['AUC_low']:.2f} to {own['AUC_high']:.2f})" if metric == "AUC" else ""
                cells.append(_cell(settings, row, metric, cohort, f"{own[metric]:.3f}{interval}", own[metric]))
    for metric in SCORES:
        of_metric = [cell for cell in cells if (cell["metric"], cell["group"]) == (metric, "validation")]
        winners = best({cell["row"]: cell["mean"] for cell in of_metric}, True)
        for cell in of_metric:
            cell["best"] = cell["row"] in winners
    counted = scores[scores["row"] == scores["row"].iloc[0]].groupby("cohort")["outcome"].agg(["size", "sum"])
    parts = ", ".join(f"{name} {size} ({int(sick)} positive)" for name, size, sick in counted.itertuples())
    dropped = {name for own in found.values() for name in own["model"].dropped}
    notes = [
        f"Patients: {parts}; the same split for every row. AUC with DeLong's 95 % interval; the other scores at the "
        "training cohort's Youden threshold. Everything is chosen on the training cohort.",
        f"Features that could not be used: {', '.join(sorted(dropped)) or 'none'}.",
        *_printed_in(settings, "text and table 3"),
    ]
    return Table(f"{key}_outcome", f"Prediction of the outcome from: {settings['title']}", pd.DataFrame(cells), notes)


def _cell(settings: dict[str, Any], row: str, metric: str, group: str, text: str, value: float) -> dict[str, Any]:
    return {
        "row": row, "label": row, "metric": metric, "group": group, "state": text, "mean": float(value),
        "std_runs": np.nan, "std_images": np.nan, "spread": np.nan, "runs": 0, "planned": 0, "best": False,
    } | _beside(settings, row, metric if group == OVERALL else f"{metric}, {group}")  # fmt: skip


def _beside(settings: dict[str, Any], row: str, head: str) -> dict[str, Any]:
    """The paper's number of that row and column, where the table is one of that paper."""
    table, metric, group = PRINTED.get(head, ("", "", ""))
    published = read_published({"paper": settings["paper"]["paper"], "table": table} if "paper" in settings else None)
    method = settings["rows"].get(row)
    methods = published["method"].replace("original images", "original")
    return beside(published[(methods == method) & (published["metric"] == metric) & (published["group"] == group)])


def _printed_in(settings: dict[str, Any], place: str) -> list[str]:
    if "paper" not in settings:
        return []
    return [f"'paper': as printed in the {PAPER_NAMES[settings['paper']['paper']]} paper, {place}: other data."]

"""How like the target scanner's features are: Pearson's r of pairs and the Frechet distance of sets (Fig. 4b, Table 2
of the harmonizer paper)."""

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Figure, Findings
from benchmarks.analyses.radiomics.comparison import correlations, distances, numbers, of_column
from benchmarks.analyses.radiomics.likeness import Correlation
from benchmarks.analyses.radiomics.measurement import WHOLE
from benchmarks.analyses.radiomics.paper import printed_beside, printed_in
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.tables.printing import OVERALL, Entry, Printed, with_best

R, DISTANCE = "mean r", "Frechet distance"
UNFILTERED = "without wavelets"
CAPTION = "Correlation of every feature with the target scanner's image, sorted by the first row's."


def likeness_findings(table: PlannedTable, features: pd.DataFrame, pairs: str, sets: str) -> Findings:
    """The table of both numbers, on all features and without wavelets, and the heat map of correlations."""
    of_pairs, of_sets = of_column(features, pairs), of_column(features, sets)
    found = correlations(of_pairs)
    entries = _entries(table, OVERALL, found, distances(of_sets))
    wavelets = [name for name in features if name.startswith("wavelet")]
    if wavelets:
        plain_pairs, plain_sets = (features.drop(columns=wavelets) for features in (of_pairs, of_sets))
        entries += _entries(table, UNFILTERED, correlations(plain_pairs), distances(plain_sets))
    entries.sort(key=lambda entry: entry.metric != R)
    notes = [
        f"{numbers(of_pairs).shape[1]} features. mean r: Pearson correlation with the target scanner's image of the "
        "same region, mean over features, 95 % interval of resampling them; "
        f"{_regions(of_pairs)} regions of '{pairs}'. Without one, being constant: {_undefined(found)}.",
        "Frechet distance: of whole-image features to the target scanner's, each scaled by its deviation over the "
        f"measured images of both sides; '{sets}'.",
        *printed_in(table, "Fig 4b"),
    ]
    figures, files = [], {}
    if found:
        by_feature = pd.DataFrame({row: own.by_feature for row, own in found.items()})
        files[f"{table.key}_correlations"] = by_feature.rename_axis("feature").reset_index()
        figures.append(Figure(f"{table.key}_heat", table.key, CAPTION, lambda: heat_plot(by_feature)))
    printed = Printed(f"{table.key}_radiomics", f"Radiomics of: {table.title}", entries, notes, files=files)
    return Findings([printed], figures)


def _entries(table: PlannedTable, group: str, r: dict[str, Correlation], apart: dict[str, list[float]]) -> list[Entry]:
    """Every row's correlation and distance, on all features or a part of them."""
    correlated, distant = [], []
    for row in table.rows:
        if row in r:
            text = f"{r[row].mean:.3f} ({r[row].low:.3f} to {r[row].high:.3f})"
            correlated.append(_entry(table, row, R, group, text, r[row].mean))
        if row in apart:
            mean = float(np.mean(apart[row]))
            distant.append(_entry(table, row, DISTANCE, group, f"{mean:.1f}", mean))
    return [*with_best(correlated, True), *with_best(distant, False)]


def _entry(table: PlannedTable, row: str, metric: str, group: str, text: str, value: float) -> Entry:
    return printed_beside(table, Entry(row, row, metric, group, text, value))


def _regions(pairs: pd.DataFrame) -> int:
    """How many regions of what the first row made are compared."""
    return int(((pairs["region"] != WHOLE) & (pairs["of"] == "made") & (pairs["row"] == pairs["row"].iloc[0])).sum())


def _undefined(r: dict[str, Correlation]) -> str:
    """The features that have no correlation in some row."""
    rows = {row: found.by_feature.index[found.by_feature.isna()] for row, found in r.items()}
    return "; ".join(f"{row}: {', '.join(names)}" for row, names in rows.items() if len(names)) or "none"


def heat_plot(by_feature: pd.DataFrame) -> str:
    """A line a row, a column a feature, coloured by Pearson's r."""
    values = by_feature.T
    values = values[values.iloc[0].sort_values().index]
    figure, axes = panels(1, 1, 8.0, 1.0 + 0.35 * len(values))
    drawn = axes[0][0].imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axes[0][0].set_yticks(range(len(values)), values.index, fontsize=7)
    axes[0][0].set_xlabel(f"{values.shape[1]} features")
    figure.colorbar(drawn, ax=axes[0][0], label="r")
    return svg(figure)

"""How like the target scanner's the features are: Pearson's r of pairs and Frechet distances of sets (Fig. 4b, Table 2
of the harmonizer paper)."""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Figure, Findings, Headline
from benchmarks.analyses.radiomics.comparison import (
    correlations,
    distances,
    of_column,
    of_grey_levels,
    pairs_of,
    radiomics_distances,
)
from benchmarks.analyses.radiomics.likeness import Correlation
from benchmarks.analyses.radiomics.paper import ONE_SOURCE, printed_beside, printed_in
from benchmarks.analyses.radiomics.ranking import in_order
from benchmarks.analyses.radiomics.settings import Asked
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.tables.printing import OVERALL, Entry, Printed, with_best

R, DISTANCE, FRD = "mean r", "Frechet distance", "FRD"
UNFILTERED = "without wavelets"
CAPTION = "Correlation of every feature with the target scanner's image, sorted by the first row's."


def likeness_findings(table: PlannedTable, features: pd.DataFrame, asked: Asked) -> Findings:
    """The table of these numbers, on all features and without wavelets, of each source scanner and of one alone, and
    the heat map of correlations."""
    of_pairs, of_sets = of_column(features, asked.pairs), of_column(features, asked.sets)
    found = correlations(of_pairs)
    groups = _groups(features, asked)
    as_in_paper = ONE_SOURCE if _has_one_source(features, asked) else OVERALL
    entries = [entry for group, own in groups for entry in _correlated(table, group, own, group == as_in_paper)]
    for metric, measured, digits in ((DISTANCE, distances, 1), (FRD, radiomics_distances, 2)):
        for group, own in ((OVERALL, of_sets), *_unfiltered(of_sets)):
            entries += _distant(table, metric, group, measured(own), digits)
    figures, files = [], {}
    if found:
        by_feature = pd.DataFrame({row: found[row].by_feature for row in in_order(table) if row in found})
        files[f"{table.key}_correlations"] = by_feature.rename_axis("feature").reset_index()
        figures.append(Figure(f"{table.key}_heat", table.key, CAPTION, lambda: heat_plot(by_feature)))
    notes = _notes(table, features, asked, found)
    printed = Printed(f"{table.key}_radiomics", f"Radiomics of: {table.title}", entries, notes, files=files)
    return Findings([printed], figures, [_headline(entries, R, True, 3), _headline(entries, DISTANCE, False, 1)])


def _headline(entries: list[Entry], metric: str, higher_is_better: bool, digits: int) -> Headline:
    own = (entry for entry in entries if (entry.metric, entry.group) == (metric, OVERALL))
    return Headline.of_entries(f"radiomics {metric}", "downstream", own, higher_is_better, digits)


def _groups(features: pd.DataFrame, asked: Asked) -> list[tuple[str, pd.DataFrame]]:
    """The pairs that have a correlation of their own: of all source scanners, of each, and of one alone."""
    pairs = of_column(features, asked.pairs)
    groups = [(OVERALL, pairs), *_unfiltered(pairs)]
    if pairs["device"].nunique() > 1:
        groups += [(str(device), own) for device, own in pairs.groupby("device")]
    if _has_one_source(features, asked):
        groups.append((ONE_SOURCE, of_column(features, asked.one_source)))
    return groups


def _has_one_source(features: pd.DataFrame, asked: Asked) -> bool:
    """Whether what is asked for as one scanner's is that of one: a user's own data may have brought several."""
    return bool(asked.one_source) and of_column(features, asked.one_source)["device"].nunique() == 1


def _unfiltered(features: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    wavelets = [name for name in features if name.startswith("wavelet")]
    return [(UNFILTERED, features.drop(columns=wavelets))] if wavelets else []


def _correlated(table: PlannedTable, group: str, pairs: pd.DataFrame, as_in_paper: bool) -> list[Entry]:
    """Every row's correlation on a group of the pairs, with the paper's numbers beside those that stand for them."""
    found = correlations(pairs)
    entries = [
        Entry(row, row, R, group, _text(found[row]), found[row].mean, apart=row in table.ceilings)
        for row in in_order(table)
        if row in found
    ]
    if as_in_paper:
        entries = [printed_beside(table, entry) for entry in entries]
    entries = with_best(entries, True)
    leaders = [found[entry.row] for entry in entries if entry.best]
    as_good = {row for row, own in found.items() if any(own.as_good_as(leader) for leader in leaders)}
    return [replace(entry, best=entry.best or (entry.row in as_good and not entry.apart)) for entry in entries]


def _text(r: Correlation) -> str:
    """The mean with its interval, or why there is none."""
    if np.isnan(r.mean):
        return "none (all constant)"
    return f"{r.mean:.3f} ({f'{r.low:.3f} to {r.high:.3f}' if len(r.objects) > 1 else 'one object'})"


def _distant(table: PlannedTable, metric: str, group: str, apart: dict[str, list[float]], digits: int) -> list[Entry]:
    """Every row's distance, the mean over its runs."""
    means = {row: float(np.mean(apart[row])) for row in in_order(table) if row in apart}
    entries = [
        Entry(row, row, metric, group, f"{mean:.{digits}f}", mean, apart=row in table.ceilings)
        for row, mean in means.items()
    ]
    return with_best(entries, False)


def _notes(table: PlannedTable, features: pd.DataFrame, asked: Asked, found: dict[str, Correlation]) -> list[str]:
    pairs, widths = of_column(features, asked.pairs), sorted(features["bin_width"].unique())
    grey, wavelet = of_grey_levels(features).shape[1], asked.wavelet or "none"
    notes = [
        f"Radiomics of {grey} features of grey levels: bin width {' and '.join(f'{width:g}' for width in widths)} of "
        f"256 levels, wavelet {wavelet}. Features of shape are the mask's own, equal by construction, and left out.",
        "mean r: Pearson correlation with the target scanner's image of the same region, mean over features; "
        f"{_counted(pairs)} of '{asked.pairs}'{_by_device(pairs)}. 95 % interval of resampling objects with all their "
        "regions, with the tails of t (the paper's: of resampling features). Without a correlation, being constant: "
        f"{_undefined(found)}.",
    ]
    if asked.one_source:
        own = of_column(features, asked.one_source)
        devices = ", ".join(sorted(own["device"].unique()))
        notes.append(
            f"'{ONE_SOURCE}': a model of its own for {devices}, {_counted(own)} of '{asked.one_source}'."
            if _has_one_source(features, asked)
            else f"No '{ONE_SOURCE}': '{asked.one_source}' is of {devices or 'none yet'}; name one by source_devices."
        )
    return [
        *notes,
        "Frechet distance: of whole-image features to the target scanner's, each scaled by its deviation over the "
        f"measured images of both sides; '{asked.sets}'. FRD: its logarithm where features are scaled by their "
        "deviation over the target scanner's images alone (version 1, as frd-score has it): features that hardly vary "
        "there dominate it where images are degenerate (flat).",
        "Bold: of mean r the best and every row whose difference from it has a 95 % interval with 0 in it, by the same "
        "draws of objects, where they are the same; of the distances the best alone.",
        *printed_in(table, "Fig 4b (of one source scanner, Voluson E8 to HI VISION Preirus)"),
    ]


def _counted(pairs: pd.DataFrame) -> str:
    """How many regions of how many objects of the first row are compared."""
    made = _compared(pairs)
    return f"{len(made)} regions of {made['patient'].nunique()} objects"


def _by_device(pairs: pd.DataFrame) -> str:
    """How many objects each of several source scanners has."""
    objects = _compared(pairs).groupby("device")["patient"].nunique()
    return f" ({', '.join(f'{device}: {count}' for device, count in objects.items())})" if len(objects) > 1 else ""


def _compared(pairs: pd.DataFrame) -> pd.DataFrame:
    """The regions of the first row that have a pair."""
    return pairs_of(pairs[pairs["row"] == pairs["row"].iloc[0]])[0] if len(pairs) else pairs


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

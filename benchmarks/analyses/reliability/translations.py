"""Tables and figures of translators' uncertainty: sparsification, and the calibration of the spread."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Figure, Findings
from benchmarks.analyses.reliability.measurement import AUSE, CHANCE, ENCE, FILE, POINTS, RANKS
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.results import Results, read_images
from benchmarks.tables.notes import PICTURES
from benchmarks.tables.printing import Entry, Printed
from benchmarks.tables.scores import score_entries

NOTES = [
    "uncertainty: the spread of samples, or 1 - confidence; '-' says nothing of its own uncertainty. Means over "
    "images, of their valid pixels.",
    "AUSE: area between two curves of the mean absolute error that is left, of 1, as pixels are taken away: the most "
    "uncertain first, and the worst first. 0 is the right order; 'by chance' is what an uncertainty has that knows "
    "nothing.",
    "rank correlation: Spearman's, of uncertainty and absolute error.",
]
OF_SPREAD = (
    "ENCE: of ten parts of the pixels from the smallest spread to the largest, the mean of |spread - error| / spread, "
    "both root mean squares. The mean of K samples of even the right distribution is off by sqrt(1 + 1 / K) of their "
    "spread, and the spread of few is itself uncertain: compare rows of equally many."
)
SILENT = (
    "No row has said anything that a target could be held against; SSWE does with 'confidence: 0.05', DDPM with "
    "'samples: 8'."
)
CAPTIONS = {
    "sparsification": "Error that is left as the most uncertain pixels are taken away, mean over images; dashed: as "
    "the worst are; dotted: as any are.",
    "spread": "Error against spread, root mean squares of ten parts of the pixels of all images; dashed: as large as "
    "it says.",
}


def ause_entries(results: Results, table: PlannedTable, scores: pd.DataFrame) -> list[Entry]:
    return score_entries(results, table, [AUSE], scores)


def translation_findings(results: Results, table: PlannedTable, scores: pd.DataFrame) -> Findings:
    """A row a method; the figures have panels of those that say something."""
    kept = _kept(results, table)
    of_spread = len(kept) > 0 and (kept["says"] == "spread").any()
    metrics = [AUSE, CHANCE, RANKS, *([ENCE] if of_spread else [])]
    entries = [
        replace(entry, best=entry.best and entry.metric != CHANCE.name)
        for entry in score_entries(results, table, metrics, scores)
    ]
    said = dict(zip(kept["row"], kept["says"], strict=True)) if len(kept) else {}
    kinds = [
        Entry(entry.row, entry.label, "uncertainty", text=said.get(entry.row, "-"), apart=entry.apart)
        for entry in entries[: len(table.rows)]
    ]
    key = f"{table.key}_reliability"
    notes = [*NOTES, *([OF_SPREAD] if of_spread else [])]
    if not said:
        notes.append(SILENT)
    printed = Printed(key, f"Reliability of: {table.title}", [*kinds, *entries], notes)
    drawn: dict[str, Callable[[], str]] = {}
    if said:
        drawn["sparsification"] = lambda: sparsification_plot(kept, table)
    if of_spread:
        units = _units(results, table)
        drawn["spread"] = lambda: spread_plot(kept[kept["says"] == "spread"], table, units)
    return Findings([printed], [Figure(f"{key}_{kind}", key, CAPTIONS[kind], draw) for kind, draw in drawn.items()])


def sparsification_plot(kept: pd.DataFrame, table: PlannedTable) -> str:
    """The curves of every row that has some (across) and column of the table (down), mean over images."""
    figure, axes = _panels(kept, table)
    removed = np.arange(POINTS) / POINTS
    for axis, own in _each(axes, kept, table):
        axis.plot(removed, _mean(own, "left"), linewidth=1.2, label=own["says"].iloc[0])
        axis.plot(removed, _mean(own, "oracle"), "--", color="0.4", linewidth=0.8, label="oracle")
        axis.axhline(1.0, linestyle=":", color="0.4", linewidth=0.8, label="chance")
        axis.set(xlabel="part taken away", ylabel="error that is left", ylim=(0, None))
        axis.legend(fontsize=7, loc="lower left")
    return svg(figure)


def spread_plot(kept: pd.DataFrame, table: PlannedTable, units: dict[str, str]) -> str:
    """Error against spread, likewise; ``units`` are those of the columns' targets."""
    figure, axes = _panels(kept, table)
    for axis, own in _each(axes, kept, table):
        spread, error = (np.sqrt(np.square(own.filter(regex=f"^{name} ")).mean()) for name in ("spread", "error"))
        most, unit = max(*spread, *error), units[own["column"].iloc[0]]
        axis.plot([0, most], [0, most], "--", color="0.7", linewidth=0.8)
        axis.plot(spread, error, "o-", markersize=3, linewidth=1.2)
        axis.set(xlabel=f"spread ({unit})", ylabel=f"error ({unit})")
    return svg(figure)


def _kept(results: Results, table: PlannedTable) -> pd.DataFrame:
    """What the finished cells have kept of their images, with ``row`` of each."""
    parts = [
        read_images(folder / FILE).assign(row=cell.row)
        for cell, folder in results.finished(table.key)
        if (folder / FILE).is_file()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _units(results: Results, table: PlannedTable) -> dict[str, str]:
    """The unit of each column's target."""
    found: dict[str, str] = {}
    for _, folder in results.finished(table.key):
        found |= folder.data.get("units") or {"": folder.data["unit"]}
    return {column: "levels" if unit in PICTURES else unit for column, unit in found.items()}


def _panels(kept: pd.DataFrame, table: PlannedTable) -> tuple[Any, Any]:
    return panels(max(1, len(table.columns)), kept["row"].nunique(), 3.0, 2.8)


def _each(axes: Any, kept: pd.DataFrame, table: PlannedTable) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Every panel that has images, with these; the others are switched off."""
    rows = [row for row in table.rows if (kept["row"] == row).any()]
    for down, column in enumerate(table.columns or [""]):
        for across, row in enumerate(rows):
            axis, own = axes[down][across], kept[(kept["row"] == row) & (kept["column"] == column)]
            if own.filter(regex="^left ").notna().to_numpy().any():
                axis.set_title("\n".join(filter(None, (row, column))), fontsize=8)
                yield axis, own
            else:
                axis.axis("off")


def _mean(own: pd.DataFrame, name: str) -> np.ndarray:
    return own.filter(regex=f"^{name} ").mean().to_numpy()

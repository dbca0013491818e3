"""Figures of faithfulness: lesions kept, lost and invented; and the contrast of every lesion beside the target's."""

from functools import partial

import numpy as np

from benchmarks.analyses.base import Figure
from benchmarks.analyses.faithfulness.measures import (
    MEASURES,
    OF_TARGET,
    VALUE,
    first_run,
    has_lesions,
    stiffness,
    targets,
    translations,
)
from benchmarks.analyses.faithfulness.table import Lesions
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.tables.printing import OVERALL

KEPT, LOST, INVENTED = MEASURES[:3]
ACROSS = 5  # panels a line
MOST = 100  # lesions a panel
BARS = "Lesions kept and lost, in %, and regions invented an image, mean over runs; dashed: the detector's own error."
CONTRAST = "Contrast of the test lesions to the tissue around them, in the translation against that in the target{}."


def faithfulness_figures(table: PlannedTable, columns: list[Lesions]) -> list[Figure]:
    """Of every column with lesions; points only where targets show the same tissue."""
    key, figures = f"{table.key}_faithfulness", []
    for number, own in enumerate(own for own in columns if has_lesions(own.seen)):
        name, of_column = (f"_{number}" if number else ""), (f" ({own.group})" if own.group != OVERALL else "")
        figures.append(Figure(f"{key}_lesions{name}", key, BARS + of_column, partial(bar_plot, own)))
        if any(len(points) for points in contrasts(own).values()):
            caption = CONTRAST.format(f", in {own.seen['unit'].iloc[0]}") + of_column
            figures.append(Figure(f"{key}_contrast{name}", key, caption, partial(contrast_plot, own)))
    return figures


def bar_plot(lesions: Lesions) -> str:
    """A bar a row: kept and lost, and beside it invented."""
    kept, lost, invented = (lesions.values(measure) for measure in (KEPT, LOST, INVENTED))
    rows = [row for row in lesions.rows if row in kept]
    figure, axes = panels(1, 2, 4.2, 1.0 + 0.3 * len(rows))
    bars, beside = axes[0]
    bars.barh(rows, [kept[row] for row in rows], color="tab:green", label="kept")
    bars.barh(rows, [lost[row] for row in rows], left=[kept[row] for row in rows], color="0.8", label="lost")
    beside.barh(rows, [invented[row] for row in rows], color="tab:red", label="invented")
    for axis, measure in ((bars, KEPT), (beside, INVENTED)):
        axis.axvline(lesions.of_targets(measure)[VALUE].mean(), linestyle="--", color="0.3", linewidth=0.9)
        axis.invert_yaxis()
    bars.set(xlabel="% of lesions", xlim=(0, 100))
    beside.set(xlabel="invented an image", yticks=[])
    bars.legend(fontsize=7, loc="lower right")
    return svg(figure)


def contrasts(lesions: Lesions) -> dict[str, np.ndarray]:
    """Of each row ``(N, 2)``: contrast in the target and in the translation, of some lesions of the first run."""
    found = {}
    for row in lesions.rows:
        scores = stiffness(translations(lesions.seen, row), targets(lesions.seen)).dropna(subset=[OF_TARGET])
        scores = first_run(scores)
        found[row] = scores[[OF_TARGET, VALUE]].to_numpy()[:: 1 + len(scores) // MOST]
    return found


def contrast_plot(lesions: Lesions) -> str:
    """A panel a row, a point a lesion; on the dashed line it is as in the target."""
    points = {row: own for row, own in contrasts(lesions).items() if len(own)}
    every = np.concatenate([*points.values()])
    ends = every.min(), every.max()
    figure, axes = panels(-(-len(points) // ACROSS), min(ACROSS, len(points)), 2.2, 2.4)
    for axis in axes.flat[len(points) :]:
        axis.axis("off")
    for axis, (row, own) in zip(axes.flat, points.items(), strict=False):
        axis.plot(ends, ends, "--", color="0.7", linewidth=0.8)
        axis.plot(*own.T, "o", markersize=2.5, alpha=0.6)
        axis.set_title(row, fontsize=8)
        axis.set(xlabel="target", ylabel="translation")
    return svg(figure)

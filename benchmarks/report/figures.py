"""Figures of a suite's table from its scores: box plots, sweeps, classifiers' curves, curves of training."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.analyses.base import Figure
from benchmarks.plan import PlannedTable
from benchmarks.report.drawing import panels, svg
from benchmarks.results import Metric, Results
from benchmarks.tables.statistics import RUN, over_runs, per_run

CAPTIONS = {
    "box": "Scores of single test images; the dot is their mean.",
    "curves": "Scores of the validation images during training, mean over runs.",
    "sweep": "Mean score of the test images at each point of the grid.",
    "confusion": "The test images of all runs, and the part of each true class.",
    "roc": "Mean of the runs' curves at each false positive rate; area as mean ± standard deviation over runs.",
}
MARKS = {
    "flierprops": {"markersize": 2},
    "meanprops": {"marker": "o", "markersize": 4, "markerfacecolor": "tab:orange", "markeredgecolor": "none"},
}
AREA = Metric("area under the curve", pooling="AUC")
Metrics = dict[str, Metric]


def score_figures(results: Results, table: PlannedTable) -> list[Figure]:
    """Translations have a box plot of single images, or, in a sweep, the score over the grid; classifiers have
    confusion matrices and ROC curves; what was validated has curves."""
    scores, metrics = results.scores(table.key), results.metrics(table.key)
    drawn: dict[str, Callable[[], str]] = {}
    scored = any(metric in scores for metric in table.metrics)
    if len(scores) and "probability" in scores:
        drawn = {"confusion": partial(confusion_plot, scores, table), "roc": partial(roc_plot, scores, table)}
    elif scored and table.grid:
        drawn = {"sweep": partial(sweep_plot, scores, table, metrics)}
    elif scored and not table.columns:
        drawn = {"box": partial(box_plot, scores, table)}
    curves = read_curves(results, table.key)
    if any(metric in curves for metric in table.metrics):
        drawn["curves"] = partial(curves_plot, curves, table)
    tested = "validation" if table.search else "test"
    captions = {kind: caption.replace("test images", f"{tested} images") for kind, caption in CAPTIONS.items()}
    return [Figure(f"{table.key}_{kind}", table.key, captions[kind], draw) for kind, draw in drawn.items()]


def box_plot(scores: pd.DataFrame, table: PlannedTable) -> str:
    """Per-image scores of every row, one panel a metric, the mean as a dot; an SVG as text."""
    rows = [row for row in table.rows if (scores["row"] == row).any()]
    metrics = [metric for metric in table.metrics if metric in scores]
    figure, axes = panels(1, len(metrics), 3.2, 1.1 + 0.45 * len(rows))
    for axis, metric in zip(axes[0], metrics, strict=True):
        values = [scores.loc[scores["row"] == row, metric].replace([np.inf, -np.inf], np.nan).dropna() for row in rows]
        axis.boxplot(values, orientation="horizontal", tick_labels=rows, widths=0.6, showmeans=True, **MARKS)
        axis.invert_yaxis()
        axis.set_xlabel(metric)
    return svg(figure)


def sweep_plot(scores: pd.DataFrame, table: PlannedTable, known: Metrics) -> str:
    """Mean score over a grid of one argument (a line) or two (a map), one panel a metric."""
    names = list(table.grid)
    metrics = [metric for metric in table.metrics if metric in scores]
    figure, axes = panels(1, len(metrics), 3.6, 3.0)
    for axis, metric in zip(axes[0], metrics, strict=True):
        means = {
            tuple(point[name] for name in names): over_runs(scores[scores["row"] == row], known[metric])[0]
            for row, point in table.points.items()
            if (scores["row"] == row).any()
        }
        if len(names) == 1:
            axis.plot([point[0] for point in means], list(means.values()), "o-", markersize=4)
            axis.set(xlabel=names[0], ylabel=metric)
        else:
            first, second = (table.grid[name] for name in names)
            image = np.array([[means.get((x, y), np.nan) for x in first] for y in second])
            drawn = axis.imshow(image, origin="lower", aspect="auto")
            axis.set_xticks(range(len(first)), [f"{value:g}" for value in first])
            axis.set_yticks(range(len(second)), [f"{value:g}" for value in second])
            axis.set(xlabel=names[0], ylabel=names[1], title=metric)
            figure.colorbar(drawn, ax=axis)
    return svg(figure)


def read_curves(results: Results, key: str) -> pd.DataFrame:
    """The validation scores that the loggers of a table's cells have written: ``row, epoch`` and a column a metric.

    An epoch's number is how many were trained; what a resumed cell repeated counts once.
    """
    parts = []
    for cell, folder in results.finished(key):
        logs = folder.curves()
        scores = logs.filter(like="val/")
        if scores.shape[1]:
            own = scores.rename(columns=lambda name: name.removeprefix("val/")).assign(epoch=logs["epoch"] + 1)
            validated = own.dropna(how="all", subset=own.columns.drop("epoch"))
            parts.append(validated.drop_duplicates("epoch", keep="last").assign(row=cell.row))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def curves_plot(curves: pd.DataFrame, table: PlannedTable) -> str:
    """Validation score over epochs, a line a row, one panel a metric."""
    metrics = [metric for metric in table.metrics if metric in curves]
    figure, axes = panels(1, len(metrics), 3.6, 3.4)
    for axis, metric in zip(axes[0], metrics, strict=True):
        for row in (row for row in table.rows if (curves["row"] == row).any()):
            mean = curves[curves["row"] == row].groupby("epoch")[metric].mean()
            axis.plot(mean.index, mean, "o-", markersize=2, linewidth=1.2, label=row)
        axis.set(xlabel="epoch", ylabel=metric)
    axes[0][-1].legend(fontsize=7, loc="lower right")
    return svg(figure)


def confusion_plot(scores: pd.DataFrame, table: PlannedTable) -> str:
    """True class against called class, one panel a column (down) and row (across) of the table."""
    scores, columns, rows = places(scores, table)
    figure, axes = panels(len(columns), len(rows), 1.6, 1.9)
    for (i, column), (j, row) in ((c, r) for c in enumerate(columns) for r in enumerate(rows)):
        own = scores[(scores["column"] == column) & (scores["row"] == row)]
        axis = axes[i][j]
        if not len(own):
            axis.axis("off")
            continue
        counts = np.zeros((2, 2), int)
        np.add.at(counts, (own["label"].to_numpy(), (own["probability"] >= 0.5).to_numpy().astype(int)), 1)
        parts = counts / counts.sum(1, keepdims=True).clip(1)
        axis.imshow(parts, cmap="Blues", vmin=0, vmax=1)
        for true, called in np.ndindex(2, 2):
            text = f"{counts[true, called]}\n{parts[true, called]:.0%}"
            colour = "white" if parts[true, called] > 0.6 else "black"
            axis.text(called, true, text, ha="center", va="center", color=colour, fontsize=8)
        axis.set_xticks([0, 1], ["benign", "malignant"], fontsize=7)
        axis.set_yticks([0, 1], ["benign", "malignant"] if j == 0 else ["", ""], fontsize=7, rotation=90, va="center")
        axis.set_title(f"{row}\n{column}", fontsize=8)
    return svg(figure)


def roc_plot(scores: pd.DataFrame, table: PlannedTable) -> str:
    """ROC curves of all rows, one panel a column of the table."""
    scores, columns, rows = places(scores, table)
    figure, axes = panels(1, len(columns), 3.4, 3.6)
    for axis, column in zip(axes[0], columns, strict=True):
        for row in rows:
            own = scores[(scores["column"] == column) & (scores["row"] == row)]
            curve = _mean_curve(own)
            if curve is not None:
                area = per_run(own, AREA)
                spread = f" ± {area.std():.3f}" if len(area) > 1 else ""
                axis.plot(*curve, linewidth=1.2, label=f"{row} {area.mean():.3f}{spread}")
        axis.plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
        axis.set(xlabel="false positive rate", ylabel="true positive rate", title=column)
        axis.legend(fontsize=7, loc="lower right", title="AUC", title_fontsize=7)
    return svg(figure)


def _mean_curve(scores: pd.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """False and true positive rates, averaged over the runs that have both classes; None if there are none."""
    from sklearn.metrics import roc_curve

    grid = np.linspace(0, 1, 101)
    runs = [run for _, run in scores.groupby(RUN) if run["label"].nunique() == 2]
    if not runs:
        return None
    curves = [np.interp(grid, *roc_curve(run["label"], run["probability"])[:2]) for run in runs]
    return np.concatenate([[0.0], grid]), np.concatenate([[0.0], np.mean(curves, axis=0)])


def places(scores: pd.DataFrame, table: PlannedTable) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The scores, and the columns and rows of a classifiers' table that have some; "" is the column of a table without
    any."""
    scores = scores if table.columns else scores.assign(column="")
    columns = [column for column in table.columns or [""] if (scores["column"] == column).any()]
    return scores, columns, [row for row in table.rows if (scores["row"] == row).any()]

"""Figures from the scores and samples on disk. Pure functions of a results folder."""

import io
import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.analyses.latent.space import mixing, points_of, tsne
from benchmarks.analyses.latent.tables import load_latent
from benchmarks.analyses.radiomics.outcome import delong
from benchmarks.results import load_scores, read_plan
from benchmarks.run.cell import is_done, samples_of
from benchmarks.tables.statistics import RUN, over_runs, per_run
from datamodules.writers import write_atomically, write_text_atomically

GALLERY_ROWS = 4
ERROR = "{}: error, 0 to 100 %"
MARKS = {
    "flierprops": {"markersize": 2},
    "meanprops": {"marker": "o", "markersize": 4, "markerfacecolor": "tab:orange", "markeredgecolor": "none"},
}
CAPTIONS = {
    "box": "Scores of single test images; the dot is their mean.",
    "heat": "Correlation of every feature with the target scanner's image, sorted by the first row's.",
    "outcome": "ROC curves of the validation patients; AUC with DeLong's 95 % interval.",
    "curves": "Scores of the validation images during training, mean over runs.",
    "tsne": "t-SNE of the latent space of the test images; mixing 0 is apart, 1 is mixed.",
    "sweep": "Mean score of the test images at each point of the grid.",
    "confusion": "Test images of all runs, and the part of each true class.",
    "roc": "Mean of the runs' curves at each false positive rate; area as mean ± standard deviation over runs.",
}


def write_figures(out: Path) -> None:
    """Write ``figures/<table>_<kind>.svg`` for every table that has results, and ``<table>_gallery.png``.

    Translations have a box plot of single images, or, in a sweep, the score over the grid; classifiers have confusion
    matrices and ROC curves.
    """
    plan = read_plan(out)
    for key, settings in plan["tables"].items():
        scores = load_scores(out, plan, key)
        for kind in _kinds(settings, scores) if len(scores) else ():
            write_text_atomically(out / "figures" / f"{key}_{kind}.svg", FIGURES[kind](scores, settings))
        if "radiomics" in settings and len(scores):
            for kind, drawn in harmonization_figures(out, key).items():
                write_text_atomically(out / "figures" / f"{key}_{kind}.svg", drawn)
        spaces = load_latent(out, plan, key) if "latent" in settings else {}
        if spaces:
            write_text_atomically(out / "figures" / f"{key}_latent_tsne.svg", latent_plot(spaces))
        curves = load_curves(out, plan, key)
        if len(curves):
            write_text_atomically(out / "figures" / f"{key}_curves.svg", curves_plot(curves, settings))
        gallery = make_gallery(out, plan, key) if "grid" not in settings else None
        if gallery is not None:
            picture, columns = gallery
            image = Image.fromarray(picture)
            write_atomically(out / "figures" / f"{key}_gallery.png", lambda file, i=image: i.save(file, "PNG"))
            write_text_atomically(out / "figures" / f"{key}_gallery.json", json.dumps(columns))


def _kinds(settings: dict[str, Any], scores: pd.DataFrame) -> tuple[str, ...]:
    if "probability" in scores:
        return "confusion", "roc"
    return () if "columns" in settings else ("sweep",) if "grid" in settings else ("box",)


def box_plot(scores: pd.DataFrame, settings: dict[str, Any]) -> str:
    """Per-image scores of every row, one panel a metric, the mean as a dot; an SVG as text."""
    rows = [row for row in settings["rows"] if (scores["row"] == row).any()]
    metrics = [metric for metric in settings["metrics"] if metric in scores]
    figure, axes = _panels(1, len(metrics), 3.2, 1.1 + 0.45 * len(rows))
    for axis, metric in zip(axes[0], metrics, strict=True):
        values = [scores.loc[scores["row"] == row, metric].replace([np.inf], np.nan).dropna() for row in rows]
        axis.boxplot(values, orientation="horizontal", tick_labels=rows, widths=0.6, showmeans=True, **MARKS)
        axis.invert_yaxis()
        axis.set_xlabel(metric)
    return _svg(figure)


def sweep_plot(scores: pd.DataFrame, settings: dict[str, Any]) -> str:
    """Mean score over a grid of one argument (a line) or two (a map), one panel a metric."""
    names = list(settings["grid"])
    metrics = [metric for metric in settings["metrics"] if metric in scores]
    figure, axes = _panels(1, len(metrics), 3.6, 3.0)
    for axis, metric in zip(axes[0], metrics, strict=True):
        means = {
            tuple(point[name] for name in names): over_runs(scores[scores["row"] == row], metric)[0]
            for row, point in settings["points"].items()
            if (scores["row"] == row).any()
        }
        if len(names) == 1:
            axis.plot([point[0] for point in means], list(means.values()), "o-", markersize=4)
            axis.set(xlabel=names[0], ylabel=metric)
        else:
            first, second = (settings["grid"][name] for name in names)
            image = np.array([[means.get((x, y), np.nan) for x in first] for y in second])
            drawn = axis.imshow(image, origin="lower", aspect="auto")
            axis.set_xticks(range(len(first)), [f"{value:g}" for value in first])
            axis.set_yticks(range(len(second)), [f"{value:g}" for value in second])
            axis.set(xlabel=names[0], ylabel=names[1], title=metric)
            figure.colorbar(drawn, ax=axis)
    return _svg(figure)


def load_curves(out: Path, plan: dict[str, Any], key: str) -> pd.DataFrame:
    """The validation scores that the loggers of a table's cells have written: ``row, epoch`` and a column a metric.

    An epoch's number is how many were trained; what a resumed cell repeated counts once.
    """
    parts = []
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] != key or not is_done(folder):
            continue
        logs = pd.concat([pd.DataFrame(), *(pd.read_csv(path) for path in sorted(folder.glob("logs*/metrics.csv")))])
        scores = logs.filter(like="val/")
        if scores.shape[1]:
            own = scores.rename(columns=lambda name: name.removeprefix("val/")).assign(epoch=logs["epoch"] + 1)
            parts.append(own.dropna().drop_duplicates("epoch", keep="last").assign(row=cell["row"]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def curves_plot(curves: pd.DataFrame, settings: dict[str, Any]) -> str:
    """Validation score over epochs, a line a row, one panel a metric."""
    metrics = [metric for metric in settings["metrics"] if metric in curves]
    figure, axes = _panels(1, len(metrics), 3.6, 3.4)
    for axis, metric in zip(axes[0], metrics, strict=True):
        for row in (row for row in settings["rows"] if (curves["row"] == row).any()):
            mean = curves[curves["row"] == row].groupby("epoch")[metric].mean()
            axis.plot(mean.index, mean, "o-", markersize=2, linewidth=1.2, label=row)
        axis.set(xlabel="epoch", ylabel=metric)
    axes[0][-1].legend(fontsize=7, loc="lower right")
    return _svg(figure)


def harmonization_figures(out: Path, key: str) -> dict[str, str]:
    """The heat map of correlations (Fig. 4b of the harmonizer paper) and the ROC curves (Fig. 6), from the tables."""
    figures = {}
    for kind, file, draw in (("heat", "correlations", heat_plot), ("outcome", "outcome_scores", outcome_plot)):
        path = out / "tables" / f"{key}_{file}.csv"
        if path.is_file():
            figures[kind] = draw(pd.read_csv(path))
    return figures


def heat_plot(correlations: pd.DataFrame) -> str:
    """A line a row, a column a feature, coloured by Pearson's r."""
    values = correlations.set_index("feature").T
    values = values[values.iloc[0].sort_values().index]
    figure, axes = _panels(1, 1, 8.0, 1.0 + 0.35 * len(values))
    drawn = axes[0][0].imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    axes[0][0].set_yticks(range(len(values)), values.index, fontsize=7)
    axes[0][0].set_xlabel(f"{values.shape[1]} features")
    figure.colorbar(drawn, ax=axes[0][0], label="r")
    return _svg(figure)


def outcome_plot(scores: pd.DataFrame) -> str:
    """ROC curve of every row on the validation patients."""
    from sklearn.metrics import roc_curve

    figure, axes = _panels(1, 1, 4.2, 4.0)
    for row, own in scores[scores["cohort"] == "validation"].groupby("row", sort=False):
        false, true, _ = roc_curve(own["outcome"], own["probability"])
        area, low, high = delong(own["outcome"].to_numpy(), own["probability"].to_numpy())
        axes[0][0].plot(false, true, linewidth=1.2, label=f"{row} {area:.2f} ({low:.2f} to {high:.2f})")
    axes[0][0].plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
    axes[0][0].set(xlabel="false positive rate", ylabel="true positive rate")
    axes[0][0].legend(fontsize=7, loc="lower right")
    return _svg(figure)


def latent_plot(spaces: dict[str, pd.DataFrame]) -> str:
    """t-SNE of every row's latent space, a colour a column of the table; how far they mix stands above."""
    figure, axes = _panels(1, len(spaces), 3.4, 3.6)
    for axis, (row, table) in zip(axes[0], spaces.items(), strict=True):
        place, value = tsne(table), mixing(points_of(table), table["column"].to_numpy(), table["patient"].to_numpy())
        for column in dict.fromkeys(table["column"]):
            own = (table["column"] == column).to_numpy()
            axis.plot(*place[own].T, "o", markersize=3, alpha=0.7, label=column)
        axis.set(title=f"{row}\nmixing {value:.2f}", xticks=[], yticks=[])
    axes[0][0].legend(fontsize=7)
    return _svg(figure)


def confusion_plot(scores: pd.DataFrame, settings: dict[str, Any]) -> str:
    """True class against called class, one panel a column (down) and row (across) of the table."""
    columns, rows = _present(scores, settings)
    figure, axes = _panels(len(columns), len(rows), 1.6, 1.9)
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
    return _svg(figure)


def roc_plot(scores: pd.DataFrame, settings: dict[str, Any]) -> str:
    """ROC curves of all rows, one panel a column of the table."""
    from sklearn.metrics import roc_curve

    columns, rows = _present(scores, settings)
    figure, axes = _panels(1, len(columns), 3.4, 3.6)
    grid = np.linspace(0, 1, 101)
    for axis, column in zip(axes[0], columns, strict=True):
        for row in rows:
            own = scores[(scores["column"] == column) & (scores["row"] == row)]
            runs = [run for _, run in own.groupby(RUN) if run["label"].nunique() == 2]
            if not runs:
                continue
            curves = [np.interp(grid, *roc_curve(run["label"], run["probability"])[:2]) for run in runs]
            area = per_run(own, "AUC")
            spread = f" ± {area.std():.3f}" if len(area) > 1 else ""
            curve = np.concatenate([[0.0], np.mean(curves, axis=0)])
            axis.plot(np.concatenate([[0.0], grid]), curve, linewidth=1.2, label=f"{row} {area.mean():.3f}{spread}")
        axis.plot([0, 1], [0, 1], "--", color="0.7", linewidth=0.8)
        axis.set(xlabel="false positive rate", ylabel="true positive rate", title=column)
        axis.legend(fontsize=7, loc="lower right", title="AUC", title_fontsize=7)
    return _svg(figure)


FIGURES = {"box": box_plot, "sweep": sweep_plot, "confusion": confusion_plot, "roc": roc_plot}


def _present(scores: pd.DataFrame, settings: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The columns and rows of a classifiers' table that have results."""
    columns = [column for column in settings["columns"] if (scores["column"] == column).any()]
    return columns, [row for row in settings["rows"] if (scores["row"] == row).any()]


def _panels(down: int, across: int, width: float, height: float):
    """A figure of panels, each ``width`` x ``height`` inches."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "sonozoo", "svg.fonttype": "none", "font.size": 9}
    figure, axes = plt.subplots(down, across, figsize=(width * across, height * down), squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure) -> str:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def make_gallery(out: Path, plan: dict[str, Any], key: str) -> tuple[np.ndarray, list[str]] | None:
    """The first test images of the first run, as many of every column of the table: source, target, then each row's
    translation, and of a physical quantity its error; and the names of what stands side by side."""
    columns: dict[str, list[np.ndarray]] = {}
    tested = plan["tables"][key].get("columns", [""])
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] != key or not is_done(folder) or cell["row"] in columns:
            continue
        found = [
            sorted(samples_of(folder, column).glob("*.png"))[: -(-GALLERY_ROWS // len(tested))] for column in tested
        ]
        panels = [_four(np.asarray(Image.open(path))) for path in chain.from_iterable(found)]
        if not panels:
            continue
        source, target, made, error = zip(*panels, strict=True)
        if len(panels) >= len(columns.get("source", ())):  # a row may have been tested on some of the columns
            columns |= {"source": list(source), "target": list(target)}
        columns[cell["row"]] = list(made)
        unit = json.loads((folder / "done.json").read_text())["data"]["unit"]
        if unit not in ("grey level", "RGB"):
            columns[ERROR.format(cell["row"])] = list(error)
    if not columns:
        return None
    rows = [name for row in plan["tables"][key]["rows"] for name in (row, ERROR.format(row)) if name in columns]
    names = ["source", "target", *rows]
    names = [name for name in names if len(columns[name]) == len(columns["source"])]
    width = columns["source"][0].shape[1]
    pictures = [[_of_width(picture, width) for picture in columns[name]] for name in names]
    return np.concatenate([np.concatenate(column, axis=0) for column in pictures], axis=1), names


def _four(panel: np.ndarray) -> list[np.ndarray]:
    """The pictures of a sample (see :func:`zoo.pictures.panel`)."""
    return np.split(panel, 4, axis=1)


def _of_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return picture if picture.shape[1] == width else np.asarray(Image.fromarray(picture).resize((width, height)))

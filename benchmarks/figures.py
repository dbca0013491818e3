"""Figures from the scores and samples on disk. Pure functions of a results folder."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.cell import is_done
from benchmarks.plan import TRIVIAL
from benchmarks.tables import load_scores, read_plan
from datamodules.readers import write_atomically, write_text_atomically

GALLERY_ROWS = 4
MARKS = {
    "flierprops": {"markersize": 2},
    "meanprops": {"marker": "o", "markersize": 4, "markerfacecolor": "tab:orange", "markeredgecolor": "none"},
}


def write_figures(out: Path) -> None:
    """Write ``figures/<table>_box.svg`` and ``figures/<table>_gallery.png`` for every table that has results."""
    plan = read_plan(out)
    for key, settings in plan["tables"].items():
        scores = load_scores(out, plan, key)
        if len(scores):
            write_text_atomically(out / "figures" / f"{key}_box.svg", box_plot(scores, settings))
        gallery = make_gallery(out, plan, key)
        if gallery is not None:
            picture, columns = gallery
            image = Image.fromarray(picture)
            write_atomically(out / "figures" / f"{key}_gallery.png", lambda file, i=image: i.save(file, "PNG"))
            write_text_atomically(out / "figures" / f"{key}_gallery.json", json.dumps(columns))


def box_plot(scores, settings: dict[str, Any]) -> str:
    """Per-image scores of every row, one panel a metric, the mean as a dot; an SVG as text."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "sonozoo", "svg.fonttype": "none", "font.size": 9}
    rows = [row for row in (*TRIVIAL, *settings["rows"]) if (scores["row"] == row).any()]
    metrics = [metric for metric in settings["metrics"] if metric in scores]
    figure, axes = plt.subplots(
        1, len(metrics), figsize=(3.2 * len(metrics), 0.5 + 0.45 * len(rows) + 0.6), squeeze=False
    )
    for axis, metric in zip(axes[0], metrics, strict=True):
        values = [scores.loc[scores["row"] == row, metric].replace([np.inf], np.nan).dropna() for row in rows]
        axis.boxplot(values, orientation="horizontal", tick_labels=rows, widths=0.6, showmeans=True, **MARKS)
        axis.invert_yaxis()
        axis.set_xlabel(metric)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def make_gallery(out: Path, plan: dict[str, Any], key: str) -> tuple[np.ndarray, list[str]] | None:
    """The first test images of the first run: source, target, then each row's translation; and the columns' names."""
    columns: dict[str, list[np.ndarray]] = {}
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] != key or not is_done(folder) or cell["row"] in columns:
            continue
        panels = [np.asarray(Image.open(path)) for path in sorted((folder / "samples").glob("*.png"))[:GALLERY_ROWS]]
        if not panels:
            continue
        width = panels[0].shape[1] // 4
        columns.setdefault("source", [panel[:, :width] for panel in panels])
        columns.setdefault("target", [panel[:, width : 2 * width] for panel in panels])
        columns[cell["row"]] = [panel[:, 2 * width : 3 * width] for panel in panels]
    if not columns:
        return None
    names = ["source", "target", *(row for row in (*TRIVIAL, *plan["tables"][key]["rows"]) if row in columns)]
    grid = np.concatenate([np.concatenate(columns[name], axis=0) for name in names], axis=1)
    return grid, names

"""Paper-style tables from the scores on disk: CSV, Markdown and LaTeX. Pure functions of a results folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cell import failure, is_done
from benchmarks.plan import TRIVIAL
from benchmarks.statistics import best, over_runs
from datamodules.errors import InputError
from datamodules.readers import write_text_atomically
from zoo.metrics import make_metrics

PUBLISHED = Path(__file__).parent / "published.csv"
OVERALL = "overall"
DIGITS = {"SSIM": 4, "LNCC": 4, "LPIPS": 4, "MI": 3, "MI_source": 3}
LABELS = {"benign": 0, "malignant": 1, "normal": 2}
PAPER_NAMES = {"hsct": "HSC-T", "sswe": "sSWE", "cyclegan_perceptual": "CycleGAN with perceptual loss"}


@dataclass(frozen=True)
class Table:
    """One table: ``cells`` holds a row a method and metric and group with its numbers; ``notes`` stand under it."""

    key: str
    title: str
    cells: pd.DataFrame
    notes: list[str]

    def wide(self, bold: str = "{}") -> pd.DataFrame:
        """Text as printed: a row a method, a column a metric (and group), the paper's numbers beside ours."""
        columns: dict[str, dict[str, str]] = {}
        for cell in self.cells.itertuples():
            head = cell.metric if cell.group == OVERALL else f"{cell.metric}, {cell.group}"
            text = cell.state or _with_spread(cell.mean, cell.std_runs, cell.metric)
            text += f" ({cell.runs} of {cell.planned} runs)" if 0 < cell.runs < cell.planned else ""
            columns.setdefault(head, {})[cell.row] = bold.format(text) if cell.best else text
            if pd.notna(cell.paper):
                paper = f"{cell.paper:.{_digits(cell.metric)}f}"
                paper += f" ± {cell.paper_spread:.{_digits(cell.metric)}f}" if pd.notna(cell.paper_spread) else ""
                columns.setdefault(f"{head}, paper", {})[cell.row] = paper
        order = [head + tail for head in columns if not head.endswith(", paper") for tail in ("", ", paper")]
        wide = pd.DataFrame(columns, index=list(dict.fromkeys(self.cells["row"]))).fillna("")
        wide.index.name = "method"
        return wide[[head for head in order if head in wide.columns]]

    def markdown(self) -> str:
        wide = self.wide("**{}**").reset_index()
        lines = [list(wide.columns), ["---"] * len(wide.columns), *wide.to_numpy().tolist()]
        table = "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)
        return f"### {self.title}\n\n{table}\n\n" + "\n".join(f"{note}  " for note in self.notes) + "\n"

    def latex(self) -> str:
        wide = self.wide("\\textbf{{{}}}").map(_latex_escape)
        wide.columns = [_latex_escape(name) for name in wide.columns]
        wide.index = [_latex_escape(name) for name in wide.index]
        caption = _latex_escape(" ".join([self.title + ".", *self.notes]))
        return wide.style.to_latex(hrules=True, caption=caption, label=f"tab:{self.key}", position="tb")


def read_plan(out: Path) -> dict[str, Any]:
    """Raises InputError if ``out`` is no results folder."""
    path = out / "plan.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a folder that `python -m benchmarks run` has written")
    return json.loads(path.read_text())


def make_tables(out: Path) -> list[Table]:
    """All tables of a results folder."""
    plan = read_plan(out)
    return [_make_table(out, plan, key) for key in plan["tables"]]


def write_tables(out: Path) -> list[Table]:
    """Write ``tables/<key>.csv``, ``.md`` and ``.tex``."""
    tables = make_tables(out)
    for table in tables:
        write_text_atomically(out / "tables" / f"{table.key}.csv", table.cells.to_csv(index=False))
        write_text_atomically(out / "tables" / f"{table.key}.md", table.markdown())
        write_text_atomically(out / "tables" / f"{table.key}.tex", table.latex())
    return tables


def load_scores(out: Path, plan: dict[str, Any], key: str) -> pd.DataFrame:
    """The per-image scores of a table's finished cells, with ``row``, ``fold`` and ``seed`` of each."""
    parts = []
    for cell in plan["cells"]:
        folder = out / "cells" / cell["hash"]
        if cell["table"] == key and is_done(folder):
            scores = pd.read_csv(folder / "scores.csv")
            if (folder / "scores_test_set.csv").is_file():  # FID is one number a run
                scores["FID"] = pd.read_csv(folder / "scores_test_set.csv")["FID"].iloc[0]
            parts.append(scores.assign(row=cell["row"], fold=cell["fold"], seed=cell["seed"], cell=cell["hash"]))
    columns = ["row", "fold", "seed", "cell"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _make_table(out: Path, plan: dict[str, Any], key: str) -> Table:
    settings = plan["tables"][key]
    scores = load_scores(out, plan, key)
    published = _published(settings.get("paper"))
    lines = []
    for metric in settings["metrics"]:
        for group in (*(settings.get("groups", ()) if metric != "FID" else ()), OVERALL):
            lines += _cells(out, plan, key, scores, published, metric, group)
    return Table(key, settings["title"], pd.DataFrame(lines), _notes(out, plan, key))


def _cells(out: Path, plan, key: str, scores: pd.DataFrame, published: pd.DataFrame, metric: str, group: str):
    """One metric of one group: a line a method."""
    settings = plan["tables"][key]
    rows = [*TRIVIAL, *settings["rows"]]
    chosen = scores if group == OVERALL else scores[scores["label"] == LABELS[group]] if len(scores) else scores
    planned = len({(cell["fold"], cell["seed"]) for cell in plan["cells"] if cell["table"] == key})
    lines = []
    for row in rows:
        own = chosen[chosen["row"] == row]
        line = {"row": row, "metric": metric, "group": group, "state": _state(out, plan, key, row)}
        numbers = over_runs(own, metric) if len(own) and metric in own else (np.nan, np.nan, np.nan, 0)
        line |= dict(zip(("mean", "std_runs", "std_images", "runs"), numbers, strict=True))
        line["planned"] = planned
        if not line["runs"] and not line["state"]:
            line["state"] = "-"
        paper = published[
            (published["method"] == settings["rows"].get(row)) & (published["metric"] == metric)
            & (published["group"].isin([group, "per patient"] if group == OVERALL else [group]))
        ]  # fmt: skip
        line["paper"], line["paper_spread"] = paper[["value", "spread"]].iloc[0] if len(paper) else (np.nan, np.nan)
        lines.append(line)
    direction = make_metrics((metric,), 1.0)[metric].higher_is_better if metric not in ("LPIPS", "FID") else False
    winners = best({line["row"]: line["mean"] for line in lines if line["runs"] == planned}, direction)
    return [line | {"best": line["row"] in winners} for line in lines]


def _published(paper: dict[str, Any] | None) -> pd.DataFrame:
    """The paper's lines for this table, percentages as fractions."""
    published = pd.read_csv(PUBLISHED)
    if not paper:
        return published.iloc[:0]
    chosen = published[(published["paper"] == paper["paper"]) & (published["table"].astype(str) == str(paper["table"]))]
    if "dataset" in paper:
        chosen = chosen[chosen["dataset"] == paper["dataset"]]
    scale = np.where(chosen["unit"] == "%", 0.01, 1.0)
    spread = pd.to_numeric(chosen["spread"], errors="coerce")
    return chosen.assign(value=chosen["value"] * scale, spread=spread * scale)


def _state(out: Path, plan: dict[str, Any], key: str, row: str) -> str:
    """Why a row has no number: every one of its cells failed or has not run."""
    folders = [out / "cells" / cell["hash"] for cell in plan["cells"] if (cell["table"], cell["row"]) == (key, row)]
    if any(is_done(folder) for folder in folders):
        return ""
    reasons = [reason for folder in folders if (reason := failure(folder))]
    return f"failed: {reasons[0]}" if reasons else "not run"


def _notes(out: Path, plan: dict[str, Any], key: str) -> list[str]:
    """What the numbers were measured on, how many runs they are a mean of, and what failed."""
    cells = [cell for cell in plan["cells"] if cell["table"] == key]
    done = [cell for cell in cells if is_done(out / "cells" / cell["hash"])]
    notes = []
    if done:
        data = json.loads((out / "cells" / done[0]["hash"] / "done.json").read_text())["data"]
        counts = ", ".join(f"{data['images'].get(split, 0)} {split}" for split in ("train", "val", "test"))
        size = " x ".join(str(side) for side in data["size"])
        notes.append(f"Measured on {data['data']}: task {data['task']}, {size} pixels, images {counts}.")
        errors = [metric for metric in plan["tables"][key]["metrics"] if metric in ("MAE", "RMSE", "ME")]
        if errors:
            unit = "levels from 0 to 255" if data["unit"] in ("grey level", "RGB") else data["unit"]
            notes.append(f"{', '.join(errors)} in {unit}.")
        absent = [n for n, w in (("LPIPS", data["lpips_weights"]), ("FID", data["fid_weights"])) if not w]
        if absent:
            notes.append(f"No {' and '.join(absent)}: no pretrained weights were named.")
    runs = len({(cell["fold"], cell["seed"]) for cell in cells})
    spread = "mean ± standard deviation over them" if runs > 1 else "no spread"
    notes.append(f"{runs} run{'s' * (runs > 1)} a row (folds and seeds), {spread}; best in bold.")
    paper = plan["tables"][key].get("paper")
    if paper:
        name, dataset = PAPER_NAMES.get(paper["paper"], paper["paper"]), paper.get("dataset", "its own data")
        place = "text" if paper["table"] == "text" else f"table {paper['table']}"
        notes.append(f"'paper': as printed in the {name} paper, {place}, measured on {dataset}: other data.")
    for cell in cells:
        reason = failure(out / "cells" / cell["hash"])
        if reason:
            notes.append(f"FAILED: {cell['row']}, fold {cell['fold']}, seed {cell['seed']}: {reason}")
    return notes


def _digits(metric: str) -> int:
    return DIGITS.get(metric, 2)


def _with_spread(mean: float, spread: float, metric: str) -> str:
    text = f"{mean:.{_digits(metric)}f}"
    return text if np.isnan(spread) else f"{text} ± {spread:.{_digits(metric)}f}"


def _plain(cell: str) -> str:
    return str(cell).replace("|", "\\|")


def _latex_escape(text: str) -> str:
    for character in "&%$#_":
        text = text.replace(character, "\\" + character)
    return text.replace("±", "$\\pm$").replace("~", "\\textasciitilde{}")

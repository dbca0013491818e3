"""Paper-style tables from the scores on disk: CSV, Markdown and LaTeX. Pure functions of a results folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cell import failure, is_done
from benchmarks.plan import BETWEEN
from benchmarks.statistics import RESAMPLES, best, compare, over_runs
from datamodules.errors import InputError
from datamodules.readers import write_text_atomically
from zoo.metrics import make_metrics
from zoo.metrics.classification import CLASSIFICATION

PUBLISHED = Path(__file__).parent / "published.csv"
OVERALL = "overall"
TESTS_NOTE = (
    f"Differences are means over runs. Bootstrap: {RESAMPLES} resamplings of each fold's test patients. t-test: paired "
    "over runs, as the papers do it; with few runs it says little."
)
DIGITS = {"accuracy": 3, "F1": 3, "AUC": 3, "SSIM": 4, "LNCC": 4, "LPIPS": 4, "MI": 3, "MI_source": 3}
LABELS = {"benign": 0, "malignant": 1, "normal": 2}
LATEX = {"±": "$\\pm$", "~": "\\textasciitilde{}", "<": "$<$", ">": "$>$"}
PAPER_NAMES = {"hsct": "HSC-T", "sswe": "sSWE", "cyclegan_perceptual": "CycleGAN with perceptual loss"}


@dataclass(frozen=True)
class Table:
    """One table: ``cells`` holds a row a method and metric and group with its numbers; ``notes`` stand under it.

    ``tests`` compares one row with all others: a line a metric, group and other row; empty where none is named.
    """

    key: str
    title: str
    cells: pd.DataFrame
    notes: list[str]
    tests: pd.DataFrame

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
        text = f"### {self.title}\n\n{_markdown(wide)}\n\n" + "\n".join(f"{note}  " for note in self.notes) + "\n"
        return text + (f"\n{_markdown(self.printed_tests())}\n\n{TESTS_NOTE}\n" if len(self.tests) else "")

    def printed_tests(self) -> pd.DataFrame:
        """Text as printed: the differences with their tests."""
        lines = [
            {
                "": f"{test.row} - {test.other}",
                "metric": test.metric if test.group == OVERALL else f"{test.metric}, {test.group}",
                "difference": f"{test.difference:+.{_digits(test.metric)}f}",
                "95 % interval": f"{test.low:+.{_digits(test.metric)}f} to {test.high:+.{_digits(test.metric)}f}",
                "p, bootstrap": _p_value(test.bootstrap),
                "p, t-test": _p_value(test.t_test),
                "p, t-test, paper": _p_value(test.paper),
            }
            for test in self.tests.itertuples()
        ]
        printed = pd.DataFrame(lines)
        return printed.loc[:, (printed != "").any()] if lines else printed

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
    """Write ``tables/<key>.csv``, ``.md`` and ``.tex``, and ``<key>_tests.csv`` where rows are compared."""
    tables = make_tables(out)
    for table in tables:
        write_text_atomically(out / "tables" / f"{table.key}.csv", table.cells.to_csv(index=False))
        write_text_atomically(out / "tables" / f"{table.key}.md", table.markdown())
        write_text_atomically(out / "tables" / f"{table.key}.tex", table.latex())
        if len(table.tests):
            write_text_atomically(out / "tables" / f"{table.key}_tests.csv", table.tests.to_csv(index=False))
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
    pieces = [(metric, group) for metric in settings["metrics"] for group in _groups(settings, metric)]
    lines = [line for piece in pieces for line in _cells(out, plan, key, scores, published, *piece)]
    tests = _tests(settings, scores, published) if settings.get("compare") else pd.DataFrame()
    return Table(key, settings["title"], pd.DataFrame(lines), _notes(out, plan, key), tests)


def _groups(settings: dict[str, Any], metric: str) -> list[str]:
    """What a metric has a column for: classes and all of them, or which set a classifier learnt and was tested on."""
    if "columns" in settings:
        return settings["columns"]
    return [*(settings.get("groups", ()) if metric != "FID" else ()), OVERALL]


def _of_group(scores: pd.DataFrame, group: str) -> pd.DataFrame:
    if not len(scores) or group == OVERALL:
        return scores
    return scores[scores["column"] == group] if BETWEEN in group else scores[scores["label"] == LABELS[group]]


def _has(scores: pd.DataFrame, metric: str) -> bool:
    return len(scores) > 0 and (metric in scores or (metric in CLASSIFICATION and "probability" in scores))


def _cells(out: Path, plan, key: str, scores: pd.DataFrame, published: pd.DataFrame, metric: str, group: str):
    """One metric of one group: a line a method."""
    settings = plan["tables"][key]
    chosen = _of_group(scores, group)
    planned = len({(cell["fold"], cell["seed"]) for cell in plan["cells"] if cell["table"] == key})
    lines = []
    for row, paper_method in settings["rows"].items():
        own = chosen[chosen["row"] == row]
        line = {"row": row, "metric": metric, "group": group, "state": _state(out, plan, key, row, group)}
        numbers = over_runs(own, metric) if _has(own, metric) else (np.nan, np.nan, np.nan, 0)
        line |= dict(zip(("mean", "std_runs", "std_images", "runs"), numbers, strict=True))
        line["planned"] = planned
        if not line["runs"] and not line["state"]:
            line["state"] = "-"
        paper = _printed(published, paper_method, metric, group)
        line["paper"], line["paper_spread"] = paper[["value", "spread"]].iloc[0] if len(paper) else (np.nan, np.nan)
        lines.append(line)
    winners = best({line["row"]: line["mean"] for line in lines if line["runs"] == planned}, _direction(metric))
    return [line | {"best": line["row"] in winners} for line in lines]


def _direction(metric: str) -> bool | None:
    if metric in ("LPIPS", "FID"):
        return False
    return True if metric in CLASSIFICATION else make_metrics((metric,), 1.0)[metric].higher_is_better


def _printed(published: pd.DataFrame, method: str, metric: str, group: str) -> pd.DataFrame:
    chosen = published[(published["method"] == method) & (published["metric"] == metric)]
    if BETWEEN in group:
        return chosen[chosen["dataset"] == group]
    return chosen[chosen["group"].isin([group, "per patient"] if group == OVERALL else [group])]


def _tests(settings: dict[str, Any], scores: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The row named by ``compare`` against every other, on every metric that single images or patients have."""
    row, lines = settings["compare"], []
    for metric in settings["metrics"]:
        for group in _groups(settings, metric):
            chosen = _of_group(scores, group)
            for other in (name for name in settings["rows"] if name != row):
                ours, theirs = (chosen[chosen["row"] == name] for name in (row, other))
                found = compare(ours, theirs, metric) if _has(ours, metric) and _has(theirs, metric) else None
                if found is None or metric == "FID":
                    continue
                pair = f"{settings['rows'][row]} vs {settings['rows'][other]}"
                paper = _printed(published, pair, f"t-test p of {metric}", group)["value"]
                line = {"row": row, "other": other, "metric": metric, "group": group} | asdict(found)
                lines.append(line | {"paper": paper.iloc[0] if len(paper) else np.nan})
    return pd.DataFrame(lines)


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


def _state(out: Path, plan: dict[str, Any], key: str, row: str, group: str) -> str:
    """Why a row has no number: every one of its cells failed or has not run."""
    train = group.split(BETWEEN)[0] if BETWEEN in group else ""
    wanted = (key, row, train)
    cells = [cell for cell in plan["cells"] if (cell["table"], cell["row"], cell["train"]) == wanted]
    folders = [out / "cells" / cell["hash"] for cell in cells]
    if not folders or any(is_done(folder) for folder in folders):
        return ""
    reasons = [reason for folder in folders if (reason := failure(folder))]
    return f"failed: {reasons[0]}" if reasons else "not run"


def _notes(out: Path, plan: dict[str, Any], key: str) -> list[str]:
    """What the numbers were measured on, how many runs they are a mean of, and what failed."""
    settings = plan["tables"][key]
    cells = [cell for cell in plan["cells"] if cell["table"] == key]
    notes = [*_data_notes(out, settings, cells)]
    runs = len({(cell["fold"], cell["seed"]) for cell in cells})
    spread = "mean ± standard deviation over them" if runs > 1 else "no spread"
    notes.append(f"{runs} run{'s' * (runs > 1)} a row (folds and seeds), {spread}; best in bold.")
    if "columns" in settings:
        notes.append("Columns are train>test; with two of one name, tested on the patients left out of training.")
    if settings.get("left_out"):
        notes.append(f"Left out: {', '.join(settings['left_out'])}; name the folder of images by --busi DIR.")
    paper = settings.get("paper")
    if paper:
        name, dataset = PAPER_NAMES.get(paper["paper"], paper["paper"]), paper.get("dataset", "its own data")
        place = "text" if paper["table"] == "text" else f"table {paper['table']}"
        notes.append(f"'paper': as printed in the {name} paper, {place}, measured on {dataset}: other data.")
    for cell in cells:
        reason = failure(out / "cells" / cell["hash"])
        if reason:
            trained = f" on {cell['train']}" if cell["train"] else ""
            notes.append(f"FAILED: {cell['row']}{trained}, fold {cell['fold']}, seed {cell['seed']}: {reason}")
    return notes


def _data_notes(out: Path, settings: dict[str, Any], cells: list[dict[str, Any]]):
    """A line on the data, or one on each set that a classifier was trained on."""
    done = [cell for cell in cells if is_done(out / "cells" / cell["hash"])]
    for train in dict.fromkeys(cell["train"] for cell in done):
        cell = next(cell for cell in done if cell["train"] == train)
        data = json.loads((out / "cells" / cell["hash"] / "done.json").read_text())["data"]
        counts = ", ".join(f"{data['images'].get(split, 0)} {split}" for split in ("train", "val", "test"))
        size = " x ".join(str(side) for side in data["size"])
        name = f"In the place of {train}:" if train and train != data["data"] else "Measured on"
        scanned = f" by {', '.join(data['devices'])}" if train and data.get("devices") else ""
        notes = [f"{name} {data['data']}{scanned}: task {data['task']}, {size} pixels, images {counts}."]
        errors = [metric for metric in settings["metrics"] if metric in ("MAE", "RMSE", "ME")]
        if errors:
            unit = "levels from 0 to 255" if data["unit"] in ("grey level", "RGB") else data["unit"]
            notes.append(f"{', '.join(errors)} in {unit}.")
        absent = [n for n, w in (("LPIPS", data["lpips_weights"]), ("FID", data["fid_weights"])) if not w]
        if absent and not train:
            notes.append(f"No {' and '.join(absent)}: no pretrained weights were named.")
        yield from notes


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _p_value(p: float) -> str:
    if np.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


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
    for character, printed in LATEX.items():
        text = text.replace(character, printed)
    return text

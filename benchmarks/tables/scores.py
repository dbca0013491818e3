"""Paper-style tables from the scores on disk: CSV, Markdown and LaTeX. Pure functions of a results folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analyses.data import data_table
from benchmarks.analyses.latent.tables import latent_tables
from benchmarks.analyses.radiomics.tables import harmonization_tables
from benchmarks.results import load_scores, read_plan, remark, state
from benchmarks.suite import BETWEEN
from benchmarks.tables.notes import notes_of
from benchmarks.tables.printing import OVERALL, Table
from benchmarks.tables.published import beside, printed, read_published
from benchmarks.tables.statistics import best, by_patient, compare, over_runs
from datamodules.writers import write_text_atomically
from zoo.metrics import CLASSIFICATION, METRICS

WITH_SOURCE = ("MI_source", "Dice")  # likeness to the source, in which nothing beats the source itself
LABELS = {"benign": 0, "malignant": 1, "normal": 2}


def make_tables(out: Path) -> list[Table]:
    """All tables of a results folder."""
    plan, tables = read_plan(out), []
    for key, settings in plan["tables"].items():
        summary = data_table(out, plan, key) if "summary" in settings else None
        tables += [table for table in (summary, _make_table(out, plan, key)) if table is not None]
        tables += harmonization_tables(out, plan, key) if "radiomics" in settings else []
        tables += latent_tables(out, plan, key) if "latent" in settings else []
    return tables


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


def _make_table(out: Path, plan: dict[str, Any], key: str) -> Table:
    settings = plan["tables"][key]
    scores = load_scores(out, plan, key)
    if "per" in settings and len(scores):
        scores = by_patient(scores)
    published = read_published(settings.get("paper"))
    pieces = [(metric, group) for metric in settings["metrics"] for group in _groups(settings, metric)]
    lines = [line for piece in pieces for line in _cells(out, plan, key, scores, published, *piece)]
    tests = _tests(settings, scores, published) if settings.get("compare") else pd.DataFrame()
    return Table(key, settings["title"], pd.DataFrame(lines), notes_of(out, plan, key), tests)


def _groups(settings: dict[str, Any], metric: str) -> list[str]:
    """What a metric has a column for: classes and all of them, or which set a classifier learnt and was tested on."""
    if "columns" in settings:
        return settings["columns"]
    return [*(settings.get("groups", ()) if metric != "FID" else ()), OVERALL]


def _of_group(scores: pd.DataFrame, group: str) -> pd.DataFrame:
    if not len(scores) or group == OVERALL:
        return scores
    if BETWEEN in group:
        return scores[scores["column"] == group]
    return scores[scores["label"] == LABELS[group]] if group in LABELS else scores[scores["organ"] == group]


def _has(scores: pd.DataFrame, metric: str) -> bool:
    return len(scores) > 0 and (metric in scores or (metric in CLASSIFICATION and "probability" in scores))


def _cells(out: Path, plan, key: str, scores: pd.DataFrame, published: pd.DataFrame, metric: str, group: str):
    """One metric of one group: a line a method."""
    settings = plan["tables"][key]
    chosen = _of_group(scores, group)
    planned = len({(cell["fold"], cell["seed"]) for cell in plan["cells"] if cell["table"] == key})
    lines = []
    for row, paper_method in settings["rows"].items():
        own, said = chosen[chosen["row"] == row], remark(out, plan, key, row)
        line = {
            "row": row,
            "label": f"{row} [{said}]" if said else row,
            "metric": metric,
            "group": group,
            "state": state(out, plan, key, row, group),
        }
        numbers = over_runs(own, metric) if _has(own, metric) else (np.nan, np.nan, np.nan, 0)
        line |= dict(zip(("mean", "std_runs", "std_images", "runs"), numbers, strict=True))
        line["spread"] = line["std_images" if "per" in settings else "std_runs"]
        line["planned"] = planned
        if not line["runs"] and not line["state"]:
            line["state"] = "-"
        lines.append(line | beside(printed(published, paper_method, metric, group)))
    complete = {line["row"]: line["mean"] for line in lines if line["runs"] == planned}
    winners = set() if metric in WITH_SOURCE else best(complete, _direction(metric))
    lines = [line | {"best": line["row"] in winners} for line in lines]
    return lines + _printed_by_others(settings.get("reference"), metric, group)


def _printed_by_others(reference: dict[str, Any] | None, metric: str, group: str) -> list[dict[str, Any]]:
    """Lines of methods that are not run here, whose numbers stand in the paper's column."""
    published = read_published(reference)
    lines = published[(published["metric"] == metric) & (published["group"] == group)]
    missing = dict.fromkeys(("mean", "std_runs", "std_images", "spread"), np.nan)
    nothing = {"state": "", "runs": 0, "planned": 0} | missing
    return [
        {"row": line.method, "label": line.method, "metric": metric, "group": group} | nothing
        | {"paper": line.value, "paper_spread": line.spread, "paper_interval": line.interval, "best": False}
        for line in lines.itertuples()
    ]  # fmt: skip


def _direction(metric: str) -> bool | None:
    return METRICS[metric].higher_is_better if metric in METRICS else True


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
                paper = printed(published, pair, f"t-test p of {metric}", group)["value"]
                line = {"row": row, "other": other, "metric": metric, "group": group} | asdict(found)
                if "per" in settings:  # the papers that score patients test over them
                    line |= {"t_test": float("nan")}
                else:
                    line |= {"t_test_patients": float("nan"), "wilcoxon": float("nan")}
                lines.append(line | {"paper": paper.iloc[0] if len(paper) else np.nan})
    return pd.DataFrame(lines)

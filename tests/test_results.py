"""The ground floor: what a results folder holds, and that whoever reads it needs no torch."""

import json
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.report.figures import score_figures
from benchmarks.results import Metric, Results
from benchmarks.tables.make import make_findings
from benchmarks.vocabulary import Paper
from datamodules import InputError
from tests.conftest import ROOT
from tests.facts import METRIC
from zoo.metrics import METRICS

HEAVY = ("torch", "pytorch_lightning", "torchmetrics", "zoo")


def make_results(folder) -> Results:
    """Two finished cells of one row in two folds, a failed row, and one that has not run."""
    rows = {"ours": "U-Net with augmentation", "broken": "broken", "late": "late"}
    table = PlannedTable("t", "Table", ["MAE", "SSIM"], rows, paper=Paper("sswe", "text"), compare="ours")
    cells = [PlannedCell("t", row, fold, 0, f"{row}{fold}") for row in rows for fold in (0, 1)]
    results = Results(folder)
    results.write_plan(Plan("suite", "Title", {"t": table}, cells, ["t=DIR"]))
    for fold in (0, 1):
        scores = pd.DataFrame({"id": ["a", "b"], "patient": ["a", "b"], "label": [0, 1], "MAE": [1.0, 2.0 + fold]})
        results.cell(f"ours{fold}").write_scores(scores.assign(SSIM=0.5), [METRIC["MAE"], METRIC["SSIM"]])
        data = {"data": "phantoms", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {"test": 2},
                "lpips_weights": None, "fid_weights": None}  # fmt: skip
        results.cell(f"ours{fold}").mark_finished(data, "small")
        results.cell(f"broken{fold}").mark_failed("no such thing")
    return results


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    results = make_results(tmp_path)
    again = Results(tmp_path)
    assert again.plan == results.plan
    assert again.plan.tables["t"].paper == Paper("sswe", "text")
    assert again.plan.data == ["t=DIR"]


def test_an_old_plan_is_read(tmp_path):
    """As written before analyses and own data had places of their own."""
    table = {"title": "T", "metrics": ["SSIM"], "rows": {"a": "a"}, "latent": ["x>y"], "columns": ["x>y"], "flags": []}
    cell = {"table": "t", "row": "a", "fold": 0, "seed": 0, "hash": "h", "trivial": False, "train": "x"}
    plan = {"suite": "s", "title": "S", "tables": {"t": table}, "cells": [cell]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    found = Results(tmp_path).plan
    assert found.tables["t"].analyses == {"latent": ["x>y"]}
    assert (found.cells[0].train, found.data) == ("x", [])


def test_states_of_cells(tmp_path):
    results = make_results(tmp_path)
    assert [cell.hash for cell, _ in results.finished("t")] == ["ours0", "ours1"]
    assert results.scores("t").groupby("fold")["MAE"].mean().tolist() == [1.5, 2.0]
    assert results.planned_runs("t") == 2
    assert results.remark("t", "ours") == "small"
    assert results.state("t", "ours", "overall") == ""
    assert results.state("t", "broken", "overall") == "failed: no such thing"
    assert results.state("t", "late", "overall") == "not run"


def test_what_is_known_of_a_metric_is_what_its_class_says(tmp_path):
    results = make_results(tmp_path)
    for name, metric in results.metrics("t").items():
        known = METRICS[name]
        assert metric == Metric(**known.facts())
        assert (metric.digits, metric.higher_is_better) == (known.digits, known.higher_is_better)
    assert results.metrics("t")["MAE"].pooling == "pixel mean"
    assert results.metrics("t")["MAE"].unit == "target"


def test_scores_without_facts_get_them_from_the_metrics_classes(tmp_path):
    """Cells that were run before these were written."""
    results = make_results(tmp_path)
    before = results.cell("ours0").read_scores()
    for fold in (0, 1):
        (results.cell(f"ours{fold}") / "metrics.json").unlink()
    assert {metric.name for metric in results.cell("ours0").metrics} == {"MAE", "SSIM"}
    assert results.metrics("t") == make_results(tmp_path / "new").metrics("t")
    assert results.cell("ours0").read_scores().equals(before)


def test_facts_added_later_leave_the_scores_as_they_were(tmp_path):
    cell = make_results(tmp_path).cell("ours0")
    (cell / "metrics.json").unlink()
    (cell / "scores.csv").write_text("id,patient,MAE\n007,007,1.50\n")
    assert [metric.name for metric in cell.metrics] == ["MAE"]
    assert (cell / "scores.csv").read_text() == "id,patient,MAE\n007,007,1.50\n"
    assert cell.read_scores()["id"].tolist() == ["007"]


def test_facts_that_cannot_be_added_are_said_in_one_line(tmp_path, monkeypatch):
    cell = make_results(tmp_path).cell("ours0")
    (cell / "metrics.json").unlink()
    monkeypatch.setitem(sys.modules, "benchmarks.run.upgrade", None)
    with pytest.raises(InputError, match="was written by an earlier version"):
        _ = cell.metrics


def test_a_table_without_a_scored_metric_has_no_figures(tmp_path):
    results = make_results(tmp_path)
    table = replace(results.plan.tables["t"], metrics=["FID"])
    results.write_plan(replace(results.plan, tables={"t": table}))
    assert score_figures(results, table) == []
    (found,) = make_findings(results)
    assert set(found.tables[0].wide()["FID"]) == {"-", "failed: no such thing", "not run"}


def test_a_folder_without_a_plan_is_no_results_folder(tmp_path):
    with pytest.raises(InputError, match=r"plan\.json: no such file; name a folder that `python -m benchmarks run`"):
        _ = Results(tmp_path).plan


@pytest.mark.parametrize("command", ["tables", "report"])
def test_tables_and_reports_are_made_without_torch(command, tmp_path):
    make_results(tmp_path)
    code = (
        "import sys; from benchmarks.__main__ import main; "
        f"assert main(['{command}', {str(tmp_path)!r}]) == 0; "
        f"print('loaded:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.rstrip().endswith("loaded: []")
    assert "| ours [small] | **1.75 ± 0.35** | 4.50 ± 0.96 |" in done.stdout
    assert "| broken | failed: no such thing |" in done.stdout
    assert (tmp_path / "tables" / "t.csv").is_file()
    assert (tmp_path / "report.html").is_file() == (command == "report")


def test_the_ground_and_the_rooms_above_import_nothing_heavy():
    """Every module of tables, report and analyses, and the ground."""
    folders = ("tables", "report", "analyses")
    files = [path for folder in folders for path in (ROOT / "benchmarks" / folder).rglob("*.py")]
    files += [ROOT / "benchmarks" / f"{name}.py" for name in ("results", "cell_folder", "plan", "vocabulary")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    assert len(names) > 20
    code = f"import importlib, sys\nfor n in {names}: importlib.import_module(n)\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_nobody_else_joins_the_paths_of_a_results_folder():
    """The names of what lies there stand in benchmarks/results.py and benchmarks/cell_folder.py alone."""
    named = ["done.json", "failed.json", "scores.csv", "metrics.json", "splits.csv", "environment.json", "last.ckpt"]
    for path in (ROOT / "benchmarks").rglob("*.py"):
        if path.name not in ("results.py", "cell_folder.py"):
            text = path.read_text()
            assert [name for name in (*named, "plan.json", "samples") if f'"{name}"' in text] == [], path
            assert '/ "cells"' not in text, path

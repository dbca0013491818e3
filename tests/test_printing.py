"""What a printed table says: bold, ceilings, budgets, adjusted tests, notes."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.tables.make import make_tables, write_tables
from benchmarks.tables.printing import Entry, Printed, with_best
from benchmarks.tables.statistics import holm
from datamodules import InputError
from tests.facts import METRIC

ROWS = {"mean": 0.3, "same geometry": 0.9, "good": 0.601, "as good": 0.6, "bad": 0.5}
TRAINED = {
    "good": {"parameters_in_use": 1_500_000, "parameters": 9, "updates": 300, "fit_s": 90.0},
    "as good": {"parameters_in_use": 1234, "parameters": 9, "updates": 300, "fit_s": 7.0},
    "bad": {"parameters": 9, "fit_s": 7.0, "epochs": 3},  # as written before updates were counted
    "mean": {"parameters_in_use": 0, "fit_s": 0.1},
}
DATA = {"data": "phantoms", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {"test": 30},
        "lpips_weights": None, "fid_weights": None}  # fmt: skip


def make_results(folder, seeds: int = 1, **table) -> Results:
    """Thirty patients in each of two folds, of the rows above: the second is a ceiling."""
    settings = {"ceilings": ["same geometry"], "compare": "good"} | table
    planned = PlannedTable("t", "Table", ["SSIM", "FID"], {row: row for row in ROWS}, **settings)
    runs = [(fold, seed) for fold in (0, 1) for seed in range(seeds)]
    cells = [PlannedCell("t", row, fold, seed, f"{row}-{fold}-{seed}") for fold, seed in runs for row in ROWS]
    results = Results(folder)
    results.write_plan(Plan("suite", "Title", {"t": planned}, cells))
    rng = np.random.default_rng(0)
    for cell in cells:
        ids = [f"{cell.fold}-{number}" for number in range(30)]
        scores = pd.DataFrame({"id": ids, "patient": ids, "label": 0})
        scores["SSIM"] = ROWS[cell.row] + rng.normal(0, 0.02, 30)
        own = results.cell(cell.hash)
        own.write_scores(scores.assign(FID=100 * ROWS[cell.row]), [METRIC["SSIM"], METRIC["FID"]])
        if cell.row in TRAINED:
            own.write_timings(TRAINED[cell.row] | {"fit_s": TRAINED[cell.row]["fit_s"] + 2 * cell.fold})
        own.write_environment({"device": "2 CPU cores"})
        own.mark_finished(DATA, "small" if cell.row == "good" else "")
    return results


@pytest.fixture
def table(tmp_path) -> Printed:
    return make_tables(make_results(tmp_path))[0]


def test_a_note_names_the_methods_behind_a_row_that_takes_no_training(tmp_path, table):
    methods = ["good", "as good", "bad"]
    (told,) = [note for note in _noted(tmp_path, methods) if note.startswith("Behind")]
    # Of SSIM 'mean' is below all methods; of FID, where its score of 30 is the lowest, ahead of all.
    assert told == ("Behind a row that takes no training in FID (mean): 'good', 'as good', 'bad'.")
    assert not [note for note in _noted(tmp_path / "none", methods[:0]) if note.startswith("Behind")]
    assert not [note for note in table.notes if note.startswith("Behind")], "no candidates are named in its plan"


def _noted(folder, candidates: list[str]) -> list[str]:
    return make_tables(make_results(folder, candidates=candidates))[0].notes


def test_bold_are_the_best_and_whatever_is_not_worse(table):
    marked = table.cells[table.cells["best"]].groupby("metric")["row"].agg(list)
    assert marked["SSIM"] == ["good", "as good"], "no ceiling, though it is far above"
    assert marked["FID"] == ["mean"], "lowest; one number of a set has no interval; a trivial row may be the best"
    assert "Bold: the best row of a column, and every row whose difference" in " ".join(table.notes)


def test_a_likeness_to_the_source_has_no_best(tmp_path):
    results = make_results(tmp_path)
    for cell in results.plan.cells:
        own = results.cell(cell.hash)
        own.write_metrics([replace(METRIC["SSIM"], compares="source"), METRIC["FID"]])
    cells = make_tables(Results(tmp_path))[0].cells
    assert not cells.loc[cells["metric"] == "SSIM", "best"].any()


def test_ceilings_stand_apart_by_name_and_in_no_test(table):
    assert list(table.wide().index) == ["mean", "good [small]", "as good", "bad", "ceiling: same geometry"]
    apart = table.cells.groupby("row")["apart"].all()
    assert apart[apart].index.tolist() == ["same geometry"]
    assert "same geometry" not in set(table.tests["other"])
    assert "| *ceiling: same geometry* | 0.9" in table.markdown()
    assert "In italics: ceilings, known to the simulator." in " ".join(table.notes)
    lines = table.latex().split("\n")
    place = next(number for number, line in enumerate(lines) if "\\textit{ceiling: same geometry}" in line)
    assert (lines[place - 1], lines[place + 1]) == ("\\midrule", "\\bottomrule")
    assert lines.count("\\midrule") == 2


def test_rules_stand_on_both_sides_of_ceilings_with_rows_below():
    entries = [Entry(name, name, "SSIM", text="0", apart=name == "b") for name in "abc"]
    lines = Printed("k", "T", entries, []).latex().split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("a & 0"))
    below = [line.split(" ")[0] for line in lines[first : first + 5]]
    assert below == ["a", "\\midrule", "\\textit{b}", "\\midrule", "c"]


def test_the_best_of_a_column_is_no_ceiling():
    values = {"a": 0.9, "b": 0.5, "c": 0.4}
    entries = [Entry(row, row, "r", mean=value, apart=row == "a") for row, value in values.items()]
    assert [entry.best for entry in with_best(entries, True)] == [False, True, False]


def test_a_ceiling_is_named_so_once_and_the_note_is_there_only_with_one(tmp_path):
    results = make_results(tmp_path / "a", ceilings=[])
    assert "italics" not in " ".join(make_tables(results)[0].notes)
    results = make_results(tmp_path / "b")
    rows = {"ceiling": "ceiling"} | {row: row for row in ROWS}
    changed = replace(results.plan.tables["t"], rows=rows, ceilings=["ceiling"])
    cells = [*results.plan.cells, PlannedCell("t", "ceiling", 0, 0, "same geometry-0-0")]
    results.write_plan(replace(results.plan, tables={"t": changed}, cells=cells))
    assert list(make_tables(results)[0].wide().index)[-1] == "ceiling"


def test_budgets_stand_beside_every_row(table):
    wide = table.wide()
    assert list(wide.columns) == ["SSIM", "FID", "parameters", "updates", "training"]
    assert wide.loc["good [small]", ["parameters", "updates", "training"]].tolist() == ["1.5 M", "300", "1 min 31 s"]
    assert wide.loc["as good", ["parameters", "updates", "training"]].tolist() == ["1,234", "300", "8.0 s"]
    for row in ("mean", "bad", "ceiling: same geometry"):
        assert set(wide.loc[row, ["parameters", "updates", "training"]]) == {""}, "not trained, or not counted then"
    numbers = table.cells.set_index(["row", "metric"])["mean"]
    assert numbers["good", "parameters"] == 1_500_000
    assert numbers["good", "training"] == 91.0
    assert "1.5 M & 300 & 1 min 31 s" in table.latex()
    assert "training: time on 2 CPU cores" in " ".join(table.notes)


def test_passes_of_the_networks_are_printed_where_a_row_needs_several(tmp_path, monkeypatch):
    monkeypatch.setitem(TRAINED, "good", TRAINED["good"] | {"evaluations": 50})
    (table,) = make_tables(make_results(tmp_path))
    assert table.wide()["passes"].tolist() == ["", "50", "1", "", ""]
    assert "passes: of the networks that an image needs (function evaluations)." in table.notes


def test_a_row_trained_on_several_sets_has_a_budget_of_each(tmp_path):
    results = make_results(tmp_path, columns=["X>X", "Y>Y"], compare="")
    cells = [replace(cell, train="XY"[cell.fold]) for cell in results.plan.cells]
    results.write_plan(replace(results.plan, cells=cells))
    for cell in cells:
        own = results.cell(cell.hash)
        scores = own.read_scores().assign(column=f"{cell.train}>{cell.train}")
        own.write_scores(scores, own.metrics)
    wide = make_tables(results)[0].wide()
    budget = ["parameters", "updates, X", "updates, Y", "training, X", "training, Y"]
    assert list(wide.columns)[-5:] == budget
    assert wide.loc["good [small]", budget].tolist() == ["1.5 M", "300", "300", "1 min 30 s", "1 min 32 s"]


def test_a_free_budget_is_said(tmp_path):
    said = "Rows are trained on different budgets (budget: free)"
    for name, budget in (("a", ""), ("b", "free")):
        notes = make_tables(Results(make_results(tmp_path / name, budget=budget).out))[0].notes
        assert (said in " ".join(notes)) == (budget == "free")


def test_results_without_budgets_have_no_columns_of_them(tmp_path):
    results = make_results(tmp_path)
    for cell in results.plan.cells:
        (results.cell(cell.hash) / "timings.json").unlink(missing_ok=True)
    (table,) = make_tables(results)
    assert list(table.wide().columns) == ["SSIM", "FID"]
    assert "training: time" not in " ".join(table.notes)


def test_damaged_timings_are_named(tmp_path):
    results = make_results(tmp_path)
    (results.cell("good-0-0") / "timings.json").write_text("{")
    with pytest.raises(ValueError, match=r"good-0-0/timings\.json: is damaged"):
        make_tables(results)


@pytest.mark.parametrize("per", ["", "patient"])
def test_tests_of_a_table_are_one_family_a_kind(per, tmp_path):
    results = make_results(tmp_path, seeds=2, per=per)
    for cell in results.plan.cells:
        own = results.cell(cell.hash)
        own.write_scores(own.read_scores().assign(pixels=10), own.metrics)
    (found,) = write_tables(results)
    (table,) = found.tables
    kinds = ("bootstrap", "t_test_patients", "wilcoxon") if per else ("bootstrap", "t_test")
    for kind in kinds:
        assert table.tests[f"{kind}_holm"].tolist() == holm(table.tests[kind]).tolist()
        assert table.tests[f"{kind}_holm"].max() <= 1
    assert len(table.tests) == 3, "a line another row: neither the ceiling nor the metric of a set"
    written = pd.read_csv(results.tables / "t_tests.csv")
    assert {"bootstrap", "bootstrap_holm", "t_test", "t_test_holm", "folds", "runs"} <= set(written)
    assert written["runs"].tolist() == [4, 4, 4]
    assert "(Holm)" in table.markdown()
    certain = table.printed_tests().set_index("")["p, bootstrap"]
    assert certain["good - bad"] == "< 0.001", "beyond what 2000 resamplings and three tests can count"


@pytest.mark.parametrize(("seeds", "said"), [(1, "not of training: there is one seed"), (3, "the seeds of training")])
def test_what_an_interval_covers_is_said(seeds, said, tmp_path):
    (table,) = make_tables(make_results(tmp_path, seeds))
    assert said in " ".join(table.notes)
    assert "with one seed it is not covered" in table.markdown()


def test_an_old_plan_has_neither_ceilings_nor_free_budgets(tmp_path):
    results = make_results(tmp_path, ceilings=[])
    plan = json.loads(results.plan_file.read_text())
    assert "budget" not in plan["tables"]["t"]
    assert (Results(tmp_path).plan.tables["t"].budget, Results(tmp_path).plan.tables["t"].ceilings) == ("", [])


def test_two_tables_do_not_write_one_file(tmp_path):
    """``t`` has tests, ``t_tests.csv``, which a table of that name would overwrite."""
    results = make_results(tmp_path)
    plan = results.plan
    other = replace(plan.tables["t"], key="t_tests", compare="")
    cells = [*plan.cells, *(replace(cell, table="t_tests") for cell in plan.cells)]
    results.write_plan(replace(plan, tables={"t": plan.tables["t"], "t_tests": other}, cells=cells))
    with pytest.raises(InputError, match=r"table 't_tests': another table writes t_tests\.csv; rename one"):
        write_tables(results)
    assert not results.tables.exists()

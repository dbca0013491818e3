"""The overview of a suite: ranks over tasks, which of them differ, what quality costs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import chi2, rankdata

from benchmarks.analyses.base import Headline
from benchmarks.overview.findings import overview_findings
from benchmarks.overview.numbers import numbers_of, scores_by_patient
from benchmarks.overview.ranks import Ranking, beaten, pareto_front, ranking, ranks_of
from benchmarks.overview.settings import Task
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.report.page import write_report
from benchmarks.results import Results
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_findings, write_tables
from datamodules import InputError
from tests.facts import METRIC

DATA = {"data": "phantoms", "task": "elastography", "unit": "RGB", "size": [8, 8], "images": {"test": 30}}
SSIM = {"mean": 0.3, "HSC-T": 0.6, "Pix2Pix": 0.55, "DDPM": 0.5, "ceiling": 0.9}
ERROR = {"Pix2Pix": 8.0, "DDPM": 4.0, "sSWE": 6.0}
SECONDS = {"HSC-T": 90.0, "Pix2Pix": 10.0, "DDPM": 200.0, "sSWE": 5.0}


def make_results(folder) -> Results:
    """Two tasks with two methods in common; patient by patient the methods keep their order, but for DDPM's ties."""
    tables = {
        "pairs": PlannedTable("pairs", "Pairs", ["SSIM"], {row: row for row in SSIM}, ceilings=["ceiling"],
                              candidates=["HSC-T", "Pix2Pix", "DDPM"]),
        "maps": PlannedTable("maps", "Maps", ["MAE"], {row: row for row in ERROR}, candidates=list(ERROR)),
    }  # fmt: skip
    cells = [PlannedCell("pairs", row, 0, seed, f"p-{row}-{seed}") for row in SSIM for seed in (0, 1)]
    cells += [PlannedCell("maps", row, 0, 0, f"m-{row}") for row in ERROR]
    tasks = {"elastography": Task("pairs", "SSIM"), "elasticity": Task("maps", "MAE")}
    results = Results(folder)
    results.write_plan(Plan("suite", "All of it", tables, cells, overview=tasks))
    noise = np.random.default_rng(0).normal(0, 0.1, 15)
    for cell in cells:
        means, metric = (SSIM, "SSIM") if cell.table == "pairs" else (ERROR, "MAE")
        scores = pd.DataFrame({"id": [f"i{n}" for n in range(30)], "patient": [f"p{n // 2}" for n in range(30)]})
        scores = scores.assign(label=0, **{metric: means[cell.row] + np.repeat(noise, 2) + 0.001 * cell.seed})
        own = results.cell(cell.hash)
        own.write_scores(scores, [METRIC[metric]])
        if cell.row in SECONDS:
            own.write_timings({"parameters_in_use": 9, "updates": 300, "fit_s": SECONDS[cell.row]})
        own.mark_finished(DATA, "")
    return results


def overview_of(results, headlines=None):
    (found,) = overview_findings(results, headlines or {})
    return found


def test_ranks_are_those_of_scipy():
    values = {"a": 0.3, "b": 0.9, "c": 0.3, "d": -1.0}
    assert list(ranks_of(values, True).values()) == list(rankdata([-0.3, -0.9, -0.3, 1.0]))
    assert ranks_of(values, False) == {"a": 2.5, "b": 4.0, "c": 2.5, "d": 1.0}
    assert ranks_of(values, None) == {"a": 1.5, "b": 3.0, "c": 1.5, "d": 4.0}  # the closest to 0 is the best
    assert ranks_of({}, True) == {}


def test_of_its_rivals_the_first_beats_all_and_equals_half():
    assert beaten({"a": 1.0, "b": 2.0, "c": 3.0}) == {"a": 100.0, "b": 50.0, "c": 0.0}
    assert beaten(ranks_of({"a": 0.5, "b": 0.5}, True)) == {"a": 50.0, "b": 50.0}
    assert beaten({"alone": 1.0}) == {}


@pytest.mark.parametrize(("methods", "q"), [(3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(methods, q):
    """Table 5a of the paper gives q at 5 %."""
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(20, methods)))
    assert ranking(scores, True).critical == pytest.approx(q * np.sqrt(methods * (methods + 1) / (6 * 20)), rel=1e-3)


def test_friedmans_test_on_demsars_example():
    """AUC of four classifiers on 14 sets (Table 6 of the paper): mean ranks 3.143, 2.000, 2.893, 1.964; chi^2 9.28 with
    3 degrees of freedom; critical difference 1.25."""
    scores = pd.DataFrame(
        {
            "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.94, 0.619, 0.972, 0.957],
            "m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
            "cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
            "m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
        }
    )
    found = ranking(scores, True)
    assert found.ranks == pytest.approx({"C4.5": 3.143, "m": 2.0, "cf": 2.893, "m+cf": 1.964}, abs=5e-4)
    assert found.critical == pytest.approx(1.25, abs=0.005)
    ties = (3 * (2**3 - 2) + (4**3 - 4)) / (14 * (4**3 - 4))  # three pairs and a four, which the paper does not correct
    assert found.p == pytest.approx(chi2.sf(9.28 / (1 - ties), 3), rel=0.01)
    # Nemenyi tells none of them apart, the paper finds, too: one bar over all.
    assert found.cliques() == [(found.ranks["m+cf"], found.ranks["C4.5"])]


def test_of_two_methods_or_one_patient_nothing_is_ranked():
    assert ranking(pd.DataFrame(np.ones((5, 2))), True) is None
    assert ranking(pd.DataFrame(np.ones((1, 4))), True) is None


def test_bars_join_what_does_not_differ():
    ranks = Ranking({"a": 1.0, "b": 1.4, "c": 1.9, "d": 4.0}, 10, 0.01, 0.6)
    assert ranks.cliques() == [(1.0, 1.4), (1.4, 1.9)]
    assert replace(ranks, critical=0.95).cliques() == [(1.0, 1.9)]
    assert replace(ranks, critical=0.1).cliques() == []


def test_the_pareto_front_holds_what_nothing_cheaper_beats():
    cost = {"cheap": 1.0, "dear": 9.0, "worse and dearer": 5.0, "better": 4.0, "no quality": 1.0}
    quality = {"cheap": 0.2, "better": 0.6, "worse and dearer": 0.5, "dear": 0.9}
    assert pareto_front(cost, quality, True) == ["cheap", "better", "dear"]
    assert pareto_front(cost, quality, False) == ["cheap"]  # of an error
    assert pareto_front({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 0.5}, True) == ["a"], "as good for more is not better"


def test_a_method_is_ranked_on_every_task_that_it_serves(tmp_path):
    table = overview_of(make_results(tmp_path)).tables[0]
    wide = table.wide().to_dict("index")
    assert list(wide) == ["HSC-T", "Pix2Pix", "DDPM", "sSWE"]  # neither trivial rows nor ceilings
    assert list(wide["DDPM"]) == [
        "SSIM, elastography",
        "MAE, elasticity",
        "rivals beaten, quality",
        "rivals beaten, cost",
    ]
    ranks = {row: line["SSIM, elastography"].split(" ", 1)[-1] for row, line in wide.items()}
    assert ranks == {"HSC-T": "(1 of 3)", "Pix2Pix": "(2 of 3)", "DDPM": "(3 of 3)", "sSWE": ""}
    errors = {row: line["MAE, elasticity"].split(" ", 1)[-1] for row, line in wide.items()}
    assert errors == {"HSC-T": "", "Pix2Pix": "(3 of 3)", "DDPM": "(1 of 3)", "sSWE": "(2 of 3)"}
    means = {row: line["rivals beaten, quality"] for row, line in wide.items()}
    assert means == {"HSC-T": "100 % (1)", "Pix2Pix": "25 % (2)", "DDPM": "50 % (2)", "sSWE": "50 % (1)"}
    costs = {row: line["rivals beaten, cost"] for row, line in wide.items()}
    assert costs == {"HSC-T": "50 % (1)", "Pix2Pix": "75 % (2)", "DDPM": "0 % (2)", "sSWE": "100 % (1)"}
    bold = {(entry.row, entry.head) for entry in table.entries if entry.best}
    assert ("DDPM", "MAE, elasticity") in bold
    assert ("Pix2Pix", "MAE, elasticity") not in bold


def test_only_rows_without_a_missing_cell_are_compared_in_any_aspect(tmp_path):
    results = make_results(tmp_path)
    (results.cell("p-DDPM-1") / "done.json").unlink()
    lost = Headline("lesions lost", "faithfulness", {"HSC-T": 5.0, "DDPM": 2.0}, False)
    found = numbers_of(results, results.plan.overview["elastography"], {"pairs": [lost]})
    assert {own.name: list(own.values) for own in found} == {
        "SSIM": ["mean", "HSC-T", "Pix2Pix", "ceiling"],
        "lesions lost": ["HSC-T"],
        "training": ["HSC-T", "Pix2Pix"],
    }


def test_what_is_of_another_column_does_not_stand_beside_it(tmp_path):
    results, told = make_results(tmp_path), {"HSC-T": 5.0}
    own = [Headline(column or "all", "faithfulness", told, False, column=column) for column in ("", "A>A", "B>B")]
    found = numbers_of(results, Task("pairs", "SSIM"), {"pairs": own})
    assert [one.name for one in found if one.aspect == "faithfulness"] == ["all"]


def test_two_tasks_may_be_of_one_table(tmp_path):
    results = make_results(tmp_path)
    results.write_plan(replace(results.plan, overview={"a": Task("pairs", "SSIM"), "b b": Task("pairs", "SSIM")}))
    keys = [table.key for table in overview_of(Results(tmp_path)).tables]
    assert len(set(keys)) == 3
    write_tables(Results(tmp_path))
    assert all((tmp_path / "tables" / f"{key}.csv").is_file() for key in keys)


def test_a_task_shows_all_that_was_measured_side_by_side(tmp_path):
    lost = Headline("lesions lost", "faithfulness", {"mean": 100.0, "HSC-T": 5.0, "DDPM": 2.0}, False, 0, "%")
    found = overview_of(make_results(tmp_path), {"pairs": [lost]})
    assert [table.key for table in found.tables] == ["overview", "overview_elastography", "overview_elasticity"]
    wide = found.tables[1].wide()
    assert list(wide) == ["SSIM", "lesions lost (%)", "training"]
    assert list(wide.index) == ["mean", "HSC-T", "Pix2Pix", "DDPM", "ceiling"]
    assert list(wide["lesions lost (%)"]) == ["100", "5", "", "2", ""]
    assert list(wide["training"]) == ["", "1 min 30 s", "10.0 s", "3 min 20 s", ""]
    best = {entry.head: entry.row for entry in found.tables[1].entries if entry.best}
    assert best == {"SSIM": "HSC-T", "lesions lost (%)": "DDPM", "training": "Pix2Pix"}
    assert "rivals beaten, faithfulness" in found.tables[0].wide()


def test_patients_count_once_over_images_and_seeds(tmp_path):
    scores = scores_by_patient(make_results(tmp_path), Task("pairs", "SSIM"))
    assert scores.shape == (15, 3)
    assert list(scores) == ["HSC-T", "Pix2Pix", "DDPM"]
    noise = np.random.default_rng(0).normal(0, 0.1, 15)
    assert scores.loc["p3", "DDPM"] == pytest.approx(0.5 + noise[3] + 0.0005)


def test_an_unfinished_row_is_not_ranked(tmp_path):
    results = make_results(tmp_path)
    (results.cell("p-DDPM-1") / "done.json").unlink()
    (quality, *_) = numbers_of(results, results.plan.overview["elastography"], {})
    assert "DDPM" not in quality.values
    assert "(1 of 2)" in overview_of(results).tables[0].wide().loc["HSC-T", "SSIM, elastography"]
    for cell in results.plan.cells:
        (results.cell(cell.hash) / "done.json").unlink(missing_ok=True)
    assert overview_findings(results, {}) == []


def test_the_figures_name_every_method(tmp_path):
    ranks, costs = overview_of(make_results(tmp_path)).figures
    assert (ranks.name, costs.name) == ("overview_ranks", "overview_costs")
    drawn = ranks.draw(), costs.draw()
    assert all(row in text for row in SECONDS for text in drawn)
    assert "critical difference" in drawn[0]
    assert "ceiling" not in drawn[1]
    assert "mathdefault" not in drawn[1]


def test_the_overview_comes_first_on_the_page_and_survives_the_plan(tmp_path):
    results = make_results(tmp_path)
    again = Results(tmp_path)
    assert again.plan == results.plan
    findings = make_findings(again)
    keys = [table.key for found in findings for table in found.tables]
    assert keys == ["overview", "overview_elastography", "overview_elasticity", "pairs", "maps"]
    page = write_report(again, findings).read_text()
    assert page.index("<h2>Overview</h2>") < page.index("<h2>Side by side: elasticity</h2>")


CONFIG = {"config": "pix2pix.yaml"}
TABLES = {
    "pairs": {"metrics": ["SSIM"], "data": {"patients": 12, "size": [32, 32]}, "rows": {"Pix2Pix": CONFIG}},
    "sets": {"metrics": ["SSIM"], "sets": {"a": {}}, "columns": ["a>a"], "rows": {"Pix2Pix": CONFIG},
             "data": {"patients": 12, "size": [32, 32]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"table": "pears", "quality": "SSIM"}, "table 'pears' is none of pairs, sets; correct it"),
        ({"table": "pairs", "quality": "LNCC"}, "quality 'LNCC' is none of SSIM; correct it"),
        ({"table": "pairs"}, "has no 'quality'"),
        ({"table": "pairs", "quality": "SSIM", "colour": "red"}, "unknown key 'colour'"),
        ({"table": "sets", "quality": "SSIM"}, "its table has columns; say which one by 'column'"),
        ({"table": "sets", "quality": "SSIM", "column": "a>b"}, "'a>b' is none of its columns"),
        ({"table": "pairs", "quality": "SSIM", "diagnosis": "sets"}, "table 'sets' has no AUC"),
    ],
)
def test_what_no_table_has_is_refused(tmp_path, task, said):
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"tables": TABLES, "overview": {"it": task}}))
    with pytest.raises(InputError, match=r"overview: 'it'") as caught:
        read_suite(str(path))
    assert said in str(caught.value)


def test_a_task_whose_table_waits_for_images_is_left_out(tmp_path):
    waiting = {"class_path": "BUSI", "root": None, "size": [32, 32]}
    tables = TABLES | {"real": TABLES["pairs"] | {"data": waiting}}
    classifiers = {"metrics": ["AUC"], "data": waiting, "rows": {"Pix2Pix": {"config": "diagnosis.yaml"}}}
    tables |= {"diagnosis": classifiers | {"model": {"second": "source"}}}
    tasks = {"it": {"table": "pairs", "quality": "SSIM", "diagnosis": "diagnosis"}}
    tasks |= {"real": {"table": "real", "quality": "SSIM"}}
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"tables": tables, "overview": tasks}))
    assert read_suite(str(path)).plan().overview == {"it": Task("pairs", "SSIM")}, "nor the diagnosis that waits"

"""Scores that are no numbers: a line under the table, and never a page that cannot be made."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.report.figures import read_curves
from benchmarks.results import Metric, Results
from benchmarks.tables.make import make_tables
from benchmarks.tables.statistics import by_patient, over_runs
from tests.facts import METRIC

IMAGES = 40
DATA = {"data": "phantoms", "task": "strain", "unit": "RGB", "size": [8, 8], "images": {"test": IMAGES}}
TABLES = {
    "quality": PlannedTable("quality", "Quality", ["SSIM", "PSNR"], {"whole": "", "spoilt": ""}, compare="whole"),
    "diagnosis": PlannedTable(
        "diagnosis", "Diagnosis", ["accuracy", "AUC"], {"whole": "", "spoilt": ""}, compare="whole", columns=["A>A"]
    ),
}


def scores_of(table: str, row: str) -> pd.DataFrame:
    rng, number = np.random.default_rng(len(row)), np.arange(IMAGES)
    facts = {"id": [f"i{n}" for n in number], "patient": [f"p{n // 2}" for n in number], "label": number % 2}
    if table == "quality":
        return pd.DataFrame(facts | {"pixels": 64, "SSIM": rng.random(IMAGES), "PSNR": 30 * rng.random(IMAGES)})
    probability = 0.3 * (number % 2) + 0.7 * rng.random(IMAGES)
    return pd.DataFrame(facts | {"probability": probability, "column": "A>A"})


def make_results(folder, table: str, spoilt: dict[str, tuple[float, int]]) -> Results:
    """Two rows of one table; of the second the first ``count`` of some columns are another ``value``."""
    plan = TABLES[table]
    cells = [PlannedCell(table, row, 0, 0, row, "A" if plan.columns else "") for row in plan.rows]
    results = Results(folder)
    results.write_plan(Plan("suite", "Title", {table: plan}, cells))
    for cell in cells:
        scores = scores_of(table, cell.row)
        for name, (value, count) in spoilt.items() if cell.row == "spoilt" else ():
            scores[name] = scores[name].astype(float)
            scores.loc[: count - 1, name] = value
        results.cell(cell.hash).write_scores(scores, [METRIC[name] for name in plan.metrics])
        results.cell(cell.hash).mark_finished(DATA, "")
    return results


@pytest.mark.parametrize("count", [5, IMAGES])
@pytest.mark.parametrize(
    ("table", "column", "metric"),
    [
        ("quality", "SSIM", "SSIM"),
        ("diagnosis", "probability", "AUC, A>A"),
        ("diagnosis", "label", "AUC, A>A"),
    ],
)
def test_what_has_no_number_is_left_out_and_counted(table, column, metric, count, tmp_path):
    results = make_results(tmp_path, table, {column: (np.nan, count)})
    assert main(["report", str(tmp_path)]) == 0
    (printed,) = make_tables(results)
    line = f"Images without a number (NaN), which are left out: 'spoilt' {count} of {IMAGES} ({column})."
    assert line in printed.notes
    assert line.replace("'", "&#39;") in results.report.read_text()
    kept = scores_of(table, "spoilt").iloc[count:]
    known = METRIC[metric.partition(",")[0]]
    expected = f"{over_runs(kept.assign(fold=0, seed=0), known)[0]:.{known.digits}f}" if len(kept) else "-"
    assert printed.wide().loc["spoilt", metric] == expected
    assert printed.wide().loc["whole", metric] != "-"


def test_of_whole_scores_nothing_is_said(tmp_path):
    for table in TABLES:
        (printed,) = make_tables(make_results(tmp_path / table, table, {}))
        assert not any("NaN" in note for note in printed.notes)


def test_an_infinite_score_is_printed_as_such(tmp_path):
    results = make_results(tmp_path, "quality", {"PSNR": (-np.inf, 3)})
    assert main(["report", str(tmp_path)]) == 0
    assert make_tables(results)[0].wide().loc["spoilt", "PSNR"] == "-inf"


@pytest.mark.parametrize(("column", "value"), [("label", 2), ("probability", 1.5), ("probability", -np.inf)])
def test_what_is_no_label_and_no_probability_is_damage(column, value, tmp_path, capsys):
    make_results(tmp_path, "diagnosis", {column: (value, 1)})
    assert main(["tables", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"spoilt/scores.csv: is damaged (its column '{column}' has a value that is no {column})" in told
    assert len(told.splitlines()) == 1


def test_one_class_alone_has_no_area_and_the_rest_of_the_table(tmp_path):
    results = make_results(tmp_path, "diagnosis", {"label": (0, IMAGES)})
    assert main(["report", str(tmp_path)]) == 0
    row = make_tables(results)[0].wide().loc["spoilt"]
    right = (scores_of("diagnosis", "spoilt")["probability"] < 0.5).mean()
    assert (row["AUC, A>A"], row["accuracy, A>A"]) == ("-", f"{right:.3f}")


def test_a_run_without_a_score_is_no_run_of_the_mean():
    scores = scores_of("diagnosis", "whole").assign(seed=0)
    both = pd.concat([scores.assign(fold=0), scores.assign(fold=1, label=1)])
    mean, spread, _, runs = over_runs(both, METRIC["AUC"])
    assert (mean, runs) == (over_runs(scores.assign(fold=0), METRIC["AUC"])[0], 1)
    assert np.isnan(spread)


@pytest.mark.parametrize(("pooling", "of_one"), [("mean", 3.0), ("pixel mean", 3.0), ("pixel rms", 3.0)])
def test_a_patient_is_scored_by_the_images_that_have_a_score(pooling, of_one):
    facts = {"row": "a", "fold": 0, "seed": 0, "id": list("abcd"), "patient": list("xxyy")}
    scores = pd.DataFrame(facts | {"pixels": [10, 30, 10, 10], "E": [np.nan, 3.0, np.nan, np.nan]})
    found = by_patient(scores, [Metric("E", pooling=pooling)]).set_index("patient")["E"]
    assert found["x"] == pytest.approx(of_one)
    assert np.isnan(found["y"])


def test_a_metric_without_a_value_takes_no_epoch_from_the_others(tmp_path):
    results = make_results(tmp_path, "quality", {})
    logs = results.cell("whole") / "logs"
    logs.mkdir()
    curves = "epoch,loss,val/SSIM,val/LNCC\n0,1.0,,\n0,,0.5,\n1,1.0,,\n1,,0.6,0.1\n"
    (logs / "metrics.csv").write_text(curves)
    found = read_curves(results, "quality")
    assert found["epoch"].tolist() == [1, 2]
    assert found["SSIM"].tolist() == [0.5, 0.6]
    assert json.loads(found["LNCC"].to_json(orient="values")) == [None, 0.1]

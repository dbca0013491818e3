"""Tables, figures and headlines of reliability, from scores on disk."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from benchmarks.__main__ import main
from benchmarks.analyses.base import Headline
from benchmarks.analyses.registry import ANALYSES
from benchmarks.analyses.reliability.diagnoses import calibration_error, error_by_chance
from benchmarks.analyses.reliability.measurement import MEASURED, POINTS
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.tables.make import make_tables
from tests.facts import METRIC

RELIABILITY = ANALYSES["reliability"]
IMAGES = 80
DATA = {"data": "phantoms", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {"test": IMAGES}}
ASKED = {"reliability": True}


def facts() -> dict:
    number = np.arange(IMAGES)
    return {"id": [f"i{n}" for n in number], "patient": [f"p{n // 2}" for n in number], "label": number % 2}


def probabilities(row: str, seed: int, column: str) -> np.ndarray:
    """Of 'half' and 'late' always one half; of 'sure' near the label, and further from it in the second column."""
    rng, label = np.random.default_rng(seed), facts()["label"]
    if row in ("half", "late"):
        return np.full(IMAGES, 0.5)
    return np.abs(label - (0.3 if column == "A>B" else 0.1) * rng.random(IMAGES))


@pytest.fixture(scope="module")
def diagnoses(tmp_path_factory) -> Results:
    rows = {"half": "", "sure": "", "late": "", "none": ""}
    table = PlannedTable("d", "Diagnosis", ["AUC"], rows, columns=["A>A", "A>B"], analyses=ASKED)
    cells = [PlannedCell("d", row, 0, seed, f"{row}{seed}", "A") for row in rows for seed in (0, 1)]
    results = Results(tmp_path_factory.mktemp("diagnoses"))
    results.write_plan(Plan("suite", "Title", {"d": table}, cells))
    for cell in cells:
        if cell.hash in ("late1", "none0", "none1"):
            continue
        parts = [
            pd.DataFrame(facts() | {"probability": probabilities(cell.row, cell.seed, column), "column": column})
            for column in table.columns
        ]
        if cell.hash == "sure0":
            parts[1]["probability"] = np.nan
        results.cell(cell.hash).write_scores(pd.concat(parts), [METRIC["AUC"]])
        results.cell(cell.hash).mark_finished(DATA, "")
    return results


def reliability_of(results: Results):
    return next(table for table in make_tables(results) if table.key.endswith("_reliability"))


def test_the_brier_score_is_that_of_scikit_learn_and_has_an_interval(diagnoses):
    cells = reliability_of(diagnoses).cells.set_index(["metric", "group", "row"])
    scores = [brier_score_loss(facts()["label"], probabilities("sure", seed, "A>A")) for seed in (0, 1)]
    assert cells.loc[("Brier", "A>A", "sure"), "mean"] == pytest.approx(np.mean(scores))
    assert cells.loc[("Brier", "A>A", "half"), "text"] == "0.250 ± 0.000 (0.250 to 0.250)"
    text = cells.loc[("Brier", "A>A", "sure"), "text"]
    low, high = (float(word) for word in text.partition("(")[2].rstrip(")").split(" to "))
    assert 0 <= low <= round(np.mean(scores), 3) <= high < 0.02
    assert cells.loc[("Brier", "A>A", "late"), "text"].partition(" (0")[0].endswith("(1 of 2 runs)")
    assert cells.loc[("Brier", "A>A", "none"), "text"] == "not run"


def test_bold_is_the_best_of_rows_that_are_complete(diagnoses):
    cells = reliability_of(diagnoses).cells
    best = cells[cells["best"]].groupby(["metric", "group"])["row"].agg(list).to_dict()
    # In A>B one run of 'sure' has no probability, and of 'half' ECE is 0.
    assert best == {("Brier", "A>A"): ["sure"], ("ECE", "A>A"): ["half"], ("Brier", "A>B"): ["half"],
                    ("ECE", "A>B"): ["half"]}  # fmt: skip


def test_the_calibration_error_is_that_of_scikit_learns_curve():
    rng = np.random.default_rng(0)
    probability = np.concatenate([rng.random(300), np.linspace(0, 1, 11)])  # the ends of the bins too
    label = (rng.random(len(probability)) < probability**2).astype(int)
    share, said = calibration_curve(label, probability, n_bins=10)
    counts = np.bincount(np.ceil(np.round(probability * 10, 9)).clip(1, 10).astype(int), minlength=11)[1:]
    expected = counts @ np.abs(share - said) / len(label)
    assert calibration_error(label, probability) == pytest.approx(expected)
    assert calibration_error(np.array([0, 1]), np.array([0.0, 1.0])) == 0
    assert calibration_error(np.array([1, 0]), np.array([0.0, 1.0])) == 1


def test_by_chance_a_calibrated_one_errs_the_more_the_fewer_images_there_are():
    rng = np.random.default_rng(1)
    few, many = (error_by_chance(rng.random(number)) for number in (40, 4000))
    assert few == pytest.approx(10 * many, rel=0.2), "it falls as one over the root of their number"
    coin = np.full(100, 0.5)
    assert error_by_chance(coin) == pytest.approx(np.sqrt(0.25 / 100) * np.sqrt(2 / np.pi), rel=0.1)
    assert error_by_chance(np.array([0.0, 1.0, 1.0])) == 0


def test_the_page_has_a_diagram_of_every_row_and_column(diagnoses, tmp_path):
    assert main(["report", str(diagnoses.out), "--out", str(tmp_path)]) == 0
    text = " ".join(ET.parse(tmp_path / "figures" / "d_reliability_diagram.svg").getroot().itertext())
    assert text.count("part malignant") == 2, "once a column of the table"
    assert [text.count(row) for row in ("half", "sure", "late", "none")] == [2, 2, 2, 0]
    assert "160" in text, "all images of both runs of 'half' say one half"
    page = (tmp_path / "report.html").read_text()
    assert "Reliability of: Diagnosis" in page
    assert "a Brier score of 0.250 (A&gt;A), 0.250 (A&gt;B)." in page


def test_classifiers_of_a_table_without_columns_have_it_all(tmp_path):
    table = PlannedTable("d", "Diagnosis", ["AUC"], {"half": "", "sure": ""}, analyses=ASKED)
    cells = [PlannedCell("d", row, 0, 0, row) for row in table.rows]
    results = Results(tmp_path)
    results.write_plan(Plan("suite", "Title", {"d": table}, cells))
    for cell in cells:
        scores = pd.DataFrame(facts() | {"probability": probabilities(cell.row, 0, "A>A")})
        results.cell(cell.hash).write_scores(scores, [METRIC["AUC"]])
        results.cell(cell.hash).mark_finished(DATA, "")
    printed = reliability_of(results)
    assert printed.wide().loc["half", "Brier"].startswith("0.250 (")
    assert any("has a Brier score of 0.250." in note for note in printed.notes)
    assert main(["report", str(tmp_path)]) == 0
    for name in ("d_confusion", "d_roc", "d_reliability_diagram"):
        assert "sure" in (results.figures / f"{name}.svg").read_text()
    assert [headline.name for headline in RELIABILITY.findings(results, table).headlines] == ["Brier"]


def test_headlines_of_diagnoses_are_brier_scores_of_a_column(diagnoses):
    found, *others = RELIABILITY.findings(diagnoses, diagnoses.plan.tables["d"]).headlines
    assert (found.name, found.column) == ("Brier", "A>A")
    assert {own.column for own in others} <= {"A>B"}
    assert (found.aspect, found.higher_is_better) == ("downstream", False)
    assert list(found.values) == ["half", "sure"]
    assert found.values["half"] == 0.25


# Translations


def translations(folder, says: str, finished=("unsure", "silent"), columns=()) -> Results:
    """A row that says where it may be wrong, and one that does not; images 0 and 1 of the first in each column."""
    rows = {"silent": "", "unsure": "", "ceiling": ""}
    table = PlannedTable(
        "t", "Elasticity", ["MAE"], rows, analyses=ASKED, columns=[*columns], ceilings=["ceiling"]
    )  # fmt: skip
    cells = [PlannedCell("t", row, 0, 0, row, "A" if columns else "") for row in rows]
    results = Results(folder)
    results.write_plan(Plan("suite", "Title", {"t": table}, cells))
    for name in finished:
        scores = pd.DataFrame(facts()).assign(MAE=1.0)
        if name == "unsure":
            own = {"AUSE": [0.1, 0.3], "AUSE by chance": [0.4, 0.6], "rank correlation": [0.5, 0.7]}
            own |= {"ENCE": [0.2, 0.6]} if says == "spread" else {}
            for metric, values in own.items():
                scores[metric] = np.where(np.arange(IMAGES) % 2, *reversed(values))
            curve = {f"{of} {n}": 1 - n / ends for of, ends in (("left", 40), ("oracle", 20)) for n in range(POINTS)}
            if says == "spread":
                curve |= {f"{of} {n}": float(n) for of in ("spread", "error") for n in range(10)}
            kept = [{"id": f"i{n}", "says": says, "column": c} | curve for n in (0, 1) for c in columns or [""]]
            results.cell(name).write_table("reliability.csv.gz", pd.DataFrame(kept))
        scores = pd.concat([scores.assign(column=column) for column in columns]) if columns else scores
        known = [METRIC["MAE"], *(metric for metric in MEASURED if metric.name in scores)]
        results.cell(name).write_scores(scores, known)
        units = dict(zip(columns, ("kPa", "RGB"), strict=True)) if columns else {}
        results.cell(name).mark_finished(DATA | {"units": units}, "")
    return results


@pytest.mark.parametrize("columns", [(), ("A>A", "A>B")])
@pytest.mark.parametrize(("says", "ence"), [("confidence", None), ("spread", "0.400")])
def test_rows_that_say_nothing_have_a_dash(says, ence, columns, tmp_path):
    results = translations(tmp_path, says, columns=columns)
    table = reliability_of(results)
    wide, tail = table.wide(), f", {columns[1]}" if columns else ""
    assert list(wide.index) == ["silent", "unsure", "ceiling"]
    assert wide["uncertainty"].tolist() == ["-", says, "-"]
    assert wide[f"AUSE{tail}"].tolist() == ["-", "0.200", "not run"]
    assert wide[f"AUSE by chance{tail}"].tolist() == ["-", "0.500", "not run"]
    assert wide[f"rank correlation{tail}"]["unsure"] == "0.600"
    assert wide.get(f"ENCE{tail}", {"unsure": None})["unsure"] == ence
    assert set(table.cells.query("best")["metric"]) == {"AUSE", "rank correlation"} | ({"ENCE"} if ence else set())
    assert ("compare rows of equally many" in " ".join(table.notes)) == (ence is not None)
    assert not any("No row has said" in note for note in table.notes)


@pytest.mark.parametrize("says", ["confidence", "spread"])
def test_figures_have_a_panel_of_each_row_that_says_something(says, tmp_path):
    results = translations(tmp_path, says, columns=("A>A", "A>B"))
    assert main(["report", str(tmp_path)]) == 0
    names = {path.name for path in results.figures.iterdir()}
    assert ("t_reliability_spread.svg" in names) == (says == "spread")
    text = " ".join(ET.parse(results.figures / "t_reliability_sparsification.svg").getroot().itertext())
    assert (text.count("unsure"), text.count("silent"), text.count("A>B")) == (2, 0, 1)
    assert says in text
    if says == "spread":
        text = " ".join(ET.parse(results.figures / "t_reliability_spread.svg").getroot().itertext())
        assert (text.count("spread (kPa)"), text.count("spread (levels)")) == (1, 1)
    assert "Reliability of: Elasticity" in results.report.read_text()


def test_headlines_of_translations_are_areas(tmp_path):
    results = translations(tmp_path, "confidence")
    expected = Headline("AUSE", "faithfulness", {"unsure": pytest.approx(0.2)}, False, digits=3)
    assert RELIABILITY.findings(results, results.plan.tables["t"]).headlines == [expected]


def test_where_no_row_says_anything_the_table_tells_how_to_ask(tmp_path):
    results = translations(tmp_path, "confidence", finished=("silent",))
    table = reliability_of(results)
    assert table.wide()["AUSE"].tolist() == ["-", "not run", "not run"]
    assert table.notes[-1].startswith("No row has said anything that a target could be held against; SSWE does")
    assert main(["report", str(tmp_path)]) == 0
    assert RELIABILITY.findings(results, results.plan.tables["t"]).headlines == []


def test_of_nothing_finished_there_is_nothing(tmp_path):
    results = translations(tmp_path, "confidence", finished=())
    assert [table.key for table in make_tables(results)] == ["t"]
    assert RELIABILITY.findings(results, results.plan.tables["t"]).headlines == []


def test_images_without_a_number_leave_panels_and_means_to_the_others(tmp_path):
    results = translations(tmp_path, "spread")
    cell = results.cell("unsure")
    scores, kept = cell.read_scores(), pd.read_csv(cell / "reliability.csv.gz", keep_default_na=False)
    scores.loc[scores["label"] == 1, ["AUSE", "ENCE"]] = np.nan
    cell.write_scores(scores, cell.metrics)
    curves = [name for name in kept if name[-1].isdigit()]
    kept.loc[kept["id"] == "i1", curves] = np.nan
    cell.write_table("reliability.csv.gz", kept)
    assert main(["report", str(tmp_path)]) == 0
    assert reliability_of(results).wide()["AUSE"]["unsure"] == "0.100"
    kept[curves] = np.nan
    cell.write_table("reliability.csv.gz", kept)
    assert main(["report", str(tmp_path)]) == 0, "and an empty panel is none"

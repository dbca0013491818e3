"""The analysis of faithfulness: what is printed of rows of which it is known what they do to lesions."""

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.analyses.faithfulness import Faithfulness
from benchmarks.analyses.faithfulness.measures import MEASURES, VALUE, first_run, read_seen
from benchmarks.analyses.faithfulness.table import THEMSELVES, faithfulness_table, headlines, lesion_f1, of_columns
from benchmarks.analyses.registry import ANALYSES
from benchmarks.report.page import write_report
from benchmarks.results import Results
from benchmarks.suite import read_suite
from benchmarks.tables.make import write_tables
from benchmarks.tables.printing import Entry, Printed
from benchmarks.vocabulary import Table
from datamodules import InputError
from datamodules.batch import GREY, Task
from tests.faithful import (
    PAIRS,
    PATIENTS,
    UNPAIRED,
    b_mode,
    disc,
    elastograms,
    make_results,
    modulus,
)

LESIONS, OTHERS = elastograms(), elastograms(seed=1)


def kilopascals(sample) -> torch.Tensor:
    return (sample["target"][0] + 1) * 90


def without_lesion(sample) -> torch.Tensor:
    return modulus(torch.where(sample["lesion"][0], 20.0, kilopascals(sample)))


def halved(sample) -> torch.Tensor:
    """Half of the contrast in octaves: the root of the ratio."""
    kpa = kilopascals(sample)
    return modulus(torch.where(sample["lesion"][0], 20 * (kpa / 20).sqrt(), kpa))


def with_another(sample) -> torch.Tensor:
    rows, columns = np.nonzero(sample["lesion"][0].numpy())
    away = disc(8 if rows.mean() > 32 else 56, 8 if columns.mean() > 32 else 56, 5)
    return modulus(torch.where(away, 100.0, kilopascals(sample)))


def in_reverse(sample) -> torch.Tensor:
    """The softest lesions become the stiffest."""
    number = int(sample["id"][1:])
    return modulus(torch.where(sample["lesion"][0], 60.0 + 7 * (PATIENTS - number), kilopascals(sample)))


ROWS = {
    "faithful": lambda sample: sample["target"] + 0.001,
    "flat": without_lesion,
    "halved": halved,
    "inventive": with_another,
    "reversed": in_reverse,
    "perfect": lambda sample: sample["target"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return make_results(tmp_path_factory.mktemp("e"), ROWS, PAIRS, LESIONS, OTHERS, ceilings=("perfect",))


def findings(results: Results) -> Printed:
    (printed,) = Faithfulness().findings(results, results.plan.tables["t"]).tables
    return printed


@pytest.fixture(scope="module")
def printed(results) -> Printed:
    return findings(results)


def column(printed: Printed, metric: str) -> dict[str, Entry]:
    return {entry.row: entry for entry in printed.entries if entry.metric == metric}


def means(printed: Printed, metric: str) -> dict[str, float]:
    return {row: entry.mean for row, entry in column(printed, metric).items()}


def test_lesions_are_kept_lost_and_invented_as_they_were(printed):
    kept, lost, invented = (means(printed, name) for name in ("kept, %", "lost, %", "invented"))
    assert (kept["faithful"], kept["perfect"], kept["flat"]) == (100, 100, 0)
    assert all(lost[row] == 100 - kept[row] for row in ROWS)
    assert kept[THEMSELVES] > 90, "what the detector finds of the targets' own"
    assert lost[THEMSELVES] == 100 - kept[THEMSELVES]
    assert invented["inventive"] == pytest.approx(1, abs=0.1)
    assert (invented["faithful"], invented["flat"]) == (0, 0)
    dice = means(printed, "Dice")
    assert dice["faithful"] == pytest.approx(dice[THEMSELVES], abs=0.02)
    assert dice["faithful"] > 0.6
    assert dice["flat"] == 0


def test_contrast_and_rank_of_stiffness_are_those_that_were_made(printed):
    contrast, rank, area = (means(printed, name) for name in ("contrast kept, %", "stiffness rank", "class AUC"))
    assert contrast["faithful"] == pytest.approx(100, abs=1)
    assert contrast["halved"] == pytest.approx(50, abs=1)
    assert contrast["flat"] == pytest.approx(0, abs=1)
    assert rank["faithful"] == pytest.approx(1, abs=0.01)
    assert rank["halved"] > 0.9
    assert rank["reversed"] == pytest.approx(-1, abs=0.05)
    assert (area["faithful"], area[THEMSELVES]) == (1, 1)
    assert area["reversed"] == 0
    assert column(printed, "stiffness rank")[THEMSELVES].printed() == "", "1 by definition"


def test_a_lesion_that_has_turned_soft_has_lost_more_than_its_contrast(tmp_path):
    def turned(own):
        return modulus(torch.where(own["lesion"][0], 400 / kilopascals(own), kilopascals(own)))

    printed = findings(make_results(tmp_path, {"soft": turned}, PAIRS, LESIONS, OTHERS))
    assert means(printed, "contrast kept, %")["soft"] == pytest.approx(-100, abs=2)


def test_the_best_is_bold_and_ceilings_and_targets_stand_apart(printed):
    bold = {row for row, entry in column(printed, "contrast kept, %").items() if entry.best}
    assert bold >= {"faithful"}
    assert not bold & {"halved", "flat", "perfect", THEMSELVES}
    assert "faithful" in {row for row, entry in column(printed, "kept, %").items() if entry.best}
    assert not column(printed, "invented")["inventive"].best
    last = list(printed.wide().index)[-2:]
    assert last == ["ceiling: perfect", THEMSELVES]
    assert all(entry.apart for entry in printed.entries if entry.row in ("perfect", THEMSELVES))


def test_notes_define_every_column_and_tell_the_detector(printed):
    for name in dict.fromkeys(entry.metric for entry in printed.entries):
        assert any(note.startswith(f"'{name}': ") for note in printed.notes), name
    assert f"{PATIENTS} lesions in {PATIENTS} test images" in printed.notes[0]
    assert "octaves of kPa above the tissue about them" in printed.notes[0]
    assert "calibrated on the targets of training patients" in printed.notes[0]
    assert "gCNR" not in {entry.metric for entry in printed.entries}, "that is of grey levels"


def test_what_the_overview_shows(results):
    found = {own.name: own for own in Faithfulness().findings(results, results.plan.tables["t"]).headlines}
    assert set(found) == {"lesion F1", "stiffness rank"}
    assert {(own.aspect, own.column) for own in found.values()} == {("faithfulness", "")}
    f1 = found["lesion F1"].values
    assert (f1["faithful"], f1["flat"]) == (1, 0)
    assert found["lesion F1"].higher_is_better
    assert set(f1) == set(ROWS), "targets are no row"


def test_neither_keeping_nothing_nor_inventing_much_is_faithful(results):
    """F1 of the same counts by scikit-learn: the lesions of the targets, and what is invented beside them."""
    from sklearn.metrics import f1_score

    (own,) = of_columns(results, results.plan.tables["t"], read_seen(results, "t"))
    for row in ROWS:
        kept, invented = (own.scores(measure, row)[VALUE].dropna() for measure in (MEASURES[0], MEASURES[2]))
        wanted = [1] * len(kept) + [0] * int(invented.sum())
        assert lesion_f1(own, row) == pytest.approx(f1_score(wanted, [*(kept // 100), *[1] * int(invented.sum())]))


def test_without_a_detector_nothing_is_said_to_be_lost(results):
    """As where lesions are too small, or too rare, to calibrate on."""
    table, seen = results.plan.tables["t"], read_seen(results, "t").assign(calibrated="")
    columns = of_columns(results, table, seen)
    assert headlines(columns) == []
    printed = faithfulness_table(table, columns)
    assert "kept, %" not in {entry.metric for entry in printed.entries}
    assert printed.notes[0].startswith("No detector: ")


def test_the_first_run_is_one_that_is_there():
    seen = pd.DataFrame({"fold": [1, 0, 0], "seed": [0, 2, 1], "id": ["a", "b", "c"]})
    assert first_run(seen)["id"].tolist() == ["c"]


def test_figures_show_every_row(results):
    figures = Faithfulness().findings(results, results.plan.tables["t"]).figures
    assert [figure.name for figure in figures] == ["t_faithfulness_lesions", "t_faithfulness_contrast"]
    for figure in figures:
        text = figure.draw()
        assert all(f">{row}<" in text for row in ROWS), figure.name
        assert figure.under == "t_faithfulness"


def test_regions_that_are_in_the_target_too_are_not_invented(tmp_path):
    """A second lesion that nobody has marked: the detector errs on the target, the translation does not."""
    unmarked = [sample | {"target": with_another(sample)} for sample in LESIONS]
    results = make_results(tmp_path, {"faithful": lambda own: own["target"]}, PAIRS, unmarked, OTHERS)
    invented = means(findings(results), "invented")
    assert invented["faithful"] == 0
    assert invented[THEMSELVES] == pytest.approx(1, abs=0.1)


def test_lesions_that_cannot_be_seen_in_the_target_do_not_count_as_lost(tmp_path):
    pale = [own | {"target": without_lesion(own)} if index % 2 else own for index, own in enumerate(LESIONS)]
    results = make_results(tmp_path, {"faithful": lambda own: own["target"]}, PAIRS, pale, OTHERS)
    kept = means(findings(results), "kept, %")
    assert kept["faithful"] == 100
    assert kept[THEMSELVES] == pytest.approx(50, abs=7)


SCANS, MORE = [b_mode(number, 0) for number in range(PATIENTS)], [b_mode(number, 1) for number in range(PATIENTS)]
SMOOTH = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
BRIGHT = 20 / 127.5
TISSUE = torch.from_numpy(np.random.default_rng(9).normal(130, 15, (1, 64, 64)) / 127.5 - 1).float()


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> Results:
    """Targets of other patients, in two columns that hold the same."""
    rows = {
        "same": lambda own: own["source"],
        "brighter": lambda own: own["source"] + BRIGHT,
        "smoothed": lambda own: SMOOTH(own["source"]),
        "empty": lambda own: torch.where(own["lesion"], TISSUE, own["source"]),
    }
    return make_results(tmp_path_factory.mktemp("b"), rows, UNPAIRED, SCANS, MORE, columns=("A>A", "A>B"))


@pytest.fixture(scope="module")
def of_scans(apart) -> Printed:
    return findings(apart)


def test_of_other_patients_every_lesion_counts_and_contrast_is_that_of_the_targets(of_scans):
    own = {(e.row, e.metric): e.mean for e in of_scans.entries if e.group == "A>B"}
    assert own["same", "kept, %"] > 90
    assert own["empty", "kept, %"] == 0
    assert own["same", "contrast kept, %"] == pytest.approx(100, abs=5)
    assert own["empty", "contrast kept, %"] == pytest.approx(0, abs=10)
    assert own[THEMSELVES, "kept, %"] > 90, "by their own masks"
    assert "below the tissue about them" in of_scans.notes[0]
    assert {e.group for e in of_scans.entries} == {"A>A", "A>B"}
    assert not any(metric in {e.metric for e in of_scans.entries} for metric in ("stiffness rank", "class AUC"))


def test_speckle_is_compared_whatever_the_brightness(apart, of_scans):
    own = {(e.row, e.metric): e for e in of_scans.entries if e.group == "A>A"}
    distance = {row: own[row, "speckle KS"].mean for row in ("same", "brighter", "smoothed")}
    assert distance["same"] < 0.05
    assert distance["brighter"] == pytest.approx(distance["same"], abs=0.01)
    assert distance["smoothed"] > 0.15
    snr = {row: own[row, "speckle SNR"].mean for row in ("same", "brighter", "smoothed", THEMSELVES)}
    assert snr["same"] == pytest.approx(130 / 15, rel=0.05)
    assert snr[THEMSELVES] == pytest.approx(snr["same"], rel=0.03)
    assert snr["brighter"] == pytest.approx(150 / 15, rel=0.05)
    assert snr["smoothed"] > 2 * snr["same"]
    assert own["same", "speckle SNR"].best
    assert not own["smoothed", "speckle SNR"].best, "nearest the targets' own is best, not highest"
    gcnr = {row: own[row, "gCNR"].mean for row in ("same", "brighter", "empty", THEMSELVES)}
    assert gcnr["same"] > 0.95
    assert gcnr["brighter"] == pytest.approx(gcnr["same"], abs=0.01)
    assert gcnr["empty"] < 0.4
    assert {own.name for own in Faithfulness().findings(apart, apart.plan.tables["t"]).headlines} == {
        "lesion F1",
        "speckle KS",
    }


def without(samples, *names: str):
    return [{name: value for name, value in own.items() if name not in names} for own in samples]


def test_without_lesions_a_line_stands_in_the_tables_place(tmp_path):
    bare = without(LESIONS, "lesion")
    results = make_results(tmp_path, {"x": lambda own: own["target"]}, PAIRS, bare, bare)
    printed = findings(results)
    assert [entry.printed() for entry in printed.entries] == ["none marked"]
    assert printed.notes[0].startswith("No lesion is marked in these images")
    assert "give masks" in printed.notes[0]
    page = write_report(results, write_tables(results)).read_text()
    assert "No lesion is marked in these images" in page
    assert Faithfulness().findings(results, results.plan.tables["t"]).headlines == []


def test_without_lesions_speckle_is_compared_all_the_same(tmp_path):
    task = Task("pairs", GREY, GREY)
    bare = without(SCANS, "lesion", "target_lesion")
    results = make_results(tmp_path, {"same": lambda own: own["target"]}, task, bare, bare)
    printed = findings(results)
    assert list(dict.fromkeys(entry.metric for entry in printed.entries)) == ["speckle SNR", "speckle KS"]
    assert means(printed, "speckle KS")["same"] == 0
    assert printed.notes[0].startswith("No lesion is marked")


def test_masks_of_nothing_and_lesions_without_values_break_nothing(tmp_path):
    """Normal tissue, a cyst in which nothing is measured, and one image that is all of it."""
    none = torch.zeros_like(LESIONS[0]["lesion"])
    strange = [
        LESIONS[0] | {"lesion": none},
        LESIONS[1] | {"valid": ~LESIONS[1]["lesion"]},
        LESIONS[2] | {"lesion": ~none},
        LESIONS[3] | {"valid": none},
        *LESIONS[4:],
    ]
    results = make_results(tmp_path, {"faithful": ROWS["faithful"]}, PAIRS, strange, OTHERS)
    printed = findings(results)
    assert f"{PATIENTS - 3} lesions in {PATIENTS} test images" in printed.notes[0]
    assert means(printed, "kept, %")["faithful"] == 100
    assert np.isfinite(means(printed, "contrast kept, %")["faithful"])


def test_tables_and_report_hold_it(results):
    page = write_report(results, write_tables(results)).read_text()
    assert page.count("<h2>Faithfulness of: Made up</h2>") == 1
    written = (results.tables / "t_faithfulness.csv").read_text()
    assert "contrast kept, %" in written
    assert (results.figures / "t_faithfulness_lesions.svg").is_file()


def test_nothing_is_printed_of_what_has_not_run(tmp_path):
    results = make_results(tmp_path, {"x": ROWS["flat"]}, PAIRS, LESIONS, OTHERS)
    (results.cell("cell0") / "done.json").unlink()
    assert Faithfulness().findings(results, results.plan.tables["t"]).tables == []
    assert Faithfulness().findings(results, results.plan.tables["t"]).headlines == []


def test_each_target_is_measured_once_a_run(results, printed):
    seen = read_seen(results, "t")
    assert set(seen["row"]) == set(ROWS)
    assert len(seen[seen["of"] == "target"]) == len(ROWS) * 2 * PATIENTS
    assert column(printed, "kept, %")[THEMSELVES].runs == 1
    assert f"{PATIENTS} lesions in" in printed.notes[0], "each counts once, though every cell has it"


TABLE = Table(["SSIM"], {}, sets={"A": {}, "B": {}}, columns=["A>A", "A>B"])


@pytest.mark.parametrize(
    ("settings", "table", "message"),
    [
        (False, TABLE, "t: faithfulness is 'False'; write true, or columns: [A>B], or leave it out"),
        (None, TABLE, "t: faithfulness is 'None'; write true"),
        ("A>A", TABLE, "t: faithfulness is 'A>A'; write true"),
        ({"columns": ["A>C"]}, TABLE, "t: faithfulness: 'A>C' is none of its columns; name one of A>A, A>B"),
        ({"columns": "A>A"}, TABLE, "t: faithfulness: columns is 'A>A', not a list of texts"),
        ({"column": ["A>A"]}, TABLE, "t: faithfulness: unknown key 'column'; known are columns"),
        ({"columns": ["A>A"]}, Table(["SSIM"], {}), "t: faithfulness: columns are those of sets, and the table has"),
        (True, Table(["AUC"], {}), "t: faithfulness: compares translations, and rows scored by AUC make none"),
    ],
)
def test_what_a_suite_cannot_ask_for(settings, table, message):
    with pytest.raises(InputError) as caught:
        ANALYSES["faithfulness"].check("t", settings, table)
    assert str(caught.value).startswith(message)


def test_what_a_suite_asks_for_is_measured_in_every_row_and_in_its_columns_alone(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "tables:\n"
        "  pairs:\n"
        "    metrics: [SSIM]\n"
        "    faithfulness: true\n"
        "    data: {patients: 12}\n"
        "    rows: {Pix2Pix: {config: pix2pix.yaml}}\n"
        "  sets:\n"
        "    metrics: [SSIM]\n"
        "    faithfulness: {columns: [A>B]}\n"
        "    sets: {A: {patients: 12}, B: {patients: 12, phantom_seed: 1}}\n"
        "    columns: [A>A, A>B]\n"
        "    rows: {Pix2Pix: {config: pix2pix.yaml}}\n"
    )
    suite = read_suite(str(tmp_path / "s.yaml"))
    asked = {(cell.table, cell.row): cell.config["faithfulness"] for cell in suite.cells}
    assert {row for table, row in asked if table == "pairs"} == {"identity", "mean", "linear", "ceiling", "Pix2Pix"}
    assert asked["pairs", "mean"] == {}
    measurement = Faithfulness().measurement(asked["sets", "Pix2Pix"])
    measurement.take("A>A", None, {}, {})
    assert measurement.rows == []
    assert measurement.columns == ["A>B"]

"""``published.csv``: every number that the papers print, and where they contradict themselves."""

import pandas as pd
import pytest

from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.tables.published import PUBLISHED, printed, read_published
from benchmarks.tables.reference import RANKINGS, Reference
from benchmarks.vocabulary import Paper
from datamodules import USenhance
from tests.conftest import ROOT

GIVEN = ROOT.parent / "shared" / "paper_tables" / "published.csv"
NUMBER = ["paper", "table", "dataset", "group", "metric", "unit", "value", "spread", "spread_kind"]
SSWE = "U-Net with augmentation vs U-Net without augmentation"


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    return pd.read_csv(PUBLISHED, dtype=str, keep_default_na=False)


def value(lines: pd.DataFrame, **wanted: str) -> float:
    """The one number of these facts."""
    chosen = lines[(lines[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(chosen) == 1, wanted
    return float(chosen["value"].iloc[0])


@pytest.mark.skipif(not GIVEN.is_file(), reason="the papers' tables are not here")
def test_every_given_number_is_there(lines):
    given = pd.read_csv(GIVEN, dtype=str, keep_default_na=False)
    assert len(given) > 200
    assert not set(given[NUMBER].itertuples(index=False, name=None)) - set(
        lines[NUMBER].itertuples(index=False, name=None)
    )


def test_no_number_is_there_twice(lines):
    assert not lines.duplicated(["paper", "table", "method", "dataset", "group", "metric"]).any()


def test_p_values_are_lines_of_their_own(lines):
    assert not lines["note"].str.contains("p = ").any()
    published = read_published(Paper("sswe", "text"))
    expected = {"RMSE": 0.0035, "ME": 0.59, "MAE": 0.026}
    for metric, p in expected.items():
        assert printed(published, SSWE, f"t-test p of {metric}", "overall")["value"].tolist() == [p]


def test_cohorts_add_up(lines):
    def patients(metric: str) -> float:
        return value(lines, paper="harmonizer", dataset="LNM radiomics", metric=metric)

    assert patients("n") == 169 == patients("train n") + patients("validation n")
    assert (patients("train n"), patients("validation n")) == (118, 51)
    assert (patients("train n with LNM"), patients("validation n with LNM")) == (37, 12)
    for cohort in ("train", "validation"):
        assert patients(f"{cohort} n") == patients(f"{cohort} n with LNM") + patients(f"{cohort} n without LNM")


@pytest.mark.parametrize(
    ("organ", "counts"), [("prostate", (40, 10, 375, 30)), ("thyroid", (165, 50))], ids=["prostate", "thyroid"]
)
def test_the_sswe_papers_patients_and_images(lines, organ, counts):
    metrics = ("patients train", "patients test", "pairs train", "pairs test")
    for metric, count in zip(metrics, counts, strict=False):
        assert value(lines, paper="sswe", dataset=organ, metric=metric) == count


def test_hscts_own_contradictions_are_noted(lines):
    def samples(table: str, dataset: str) -> dict[str, float]:
        own = lines[(lines["paper"] == "hsct") & (lines["table"] == table) & (lines["dataset"] == dataset)]
        own = own[own["metric"] == "samples"]
        assert (own["note"] != "").any()
        return {group: float(number) for group, number in zip(own["group"], own["value"], strict=True)}

    assert samples("I", "STUSI") == {"benign": 505, "malignant": 387, "overall": 892}
    assert samples("text", "STUSI") == {"benign": 509, "malignant": 315, "overall": 824}
    assert samples("I", "BUSI") == {"benign": 487, "malignant": 210, "overall": 697}
    assert samples("text", "BUSI") == {"normal": 133, "benign": 487, "malignant": 210, "overall": 780}


def test_where_table_ii_does_not_agree_with_itself_is_noted(lines):
    """Overall is the mean of both classes by their images of Table I, but for one number."""
    own = lines[(lines["paper"] == "hsct") & (lines["table"] == "II")].astype({"value": float})
    for (method, metric), numbers in own.groupby(["method", "metric"]):
        group = numbers.set_index("group")
        expected = (1372 * group["value"]["benign"] + 1335 * group["value"]["malignant"]) / 2707
        agrees = group["value"]["overall"] == pytest.approx(expected, abs=0.01)
        assert agrees == ((method, metric) != ("Pix2Pix", "PSNR")), (method, metric)
        assert agrees == (group["note"]["overall"] == "")


FACTS = {"task": "enhancement", "unit": "grey level", "size": [32, 32], "images": {}, "remarks": []}


def measured(folder, data: dict[str, str], **table) -> Reference:
    """Of a table whose cells, one a set, have finished on these data; of none, "" is the set."""
    columns = [f"{train}>{test}" for train in data for test in data] if "" not in data else []
    own = PlannedTable("t", "T", **{"metrics": ["LNCC", "SSIM"], "rows": {"r": "r"}, "columns": columns} | table)
    cells = [PlannedCell("t", "r", 0, 0, f"cell{place}", train) for place, train in enumerate(data)]
    results = Results(folder)
    results.write_plan(Plan("s", "S", {"t": own}, cells))
    for cell, name in zip(cells, data.values(), strict=True):
        results.cell(cell.hash).path.mkdir(parents=True)
        results.cell(cell.hash).mark_finished(FACTS | {"data": name}, "")
    return Reference(results, results.plan.tables["t"])


def shown(reference: Reference, metric: str, group: str = "overall") -> dict[str, float]:
    return {name: line["value"].item() for name, line in reference.of(metric, group)}


FIRST_THREE = {"rank 1: POAS": 0.908, "rank 2: NCIA": 0.9065, "rank 3: imed_8": 0.9012}
RANKED = {"paper": "usenhance_leaderboard", "table": "final"}


def test_the_challenges_ranking_stands_below_any_table_on_its_data(tmp_path):
    assert set(RANKINGS) == {USenhance.name}
    found = measured(tmp_path, {"": "USenhance 2023"}, groups=["thyroid"])
    assert shown(found, "LNCC") == FIRST_THREE
    assert shown(found, "SSIM") == {"rank 1: POAS": 0.7439, "rank 2: NCIA": 0.7576, "rank 3: imed_8": 0.7407}
    assert shown(found, "LNCC challenge") == FIRST_THREE, "which of both is its own, it does not print"
    assert shown(found, "LNCC", "thyroid") == {}
    own, others = found.notes()
    assert own == "Below ours, as printed: the USenhance 2023 challenge's own ranking."
    assert "targets are not public" in others


def test_phantoms_have_the_ranking_only_where_the_suite_asks_for_it(tmp_path):
    without = measured(tmp_path / "without", {"": "phantoms"})
    assert (shown(without, "LNCC"), list(without.notes())) == ({}, [])
    for name, data in (("phantoms", "phantoms"), ("real", "USenhance 2023")):
        asked = measured(tmp_path / name, {"": data}, reference=Paper(**RANKED))
        assert [name for name, _ in asked.of("LNCC", "overall")] == [*FIRST_THREE], "once, also where both ask for it"
        assert len(list(asked.notes())) == 2
    named = measured(tmp_path / "named", {"": "USenhance 2023"}, reference=Paper("cyclegan_perceptual", 2))
    assert "Ours" in shown(named, "LNCC")
    assert not FIRST_THREE.keys() & shown(named, "LNCC").keys(), "what the suite names comes first"


def test_of_a_table_of_sets_the_columns_tested_on_the_challenges_data_have_it(tmp_path):
    found = measured(tmp_path / "sets", {"real": "USenhance 2023", "phantoms": "phantoms"})
    assert shown(found, "LNCC", "real>real") == shown(found, "LNCC", "phantoms>real") == FIRST_THREE
    assert shown(found, "LNCC", "real>phantoms") == {}


def test_a_table_without_the_challenges_metrics_says_nothing_of_it(tmp_path):
    found = measured(tmp_path, {"": "USenhance 2023"}, metrics=["accuracy"])
    assert (shown(found, "accuracy"), list(found.notes())) == ({}, [])

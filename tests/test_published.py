"""``published.csv``: every number that the papers print, and where they contradict themselves."""

import pandas as pd
import pytest

from benchmarks.tables.published import PUBLISHED, printed, read_published
from benchmarks.vocabulary import Paper
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

"""Summaries and comparisons of scores, of images and of patients."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp, ttest_rel, wilcoxon

from benchmarks.tables.statistics import RESAMPLES, best, by_patient, compare, holm, not_worse, over_runs
from tests.facts import METRIC


def test_scores_of_patients_are_those_of_all_their_valid_pixels():
    rng = np.random.default_rng(0)
    errors = [rng.normal(0.5, 2, size) for size in (30, 70, 50)]  # two planes of one patient, one of another
    scores = pd.DataFrame(
        {
            "row": "a", "fold": 0, "seed": 0, "id": ["a1", "a2", "b1"], "patient": ["a", "a", "b"], "organ": np.nan,
            "MAE": [np.abs(e).mean() for e in errors], "ME": [e.mean() for e in errors],
            "RMSE": [np.sqrt((e**2).mean()) for e in errors], "SSIM": [0.2, 0.4, 0.9], "pixels": [30, 70, 50],
        }
    )  # fmt: skip
    found = by_patient(scores, METRIC.values()).set_index("id")
    whole = np.concatenate(errors[:2])
    assert found.loc["a", "MAE"] == pytest.approx(np.abs(whole).mean())
    assert found.loc["a", "ME"] == pytest.approx(whole.mean())
    assert found.loc["a", "RMSE"] == pytest.approx(np.sqrt((whole**2).mean()))
    assert found.loc["a", "SSIM"] == pytest.approx(0.3)
    assert found.loc["b", "RMSE"] == pytest.approx(scores["RMSE"][2])


def test_methods_are_compared_over_patients():
    rng = np.random.default_rng(1)
    names = [str(n) for n in range(12)]
    ours, theirs = (pd.DataFrame({"fold": 0, "seed": 0, "id": names, "patient": names}) for _ in range(2))
    ours["MAE"], theirs["MAE"] = rng.normal(4, 1, 12), rng.normal(5, 1, 12)
    found = compare(ours, theirs, METRIC["MAE"])
    assert found.t_test_patients == pytest.approx(ttest_rel(ours["MAE"], theirs["MAE"]).pvalue)
    assert found.wilcoxon == pytest.approx(wilcoxon(ours["MAE"], theirs["MAE"]).pvalue)


def test_statistics():
    scores = pd.DataFrame({"fold": [0, 0, 1, 1], "seed": 0, "SSIM": [0.1, 0.3, 0.5, 0.9]})
    mean, spread, images, runs = over_runs(scores, METRIC["SSIM"])
    assert (mean, runs) == (pytest.approx(0.45), 2)
    assert spread == pytest.approx(np.std([0.2, 0.7], ddof=1))
    assert images == pytest.approx((np.std([0.1, 0.3], ddof=1) + np.std([0.5, 0.9], ddof=1)) / 2)
    values = {"a": 1.0, "b": -0.5, "c": float("nan")}
    assert (best(values, True), best(values, False), best(values, None)) == ({"a"}, {"b"}, {"b"})


# Several seeds of one fold

PATIENTS, ALL = 20, ("bootstrap", "t_test", "t_test_patients", "wilcoxon")


def two_methods(rng, folds: int, seeds: int, training: float, difference: float = 0.0) -> list[pd.DataFrame]:
    """Scores of two methods, a patient an image. What differs between the methods by chance has the deviation 1 between
    patients, ``training`` between trainings, and 0.5 between single scores."""
    runs = pd.MultiIndex.from_product([range(folds), range(seeds), range(PATIENTS)], names=["fold", "seed", "number"])
    frame = runs.to_frame(index=False).astype({"number": str})
    frame["id"] = frame["patient"] = frame["fold"].astype(str) + "-" + frame["number"]
    shapes = ((folds, 1, PATIENTS), (folds, seeds, 1), (folds, seeds, PATIENTS))
    methods = []
    for shift in (difference, 0.0):
        parts = (rng.normal(0, size / 2**0.5, shape) for size, shape in zip((1.0, training, 0.5), shapes, strict=True))
        methods.append(frame.assign(SSIM=sum(parts).ravel() + shift))
    return methods


def rejected(folds: int, seeds: int, training: float, repetitions: int, tests=ALL, difference: float = 0.0):
    """In how many of a hundred comparisons each test finds a difference."""
    rng = np.random.default_rng(1)
    found = [compare(*two_methods(rng, folds, seeds, training, difference), METRIC["SSIM"]) for _ in range(repetitions)]
    return {name: 100 * np.mean([getattr(one, name) < 0.05 for one in found]) for name in tests}


@pytest.mark.parametrize("folds", [1, 3])
def test_equals_differ_in_one_of_twenty_comparisons(folds):
    """Three seeds, which differ by chance alone."""
    share = rejected(folds, 3, training=0.0, repetitions=300)
    assert all(3 <= share[name] <= 8 for name in ALL if (folds, name) != (1, "t_test")), share
    assert (share["t_test"] == 0) == (folds == 1), "there is none over one fold"


@pytest.mark.parametrize("folds", [1, 3])
def test_the_randomness_of_training_is_covered_where_there_are_seeds(folds):
    tests = ("bootstrap", "t_test") if folds > 1 else ("bootstrap",)
    share = rejected(folds, 3, training=0.5, repetitions=300, tests=tests)
    assert all(3 <= percent <= 8 for percent in share.values()), share


def test_a_real_difference_is_found():
    assert rejected(3, 3, 0.3, 40, ("bootstrap",), difference=1.0)["bootstrap"] > 90
    assert rejected(1, 3, 0.1, 40, ("bootstrap",), difference=1.0)["bootstrap"] > 90


def test_a_patient_counts_once_however_many_seeds():
    ours, theirs = two_methods(np.random.default_rng(0), 3, 3, 0.3)
    found = compare(ours, theirs, METRIC["SSIM"])
    mean = [scores.groupby(["fold", "id"])["SSIM"].mean() for scores in (ours, theirs)]
    assert found.t_test_patients == pytest.approx(ttest_rel(*mean).pvalue)
    assert found.wilcoxon == pytest.approx(wilcoxon(*mean).pvalue)
    of_folds = (mean[0] - mean[1]).groupby("fold").mean()
    assert found.t_test == pytest.approx(ttest_1samp(of_folds, 0).pvalue)
    assert (found.difference, found.runs, found.folds) == (pytest.approx(of_folds.mean()), 9, 3)
    one = compare(ours.query("fold == 0"), theirs.query("fold == 0"), METRIC["SSIM"])
    assert (one.runs, one.folds) == (3, 1)
    assert np.isnan(one.t_test)


@pytest.mark.parametrize("metric", ["SSIM", "AUC", "accuracy"])
def test_trainings_that_differ_widen_the_interval(metric):
    """By two seeds whose scores are the mean's, moved up and down."""
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    ids = [str(number) for number in range(60)]
    frame = pd.DataFrame({"fold": 0, "seed": 0, "id": ids, "patient": ids, "label": label})
    frame["probability"] = (0.5 + 0.2 * (label - 0.5) + rng.normal(0, 0.2, 60)).clip(0, 1)
    frame["SSIM"] = frame["probability"]
    other = frame.assign(probability=rng.uniform(0, 1, 60), SSIM=rng.uniform(0, 1, 60))
    moved = {shift: frame["probability"] + shift * (2 * label - 1) for shift in (-0.15, 0.15)}
    seeds = [frame.assign(seed=n, probability=moved[s], SSIM=frame["SSIM"] + s) for n, s in enumerate(moved)]
    apart = compare(pd.concat(seeds), pd.concat([other, other.assign(seed=1)]), METRIC[metric])
    alike = compare(pd.concat([frame, frame.assign(seed=1)]), pd.concat([other, other.assign(seed=1)]), METRIC[metric])
    single = compare(frame, other, METRIC[metric])
    assert (alike.low, alike.high) == pytest.approx((single.low, single.high))
    assert apart.high - apart.low > 1.5 * (alike.high - alike.low)


def test_images_without_a_score_in_some_run_do_not_stop_a_comparison():
    ours, theirs = two_methods(np.random.default_rng(0), 2, 2, 0.0, difference=1.0)
    ours.loc[3, "SSIM"] = np.nan
    found = compare(ours.drop(index=[7]), theirs, METRIC["SSIM"])
    assert found.low < found.difference < found.high
    assert compare(ours.assign(SSIM=np.nan), theirs, METRIC["SSIM"]) is None


def test_two_patients_are_too_few_for_an_interval():
    ids = ["a", "b"]
    scores = pd.DataFrame({"fold": 0, "seed": 0, "id": ids, "patient": ids, "label": [0, 1], "probability": [0.2, 0.7]})
    assert compare(scores, scores.assign(probability=0.5), METRIC["AUC"]) is None
    single = scores.iloc[:1].assign(SSIM=0.5)
    found = compare(single, single.assign(SSIM=0.4), METRIC["SSIM"])
    assert (found.low, found.high) == pytest.approx((0.1, 0.1)), "one patient says nothing of others"
    assert np.isnan(found.t_test_patients)


# Many tests, many rows


def test_holms_p_values_are_those_of_the_textbook():
    """As statsmodels' multipletests(p, method="holm") and R's p.adjust have them."""
    assert holm(pd.Series([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with_none = holm(pd.Series([0.02, np.nan, 0.5, 0.9], index=list("abcd")))
    assert with_none.drop("b").tolist() == pytest.approx([0.06, 1.0, 1.0])
    assert np.isnan(with_none["b"])
    assert holm(pd.Series([np.nan])).isna().all()
    assert holm(pd.Series([0.2])).tolist() == [0.2]


def rows(values: dict[str, float], name: str, noise: float = 0.05) -> dict[str, pd.DataFrame]:
    ids = [str(number) for number in range(30)]
    frame = pd.DataFrame({"fold": 0, "seed": 0, "id": ids, "patient": ids})
    rng = np.random.default_rng(0)
    return {row: frame.assign(**{name: value + rng.normal(0, noise, 30)}) for row, value in values.items()}


def test_bold_are_the_best_and_what_is_not_worse_beyond_its_interval():
    values = {"bad": 0.3, "best": 0.6, "as good": 0.595}
    assert not_worse(rows(values, "SSIM"), METRIC["SSIM"]) == {"best", "as good"}
    assert not_worse(rows(values, "SSIM", noise=0.0001), METRIC["SSIM"]) == {"best"}, "a small but certain difference"
    assert not_worse(rows(values, "MAE"), METRIC["MAE"]) == {"bad"}, "here less is better"
    assert not_worse(rows(values, "FID", noise=0.0), METRIC["FID"]) == {"bad"}, "one number of a set has no interval"
    assert not_worse({}, METRIC["SSIM"]) == set()


def test_closest_to_0_is_a_matter_of_distance():
    values = {"above": 0.5, "below": -0.5, "far above": 2.0, "far below": -2.0}
    assert not_worse(rows(values, "ME", noise=0.2), METRIC["ME"]) == {"above", "below"}


def test_a_patient_on_two_devices_is_two_places_of_one_patient():
    scores = pd.DataFrame({
        "fold": 0, "seed": 0, "row": "a", "id": list("abcd"), "patient": ["x", "x", "y", "y"], "organ": "breast",
        "device": ["A", "B", "A", "A"], "label": 0, "pixels": 1, "MAE": [1.0, 2.0, 3.0, 5.0],
    })  # fmt: skip
    found = by_patient(scores, [METRIC["MAE"]]).set_index("id")["MAE"]
    assert found.to_dict() == {"x/breast/A": 1.0, "x/breast/B": 2.0, "y": 4.0}


def test_a_fold_without_a_score_is_left_out_of_a_comparison():
    rng = np.random.default_rng(0)
    one = pd.DataFrame({"fold": np.repeat([0, 1], 20), "seed": 0, "id": [f"{n}" for n in range(40)]})
    one["patient"], one["MAE"] = one["id"], rng.normal(1, 1, 40)
    other = one.assign(MAE=one["MAE"] + 1 + rng.normal(0, 0.1, 40))
    whole = compare(one, other, METRIC["MAE"])
    other.loc[other["fold"] == 1, "MAE"] = np.nan
    part = compare(one, other, METRIC["MAE"])
    assert (whole.folds, part.folds) == (2, 1)
    assert part.difference == pytest.approx(-1, abs=0.1)


def test_p_values_of_clear_differences_are_told_apart_beyond_the_resamplings():
    """So that Holm's factors leave something of them; where they can be counted, both ways agree."""
    rng = np.random.default_rng(0)
    found = []
    for shift in (0.55, 1.0, 3.0):
        one = pd.DataFrame({"fold": 0, "seed": 0, "id": [f"{n}" for n in range(40)]})
        one["patient"], one["MAE"] = one["id"], rng.normal(0, 1, 40)
        found.append(compare(one, one.assign(MAE=one["MAE"] + shift + rng.normal(0, 1, 40)), METRIC["MAE"]))
    p = [comparison.bootstrap for comparison in found]
    assert p[0] > p[1] > p[2]
    assert p[2] < 1e-6 < 1 / RESAMPLES
    assert 0.2 < p[0] / found[0].t_test_patients < 5
    assert 0.1 < p[1] / found[1].t_test_patients < 10

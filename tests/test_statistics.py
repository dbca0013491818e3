"""Summaries and comparisons of scores, of images and of patients."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel, wilcoxon

from benchmarks.tables.statistics import best, by_patient, compare, over_runs
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

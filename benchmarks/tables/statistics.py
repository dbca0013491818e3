"""Summaries and comparisons of per-image scores. A run is a fold and a seed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.results import Metric

RUN = ["fold", "seed"]
RESAMPLES = 2000
Pairs = list[tuple[pd.DataFrame, pd.DataFrame]]
OF_PROBABILITIES = ("accuracy", "F1", "AUC")  # how a classifier's scores pool: from the probabilities of a whole run


def per_run(scores: pd.DataFrame, metric: Metric) -> pd.Series:
    """One number a run: the mean over its images, or the classifier's score on them."""
    if metric.pooling in OF_PROBABILITIES:
        runs = {run: _unweighted(own, metric) for run, own in scores.groupby(RUN)}
        return pd.Series(runs, dtype=float)
    return scores.dropna(subset=[metric.name]).groupby(RUN)[metric.name].mean()


def _unweighted(scores: pd.DataFrame, metric: Metric) -> float:
    return float(weighted_score(scores, metric, np.ones((1, len(scores))))[0])


def over_runs(scores: pd.DataFrame, metric: Metric) -> tuple[float, float, float, int]:
    """Mean over runs, its standard deviation over runs (n - 1; NaN for one run), the mean over runs of the standard
    deviation over images (NaN for a classifier), and the number of runs."""
    means = per_run(scores, metric)
    spread = float(means.std(ddof=1)) if len(means) > 1 else float("nan")
    images = float("nan")
    if metric.pooling not in OF_PROBABILITIES:
        images = float(scores.groupby(RUN)[metric.name].std(ddof=1).mean())
    return float(means.mean()), spread, images, len(means)


def by_patient(scores: pd.DataFrame, metrics: Iterable[Metric]) -> pd.DataFrame:
    """Scores of single images to those of patients, each pooled as its metric says, over all their valid ``pixels``
    where it says so. The patient takes the place of ``id``."""
    keys = [name for name in ("row", "fold", "seed", "cell", "column", "organ", "device", "patient") if name in scores]
    pooling = {metric.name: metric.pooling for metric in metrics}
    numeric = [name for name in scores.select_dtypes("number") if name not in (*keys, "label", "pixels")]

    def pooled(own: pd.DataFrame) -> pd.Series:
        weight = own["pixels"] / own["pixels"].sum()
        found = {name: _pooled(own[name], weight, pooling.get(name, "mean")) for name in numeric}
        return pd.Series(found | {"pixels": own["pixels"].sum()})

    return (
        scores.groupby(keys, sort=False, dropna=False)
        .apply(pooled)
        .reset_index()
        .assign(id=lambda rows: rows["patient"])
    )


def _pooled(values: pd.Series, weight: pd.Series, how: str) -> float:
    if how == "pixel mean":
        return float((values * weight).sum())
    if how == "pixel rms":
        return float(np.sqrt((values**2 * weight).sum()))
    return float(values.mean())


@dataclass(frozen=True)
class Comparison:
    """``difference`` of two methods, mean over ``runs``; ``t_test`` its p-value paired over runs, as the papers do it;
    ``low``, ``high`` the 95 % interval and ``bootstrap`` the p-value of resampling the test patients of each fold.

    ``t_test_patients`` and ``wilcoxon`` are p-values paired over what the scores are of, patients or images.
    """

    difference: float
    runs: int
    t_test: float
    low: float
    high: float
    bootstrap: float
    t_test_patients: float = float("nan")
    wilcoxon: float = float("nan")


def compare(one: pd.DataFrame, other: pd.DataFrame, metric: Metric, seed: int = 0) -> Comparison | None:
    """Per-image scores of two methods, paired by run and patient; None where they share no run, or one has no score."""
    runs = sorted(set(per_run(one, metric).index) & set(per_run(other, metric).index))
    if not runs:
        return None
    pairs = [(_of_run(one, run), _of_run(other, run)) for run in runs]
    differences = np.array([_difference(metric, *pair)[0] for pair in pairs])
    if not np.isfinite(differences).all():
        return None
    # Runs of one fold test the same patients, so these are drawn alike for all its seeds.
    rngs = [np.random.default_rng([seed, fold]) for fold, _ in runs]
    drawn = np.array([_difference(metric, *pair, rng) for pair, rng in zip(pairs, rngs, strict=True)])
    resampled = drawn[:, np.isfinite(drawn).all(0)].mean(0)  # without draws of a single class
    beyond = min(np.mean(resampled <= 0), np.mean(resampled >= 0))
    low, high = np.percentile(resampled, (2.5, 97.5))
    bootstrap = float(min(1.0, max(2 * beyond, 1 / RESAMPLES)))
    of_runs, of_patients, wilcoxon = _t_test(differences), *_paired_tests(metric, pairs)
    return Comparison(
        float(differences.mean()), len(runs), of_runs, float(low), float(high), bootstrap, of_patients, wilcoxon
    )


def _paired_tests(metric: Metric, pairs: Pairs) -> tuple[float, float]:
    """t-test and Wilcoxon's signed-rank test on the differences of single images or patients."""
    from scipy.stats import wilcoxon

    if metric.pooling in OF_PROBABILITIES:
        return float("nan"), float("nan")
    differences = np.concatenate([(one[metric.name] - other[metric.name]).dropna().to_numpy() for one, other in pairs])
    if len(differences) < 2 or not differences.any():
        return float("nan"), float("nan")
    return _t_test(differences), float(wilcoxon(differences).pvalue)


def _t_test(differences: np.ndarray) -> float:
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or np.ptp(differences) == 0:
        return float("nan")
    return float(ttest_1samp(differences, 0.0).pvalue)


def _of_run(scores: pd.DataFrame, run: tuple[int, int]) -> pd.DataFrame:
    return scores[(scores["fold"] == run[0]) & (scores["seed"] == run[1])].set_index("id")


def _difference(
    metric: Metric, one: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Score of ``one`` minus that of ``other`` on the images of both: once, or for every resampling of patients."""
    shared = one.index.intersection(other.index)
    one, other = one.loc[shared], other.loc[shared]
    weights = np.ones((1, len(shared)))
    if rng is not None:
        patients, number = np.unique(one["patient"].astype(str), return_inverse=True)
        drawn = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), RESAMPLES)
        weights = drawn[:, number].astype(float)
    return weighted_score(one, metric, weights) - weighted_score(other, metric, weights)


def weighted_score(scores: pd.DataFrame, metric: Metric, weights: np.ndarray) -> np.ndarray:
    """The score of one run with each image counted as often as ``weights`` ``(R, images)`` say; ``(R,)``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if metric.pooling not in OF_PROBABILITIES:
            known = scores[metric.name].notna().to_numpy()
            return weights[:, known] @ scores[metric.name].to_numpy()[known] / weights[:, known].sum(1)
        label, probability = scores["label"].to_numpy() == 1, scores["probability"].to_numpy()
        called = probability >= 0.5
        if metric.pooling == "accuracy":
            return weights @ (called == label) / weights.sum(1)
        if metric.pooling == "F1":
            hits, misses = weights @ (called & label), weights @ (called != label)
            return 2 * hits / (2 * hits + misses)
        sick, healthy = weights[:, label], weights[:, ~label]
        above = probability[label][:, None] - probability[~label][None]
        order = (np.sign(above) + 1) / 2  # 1 where the malignant image has the higher probability, 1/2 for a tie
        return ((sick @ order) * healthy).sum(1) / (sick.sum(1) * healthy.sum(1))


def best(values: dict[str, float], higher_is_better: bool | None) -> set[str]:
    """The names with the best value; None for "the closest to 0"."""
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    if not known:
        return set()
    goodness = {
        name: value if higher_is_better else -(abs(value) if higher_is_better is None else value)
        for name, value in known.items()
    }
    return {name for name, value in goodness.items() if value == max(goodness.values())}

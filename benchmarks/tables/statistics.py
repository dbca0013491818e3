"""Summaries and comparisons of per-image scores. A run is a fold and a seed; the seeds of a fold share its patients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.results import Metric

RUN = ["fold", "seed"]
RESAMPLES = 2000
RARE = 10  # resamplings
ROUNDING = 1e-15  # in variances of scores
OF_SET = "set"  # how a metric pools that is one number of a whole test set
OF_PROBABILITIES = ("accuracy", "F1", "AUC")  # how a classifier's scores pool: from the probabilities of a whole run


def has_scores(scores: pd.DataFrame, metric: Metric) -> bool:
    """Whether there is anything to score by that metric."""
    column = "probability" if metric.pooling in OF_PROBABILITIES else metric.name
    return len(scores) > 0 and column in scores


def per_run(scores: pd.DataFrame, metric: Metric) -> pd.Series:
    """One number a run: the mean over its images, or the classifier's score on them."""
    if metric.pooling in OF_PROBABILITIES:
        runs = {run: _unweighted(own, metric) for run, own in scores.groupby(RUN)}
        return pd.Series(runs, dtype=float)
    return scores.dropna(subset=[metric.name]).groupby(RUN)[metric.name].mean()


def _unweighted(scores: pd.DataFrame, metric: Metric) -> float:
    return float(weighted_score(scores, metric, np.ones((1, len(scores))))[0])


def over_runs(scores: pd.DataFrame, metric: Metric) -> tuple[float, float, float, int]:
    """Mean over the runs that have a score, its standard deviation over them (n - 1; NaN for one run), the mean over
    runs of the standard deviation over images (NaN for a classifier), and the number of these runs."""
    means = per_run(scores, metric).dropna()
    spread = float(means.std(ddof=1)) if len(means) > 1 else float("nan")
    images = float("nan")
    if metric.pooling not in OF_PROBABILITIES:
        images = float(scores.groupby(RUN)[metric.name].std(ddof=1).mean())
    return float(means.mean()), spread, images, len(means)


def by_patient(scores: pd.DataFrame, metrics: Iterable[Metric]) -> pd.DataFrame:
    """Scores of single images to those of patients, each pooled as its metric says, over all their valid ``pixels``
    where it says so. The patient takes the place of ``id``, with organ and device where there are several."""
    keys = [name for name in ("row", "fold", "seed", "cell", "column", "organ", "device", "patient") if name in scores]
    pooling = {metric.name: metric.pooling for metric in metrics}
    numeric = [name for name in scores.select_dtypes("number") if name not in (*keys, "label", "pixels")]

    def pooled(own: pd.DataFrame) -> pd.Series:
        found = {name: _pooled(own[name], own["pixels"], pooling.get(name, "mean")) for name in numeric}
        return pd.Series(found | {"pixels": own["pixels"].sum()})

    found = scores.groupby(keys, sort=False, dropna=False).apply(pooled).reset_index()
    places = [name for name in ("organ", "device") if name in found]
    several = found.duplicated([name for name in keys if name not in places], keep=False)
    named = found["patient"].str.cat(found[places].astype(str), sep="/") if places else found["patient"]
    return found.assign(id=found["patient"].where(~several, named))


def _pooled(values: pd.Series, pixels: pd.Series, how: str) -> float:
    """NaN where no image has a score."""
    values = values.dropna()
    weight = pixels[values.index] / pixels[values.index].sum()
    if values.empty:
        return float("nan")
    if how == "pixel mean":
        return float((values * weight).sum())
    if how == "pixel rms":
        return float(np.sqrt((values**2 * weight).sum()))
    return float(values.mean())


@dataclass(frozen=True)
class Comparison:
    """``difference`` of two methods, mean over ``folds`` of the mean over a fold's seeds; ``runs`` of both in all.

    ``t_test`` is its p-value paired over folds, NaN for one; ``low``, ``high`` the 95 % interval and ``bootstrap`` the
    p-value of :func:`compare`; ``t_test_patients`` and ``wilcoxon`` are p-values paired over what the scores are of,
    patients or images, each counted once: they know nothing of the randomness of training.
    """

    difference: float
    runs: int
    t_test: float
    low: float
    high: float
    bootstrap: float
    t_test_patients: float = float("nan")
    wilcoxon: float = float("nan")
    folds: int = 1


def compare(one: pd.DataFrame, other: pd.DataFrame, metric: Metric, seed: int = 0) -> Comparison | None:
    """Per-image scores of two methods, paired by run and patient, over the folds in which both have a score; None where
    there is none, or too few patients to resample (an AUC of two).

    Interval and p-value are percentiles of resampled differences. In every fold n - 1 of its n patients are drawn with
    replacement (so the variance is unbiased: Rao and Wu, JASA 1988), alike for all seeds. Where folds f of F have S_f
    seeds, a normal deviate adds the randomness of training, since two or three seeds are too few to be resampled. Its
    variance is V = s^2 / F^2 sum_f 1 / S_f; s^2 is the variance between seeds of a fold beyond that of patients
    (components of variance by the method of moments, Searle et al., Variance Components, 1992), not below 0. With
    single seeds V = 0, and training is not covered.

    The deviations are divided by sqrt(chi^2_nu / nu), so that their tails are those of a t distribution: 1 / nu = r /
    sum_f (S_f - 1) + (1 - r) / sum_f (n_f - 1), with r the share of V in the whole variance. Satterthwaite's rule takes
    r^2 and (1 - r)^2, and with three seeds calls up to 9 % of equals different at 5 %; this one 3 to 7 %, whatever r
    (simulated with 12 to 60 patients; two seeds are too few, with up to 13 %). Where fewer than RARE resamplings lie
    beyond 0 to be counted, the p-value is that of the t distribution.
    """
    scored = [(fold, fold.differences(metric)) for fold in _folds(one, other)]
    scored = [(fold, of_seeds) for fold, of_seeds in scored if np.isfinite(of_seeds).all()]
    if not scored:
        return None
    folds, differences = ([*part] for part in zip(*scored, strict=True))
    of_folds = np.array([of_seeds.mean() for of_seeds in differences])
    resampled, freedom = _resampled(folds, differences, metric, seed)
    if not len(resampled):
        return None
    low, high = np.percentile(resampled, (2.5, 97.5))
    bootstrap = _p_value(resampled, freedom)
    of_patients, wilcoxon = _paired_tests(metric, folds)
    runs = sum(map(len, differences))
    return Comparison(
        float(of_folds.mean()), runs, _t_test(of_folds), float(low), float(high), bootstrap, of_patients, wilcoxon,
        len(folds),
    )  # fmt: skip


@dataclass(frozen=True)
class _Fold:
    """Scores of two methods on one fold: of every seed both, by image, on the images that all of them have."""

    number: int
    seeds: list[tuple[pd.DataFrame, pd.DataFrame]]

    @property
    def patients(self) -> int:
        return self.seeds[0][0]["patient"].astype(str).nunique()

    def differences(self, metric: Metric) -> np.ndarray:
        """One method's score minus the other's, a number a seed."""
        return self._weighted(metric, np.ones((1, len(self.seeds[0][0]))))[0]

    def resampled(self, metric: Metric, seed: int) -> np.ndarray:
        """The same for every resampling of the patients, ``(R, seeds)``."""
        patients, number = np.unique(self.seeds[0][0]["patient"].astype(str), return_inverse=True)
        return self._weighted(metric, _drawn(seed, self.number, len(patients))[:, number])

    def _weighted(self, metric: Metric, weights: np.ndarray) -> np.ndarray:
        scores = [[weighted_score(method, metric, weights) for method in methods] for methods in self.seeds]
        return np.stack([one - other for one, other in scores], axis=1)


def _folds(one: pd.DataFrame, other: pd.DataFrame) -> list[_Fold]:
    """The folds and seeds that both methods have."""
    ours, theirs = ({run: own.set_index("id") for run, own in scores.groupby(RUN)} for scores in (one, other))
    folds = []
    for number in sorted({fold for fold, _ in ours.keys() & theirs.keys()}):
        seeds = [(ours[run], theirs[run]) for run in sorted(ours.keys() & theirs.keys()) if run[0] == number]
        frames = [frame for methods in seeds for frame in methods]
        shared = frames[0].index[np.all([frames[0].index.isin(frame.index) for frame in frames], axis=0)]
        folds.append(_Fold(number, [(mine.loc[shared], other.loc[shared]) for mine, other in seeds]))
    return folds


@lru_cache(maxsize=8)
def _drawn(seed: int, fold: int, patients: int) -> np.ndarray:
    """How often each patient of a fold is drawn, ``(R, patients)``; alike for all rows and metrics of a table."""
    rng = np.random.default_rng([seed, fold])
    return rng.multinomial(max(1, patients - 1), np.full(patients, 1 / patients), RESAMPLES).astype(float)


def _p_value(resampled: np.ndarray, freedom: float) -> float:
    """Two-sided, of a difference of 0: twice the share of resamplings beyond it; where they are too few to be counted,
    by the t distribution of their quartiles (of few degrees of freedom it has no standard deviation)."""
    from scipy.stats import t

    beyond = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    if beyond >= RARE:
        return min(1.0, 2 * beyond / len(resampled))
    quarter = float(np.subtract(*np.percentile(resampled, (75, 25)))) / 2
    error = quarter / float(t.ppf(0.75, freedom))
    if error <= 0:
        return 1.0 if not resampled.mean() else 0.0
    counted = 2 * (beyond + 1) / len(resampled)
    return min(counted, 2 * float(t.sf(abs(float(np.median(resampled))) / error, freedom)))


def _resampled(
    folds: list[_Fold], differences: list[np.ndarray], metric: Metric, seed: int
) -> tuple[np.ndarray, float]:
    """The mean difference under every resampling of patients and, where there are several seeds, of training; and the
    degrees of freedom of its tails."""
    drawn = [fold.resampled(metric, seed) for fold in folds]
    usable = np.all([np.isfinite(of_fold).all(1) for of_fold in drawn], axis=0)  # not draws of a single class
    if not usable.any():
        return np.empty(0), 1.0
    drawn = [of_fold[usable] for of_fold in drawn]
    resampled = np.mean([of_fold.mean(1) for of_fold in drawn], axis=0)
    variance = _training_variance(differences, drawn)
    share = variance / max(variance + resampled.var(), ROUNDING)
    seeds = max(1, sum(len(of_seeds) - 1 for of_seeds in differences))
    freedom = 1 / (share / seeds + (1 - share) / max(1, sum(fold.patients - 1 for fold in folds)))
    rng = np.random.default_rng([seed, 0, 1])  # not the numbers that a fold's patients are drawn by
    deviation = resampled - resampled.mean() + np.sqrt(variance) * rng.standard_normal(len(resampled))
    return resampled.mean() + deviation / np.sqrt(rng.chisquare(freedom, len(resampled)) / freedom), freedom


def _training_variance(differences: list[np.ndarray], drawn: list[np.ndarray]) -> float:
    """V of :func:`compare`. The seeds of a fold differ by training, and as each meets its patients anew; the latter is
    known from the resamplings: a seed's own variance less that of the mean over S seeds, times S / (S - 1)."""
    squares = chance = freedom = 0.0
    for of_seeds, of_draws in zip(differences, drawn, strict=True):
        seeds = len(of_seeds)
        squares += ((of_seeds - of_seeds.mean()) ** 2).sum()
        chance += seeds * (of_draws.var(0).mean() - of_draws.mean(1).var())
        freedom += seeds - 1
    beyond = (squares - chance) / freedom if freedom and squares > chance + ROUNDING else 0.0
    return beyond * sum(1 / len(of_seeds) for of_seeds in differences) / len(differences) ** 2


def _paired_tests(metric: Metric, folds: list[_Fold]) -> tuple[float, float]:
    """t-test and Wilcoxon's signed-rank test on the differences of single images or patients, each its mean over runs:
    so it counts once."""
    from scipy.stats import wilcoxon

    if metric.pooling in OF_PROBABILITIES:
        return float("nan"), float("nan")
    pairs = [pair for fold in folds for pair in fold.seeds]
    of_runs = pd.concat([(one[metric.name] - other[metric.name]).dropna() for one, other in pairs])
    differences = of_runs.groupby(level=0).mean().to_numpy()
    if len(differences) < 2 or not differences.any():
        return float("nan"), float("nan")
    return _t_test(differences), float(wilcoxon(differences).pvalue)


def _t_test(differences: np.ndarray) -> float:
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or np.ptp(differences) == 0:
        return float("nan")
    return float(ttest_1samp(differences, 0.0).pvalue)


def holm(p: pd.Series) -> pd.Series:
    """p-values of one family, adjusted so that all of them together err as rarely as one (Holm, Scand. J. Statist.
    1979): the i-th smallest of m times m - i + 1, never below the one before, at most 1. NaN is no test and stays."""
    known = p.dropna().sort_values(kind="stable")
    factors = np.arange(len(known), 0, -1)
    adjusted = pd.Series(np.minimum(1.0, np.maximum.accumulate(known.to_numpy() * factors)), known.index, dtype=float)
    return adjusted.reindex(p.index)


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


def not_worse(scores: Mapping[str, pd.DataFrame], metric: Metric) -> set[str]:
    """The best row, and every other whose difference from it has a 95 % interval with 0 in it, see :func:`compare`.

    A metric that is one number of a whole test set has no interval: of it the best alone. Where the best is the closest
    to 0, rows of negative mean are mirrored, so that the difference is one of distances from 0.
    """
    means = {row: over_runs(own, metric)[0] for row, own in scores.items()}
    winners = best(means, metric.higher_is_better)
    if not winners or metric.pooling == OF_SET:
        return winners
    if metric.higher_is_better is None:
        scores = {
            row: own.assign(**{metric.name: own[metric.name] * (-1 if means[row] < 0 else 1)})
            for row, own in scores.items()
        }
    leader = next(row for row in scores if row in winners)
    found = {row: compare(scores[leader], own, metric) for row, own in scores.items() if row not in winners}
    return winners | {row for row, one in found.items() if one is not None and one.low <= 0 <= one.high}

"""From radiomics features to a patient's outcome: selection, score, logistic model (Zhao et al. 2024).

Everything that is chosen, fitted or thresholded is so on the training cohort alone.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from datamodules.errors import InputError

SIGNIFICANT = 0.05
L1_RATIOS = (1.0, 0.9, 0.5)  # 1 is the LASSO
STRENGTHS = np.logspace(-2.5, 1.0, 12)  # of 1 / penalty
FOLDS = 10


@dataclass(frozen=True)
class Cohort:
    """``features`` is a row a patient, ``outcome`` bool ``(patients,)`` of the same patients in the same order."""

    features: pd.DataFrame
    outcome: np.ndarray

    def __post_init__(self) -> None:
        if len(self.features) != len(self.outcome):
            raise InputError(f"{len(self.features)} patients have features but {len(self.outcome)} an outcome")
        if len(np.unique(self.outcome)) < 2:
            raise InputError(f"a cohort of {len(self.outcome)} patients has one outcome only; it needs both")


@dataclass(frozen=True)
class RadiomicsModel:
    """``coefficients`` of the z-scored, selected features; ``score`` is their sum, ``probability`` a logistic of it.

    ``dropped`` says why features could not be used at all, ``screened`` how many passed the Mann-Whitney U test.
    """

    coefficients: pd.Series
    mean: pd.Series
    std: pd.Series
    slope: float
    intercept: float
    threshold: float
    l1_ratio: float
    screened: int
    dropped: dict[str, str]

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """Eq.: score = sum_k beta_k (x_k - mean_k) / std_k."""
        names = self.coefficients.index
        return ((features[names] - self.mean[names]) / self.std[names]).to_numpy() @ self.coefficients.to_numpy()

    def probability(self, features: pd.DataFrame) -> np.ndarray:
        return 1 / (1 + np.exp(-(self.slope * self.score(features) + self.intercept)))


def usable(features: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """The features that vary and are finite for every patient, and why the others are left out."""
    values = features.to_numpy(float)
    finite = np.isfinite(values).all(0)
    spread = np.where(finite, values.std(0, where=np.isfinite(values)), np.nan)
    varies = spread > 1e-9 * np.maximum(1.0, np.abs(np.where(finite, values.mean(0, where=np.isfinite(values)), 0)))
    dropped = {name: "not finite" for name in features.columns[~finite]}
    dropped |= {name: "constant" for name in features.columns[finite & ~varies]}
    return list(features.columns[finite & varies]), dropped


def fit(train: Cohort, seed: int = 0) -> RadiomicsModel:
    """z-score; two-sided Mann-Whitney U, p < 0.05; elastic net by ten-fold cross-validated AUC; logistic model of the
    score; threshold by Youden's index.

    Where no feature survives, the score is 0 for everyone.
    """
    from scipy.stats import mannwhitneyu

    names, dropped = usable(train.features)
    mean, std = train.features[names].mean(), train.features[names].std(ddof=0)
    scaled = (train.features[names] - mean) / std
    sick = train.outcome.astype(bool)
    if names:
        p = mannwhitneyu(scaled[sick], scaled[~sick], alternative="two-sided").pvalue
        names = [name for name, value in zip(names, p, strict=True) if value < SIGNIFICANT]
    coefficients, l1_ratio = _elastic_net(scaled[names], sick, seed)
    model = RadiomicsModel(coefficients, mean, std, 1.0, 0.0, 0.5, l1_ratio, len(names), dropped)
    slope, intercept = _logistic(model.score(train.features), sick)
    model = replace(model, slope=slope, intercept=intercept)
    return replace(model, threshold=youden(sick, model.probability(train.features)))


def _elastic_net(scaled: pd.DataFrame, sick: np.ndarray, seed: int) -> tuple[pd.Series, float]:
    """The coefficients that are not 0, and the part of L1 in the penalty."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(sick.sum()), int((~sick).sum()))
    if not scaled.shape[1] or folds < 2:
        return pd.Series(dtype=float), float("nan")
    search = LogisticRegressionCV(
        Cs=STRENGTHS,
        l1_ratios=L1_RATIOS,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
        scoring="roc_auc",
        solver="saga",
        max_iter=2000,
        tol=1e-3,
        random_state=seed,
        use_legacy_attributes=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(scaled.to_numpy(), sick)
    coefficients = pd.Series(search.coef_.ravel(), index=scaled.columns)
    return coefficients[coefficients != 0], float(search.l1_ratio_)


def _logistic(score: np.ndarray, sick: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of an unpenalised logistic model of one variable."""
    from sklearn.linear_model import LogisticRegression

    if np.ptp(score) == 0:
        return 0.0, float(np.log(sick.mean() / (1 - sick.mean())))
    model = LogisticRegression(C=np.inf).fit(score[:, None], sick)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def youden(outcome: np.ndarray, probability: np.ndarray) -> float:
    """The threshold at which sensitivity + specificity is largest; the lowest of several."""
    from sklearn.metrics import roc_curve

    false, true, thresholds = roc_curve(outcome, probability, drop_intermediate=False)
    return float(thresholds[1:][np.argmax((true - false)[1:])])


def area_with_interval(
    outcome: np.ndarray, probability: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """AUC with its confidence interval: :func:`delong`'s, or :func:`newcombe`'s of perfectly separated outcomes, where
    the former has no width."""
    auc, low, high = delong(outcome, probability, confidence)
    if auc not in (0.0, 1.0):
        return auc, low, high
    sick = int(outcome.astype(bool).sum())
    return auc, *newcombe(auc, sick, len(outcome) - sick, confidence)


def newcombe(auc: float, sick: int, healthy: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of an AUC from the number of patients alone (method 5 of Newcombe, Stat. Med. 25:559, 2006).

    Its ends are the areas A with (auc - A)^2 = z^2 V(A), where V is Hanley and McNeil's variance (Radiology 143:29,
    1982) with (m + n) / 2 - 1 in the place of both m - 1 and n - 1:

        V(A) = A (1 - A) [1 + N (1 - A) / (2 - A) + N A / (1 + A)] / (m n),  N = (m + n) / 2 - 1.

    As Wilson's of a proportion, which it is with m = n = 1, it has a width where the estimate is 0 or 1.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, n = norm.ppf(0.5 + confidence / 2), (sick + healthy) / 2 - 1

    def beyond(area: float) -> float:
        spread = 1 + n * (1 - area) / (2 - area) + n * area / (1 + area)
        return (auc - area) ** 2 - z**2 * area * (1 - area) * spread / (sick * healthy)

    low = 0.0 if auc == 0 else brentq(beyond, 0.0, auc - 1e-12)
    high = 1.0 if auc == 1 else brentq(beyond, auc + 1e-12, 1.0)
    return float(low), float(high)


def delong(outcome: np.ndarray, probability: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """AUC with its confidence interval (DeLong et al., Biometrics 44:837, 1988), cut to [0, 1]; from 0 to 1 with a
    single patient of one outcome, and without width where outcomes are perfectly separated.
    """
    from scipy.stats import norm

    sick, healthy = probability[outcome.astype(bool)], probability[~outcome.astype(bool)]
    above = (np.sign(sick[:, None] - healthy[None]) + 1) / 2  # psi: 1, 1/2 for a tie, 0
    auc = float(above.mean())
    variance = _variance(above.mean(1)) + _variance(above.mean(0))  # of the structural components
    reach = float(norm.ppf(0.5 + confidence / 2) * np.sqrt(variance))
    return auc, max(0.0, auc - reach), min(1.0, auc + reach)


def _variance(components: np.ndarray) -> float:
    return float(components.var(ddof=1) / len(components)) if len(components) > 1 else float("nan")


def evaluate(model: RadiomicsModel, cohort: Cohort) -> dict[str, float]:
    """AUC with its interval, and accuracy, specificity and sensitivity at the training cohort's threshold."""
    sick, probability = cohort.outcome.astype(bool), model.probability(cohort.features)
    called = probability >= model.threshold
    auc, low, high = area_with_interval(sick, probability)
    return {
        "AUC": auc,
        "AUC_low": low,
        "AUC_high": high,
        "accuracy": float((called == sick).mean()),
        "specificity": float((~called[~sick]).mean()),
        "sensitivity": float(called[sick].mean()),
    }

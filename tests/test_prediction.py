"""From features to an outcome: what is selected, what is reported, and that nothing of the validation is used."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.analyses.radiomics.outcome import (
    Cohort,
    area_with_interval,
    delong,
    evaluate,
    fit,
    newcombe,
    usable,
    youden,
)
from datamodules import InputError

TOLD = [f"f{n}" for n in range(4)]


def cohort(patients: int, seed: int, effect: float = 1.2, features: int = 60) -> Cohort:
    """Outcome in three of ten; the first four features tell it."""
    rng = np.random.default_rng(seed)
    outcome = np.arange(patients) % 10 < 3
    values = 10 + 3 * rng.normal(size=(patients, features))
    values[:, :4] += 3 * effect * outcome[:, None]
    return Cohort(pd.DataFrame(values, columns=[f"f{n}" for n in range(features)]), outcome)


@pytest.fixture(scope="module")
def model():
    return fit(cohort(120, 0))


def test_the_features_that_tell_the_outcome_are_selected_and_weigh_most(model):
    assert set(TOLD) <= set(model.coefficients.index)
    weights = model.coefficients.abs().sort_values(ascending=False)
    assert set(weights.index[:4]) == set(TOLD)
    assert (model.coefficients[TOLD] > 0).all()
    assert len(model.coefficients) <= model.screened < 60


def test_the_score_is_the_weighted_sum_of_scaled_features(model):
    own = cohort(20, 3).features
    train = cohort(120, 0).features
    names = model.coefficients.index
    expected = (((own - train.mean()) / train.std(ddof=0))[names] * model.coefficients).sum(axis=1)
    assert np.allclose(model.score(own), expected)
    odds = np.log(model.probability(own) / (1 - model.probability(own)))
    assert np.allclose(odds, model.slope * expected + model.intercept)
    assert model.slope > 0


def test_it_predicts_patients_that_it_has_not_seen(model):
    found = evaluate(model, cohort(200, 1))
    assert found["AUC"] > 0.85
    assert found["AUC_low"] < found["AUC"] < found["AUC_high"]
    assert found["accuracy"] > 0.7
    assert found["accuracy"] == pytest.approx(0.3 * found["sensitivity"] + 0.7 * found["specificity"])


def test_nothing_of_the_validation_cohort_reaches_the_model(model):
    again = fit(cohort(120, 0))
    assert again.coefficients.equals(model.coefficients)
    assert again.threshold == model.threshold
    shifted = cohort(200, 1)
    shifted.features[:] = shifted.features + 100.0  # were these scaled by themselves, nothing would change
    assert evaluate(model, shifted)["specificity"] == 0


def test_shuffled_outcomes_cannot_be_predicted():
    """All selection is inside the training cohort: with labels that mean nothing, the interval holds 0.5."""
    inside, areas = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        train, val = (cohort(n, seed + n, features=120) for n in (118, 100))
        shuffled = fit(Cohort(train.features, rng.permutation(train.outcome)))
        found = evaluate(shuffled, Cohort(val.features, rng.permutation(val.outcome)))
        areas.append(found["AUC"])
        inside.append(found["AUC_low"] <= 0.5 <= found["AUC_high"])
    assert sum(inside) >= 4
    assert abs(np.mean(areas) - 0.5) < 0.1


def test_features_that_cannot_be_used_are_dropped_and_named():
    train = cohort(60, 0)
    features = train.features.assign(still=3.0, broken=np.nan)
    features.loc[5, "f50"] = np.inf
    names, dropped = usable(features)
    assert dropped == {"f50": "not finite", "broken": "not finite", "still": "constant"}
    assert len(names) == 59
    model = fit(Cohort(features, train.outcome))
    assert model.dropped == dropped
    assert np.isfinite(model.probability(features.fillna(0))).all()


def test_without_a_telling_feature_everyone_has_the_same_probability():
    train = cohort(60, 0)
    nothing = pd.DataFrame({"a": np.tile([1.0, 2.0], 30)})
    model = fit(Cohort(nothing, train.outcome))
    assert model.screened == 0
    assert model.coefficients.empty
    assert np.allclose(model.probability(nothing), 0.3)
    assert evaluate(model, Cohort(nothing, train.outcome))["AUC"] == 0.5


def test_a_cohort_needs_both_outcomes_and_a_row_a_patient():
    features = cohort(10, 0).features
    with pytest.raises(InputError, match="a cohort of 10 patients has one outcome only; it needs both"):
        Cohort(features, np.zeros(10, bool))
    with pytest.raises(InputError, match="10 patients have features but 9 an outcome"):
        Cohort(features, np.arange(9) % 2 == 0)


def test_delong_is_the_u_statistic_and_its_interval_covers():
    from sklearn.metrics import roc_auc_score

    outcome, probability = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.4, 0.9])
    auc, low, high = delong(outcome, probability)
    assert auc == pytest.approx(roc_auc_score(outcome, probability))
    # By hand: V10 = (2/3, 1), V01 = (1, 3/4, 3/4); variances 1/18 and 1/48; over 2 and 3.
    reach = 1.959964 * np.sqrt((1 / 18) / 2 + (1 / 48) / 3)
    assert (low, high) == (pytest.approx(max(0, auc - reach)), pytest.approx(min(1, auc + reach)))
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        drawn = np.concatenate([rng.normal(1.0, 1, 40), rng.normal(0, 1, 60)])
        _, low, high = delong(np.arange(100) < 40, drawn)
        covered += low <= 0.7602 <= high  # Phi(1 / sqrt 2)
    assert 270 <= covered <= 297


def test_perfectly_separated_outcomes_have_an_interval_that_counts_patients():
    outcome = np.arange(51) < 12
    perfect = outcome + np.linspace(0, 0.5, 51)
    assert delong(outcome, perfect) == (1, 1, 1), "which says nothing"
    auc, low, high = area_with_interval(outcome, perfect)
    assert (auc, high) == (1, 1)
    assert low == pytest.approx(0.890658, abs=1e-6)
    assert area_with_interval(outcome, -perfect) == (0, 0, pytest.approx(1 - low))
    lows = [newcombe(1.0, count, count)[0] for count in (2, 5, 20, 100)]
    assert lows == sorted(lows)
    assert 0 < lows[0] < 0.6
    assert 0.97 < lows[-1] < 0.99
    found = evaluate(fit(Cohort(pd.DataFrame({"a": perfect}), outcome)), Cohort(pd.DataFrame({"a": perfect}), outcome))
    assert (found["AUC"], found["AUC_low"]) == (1, pytest.approx(low))


def test_the_score_interval_solves_its_equation_and_is_wilsons_for_two_patients():
    z = 1.959964
    for auc, sick, healthy in ((1.0, 12, 39), (0.0, 7, 3), (0.8, 12, 39)):
        n = (sick + healthy) / 2 - 1
        for end in set(newcombe(auc, sick, healthy)) - {0.0, 1.0}:
            q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)  # Hanley and McNeil's
            variance = (end * (1 - end) + n * (q1 - end**2) + n * (q2 - end**2)) / (sick * healthy)
            assert abs(auc - end) == pytest.approx(z * np.sqrt(variance), rel=1e-5)
    assert newcombe(1.0, 1, 1) == (pytest.approx(1 / (1 + z**2), rel=1e-5), 1.0)


def test_other_outcomes_keep_delongs_interval():
    outcome, probability = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.4, 0.9])
    assert area_with_interval(outcome, probability) == delong(outcome, probability)
    assert area_with_interval(outcome, np.ones(5)) == (0.5, 0.5, 0.5), "a model that knows nothing is at 0.5 by itself"


def test_youdens_threshold_splits_best():
    outcome, probability = np.array([0, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
    assert youden(outcome, probability) == pytest.approx(0.6) or youden(outcome, probability) == pytest.approx(0.3)
    called = probability >= youden(outcome, probability)
    assert called[outcome == 1].mean() + (~called[outcome == 0]).mean() == pytest.approx(5 / 3)

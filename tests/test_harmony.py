"""Correlation, Frechet distance and ComBat on features whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm

from benchmarks.analyses.radiomics.likeness import ComBat, correlation, frechet_distance
from datamodules import InputError


def table(rows: int, columns: int, seed: int, mean: float = 0.0, std: float = 1.0) -> pd.DataFrame:
    values = mean + std * np.random.default_rng(seed).normal(size=(rows, columns))
    return pd.DataFrame(values, columns=[f"f{n}" for n in range(columns)])


def test_correlation_is_pearsons_of_every_feature():
    one = table(30, 40, 0)
    other = 0.6 * one + 0.8 * table(30, 40, 1)
    found = correlation(one, other)
    expected = [np.corrcoef(one[name], other[name])[0, 1] for name in one]
    assert np.allclose(found.by_feature, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(expected) / np.sqrt(40), rel=0.15)


def test_a_scale_of_its_own_does_not_lower_a_correlation_and_a_constant_has_none():
    one = table(10, 3, 0).assign(still=2.0)
    found = correlation(one, (5 * one - 3).assign(still=7.0))
    assert np.allclose(found.by_feature.iloc[:3], 1)
    assert np.isnan(found.by_feature["still"])
    assert found.mean == pytest.approx(1)


def test_features_of_other_regions_are_not_correlated():
    one = table(10, 3, 0)
    with pytest.raises(InputError, match="not of the same regions"):
        correlation(one, one.iloc[::-1])
    with pytest.raises(InputError, match="over 2 regions says nothing"):
        correlation(one[:2], one[:2])


def test_frechet_distance_is_the_textbooks():
    one, target = table(60, 5, 0, mean=1.0, std=2.0), table(50, 5, 1, mean=4.0, std=3.0)
    x, y = (t / pd.concat([one, target]).std(ddof=0) for t in (one, target))
    c1, c2, difference = np.cov(x.T), np.cov(y.T), x.mean() - y.mean()
    expected = difference @ difference + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert frechet_distance(one, target) == pytest.approx(expected)
    assert frechet_distance(target, target) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(100 * one, 100 * target) == pytest.approx(expected), "units do not matter"
    assert frechet_distance(one, target, 2 * pd.concat([one, target])) == pytest.approx(expected / 4)


def test_no_feature_outweighs_the_others_because_the_target_hardly_varies_in_it():
    one, target = table(60, 10, 0), table(60, 10, 1)
    still = target.assign(f0=target["f0"] * 1e-6)
    assert frechet_distance(one, still) < frechet_distance(one, target) + 4


def test_frechet_distance_grows_with_a_shift_and_takes_more_features_than_images():
    target = table(20, 100, 0)
    near, far = (frechet_distance(table(20, 100, 1, mean=shift), target) for shift in (0.5, 2.0))
    assert 0 < near < far
    broken = target.assign(f0=np.nan, f1=1.0)
    assert np.isfinite(frechet_distance(target, broken))
    with pytest.raises(InputError, match="other features"):
        frechet_distance(target, target[["f0"]])
    with pytest.raises(InputError, match="no covariance"):
        frechet_distance(target[:1], target)


def test_combat_takes_a_devices_shift_and_scale_out_and_leaves_the_reference():
    true = table(300, 30, 0, mean=5.0, std=2.0)
    devices = np.repeat(["a", "b", "reference"], 100)
    measured = true.copy()
    measured[devices == "a"] = 3 * measured[devices == "a"] + 10
    measured[devices == "b"] = 0.5 * measured[devices == "b"] - 1
    mended = ComBat.fit(measured, devices, "reference").apply(measured, devices)
    assert np.allclose(mended[devices == "reference"], measured[devices == "reference"])
    for device in ("a", "b"):
        own = mended[devices == device]
        assert np.abs(own.mean() - true[devices == "reference"].mean()).max() < 0.35
        assert (own.std() / true[devices == "reference"].std()).between(0.7, 1.4).all()
        order = np.corrcoef(own["f3"], true.loc[devices == device, "f3"])[0, 1]
        assert order == pytest.approx(1), "within a device, the order of patients stays"


def test_combat_draws_few_images_towards_what_features_have_in_common():
    reference, few = table(200, 200, 1), table(4, 200, 2, mean=1.0)
    features = pd.concat([reference, few], ignore_index=True)
    devices = np.array(["reference"] * 200 + ["few"] * 4)
    fitted = ComBat.fit(features, devices, "reference")
    plain = (few.mean() - reference.mean()) / reference.std()
    assert fitted.shift.loc["few"].std() < plain.std()
    assert abs(fitted.shift.loc["few"].mean() - 1.0) < 0.1


def test_combat_needs_two_images_a_device():
    features = table(5, 3, 0)
    with pytest.raises(InputError, match="device 'b' has fewer than 2 images"):
        ComBat.fit(features, np.array(["a", "a", "a", "a", "b"]), "a")
    with pytest.raises(InputError, match="device 'c' has fewer than 2 images"):
        ComBat.fit(features, np.array(["a", "a", "a", "b", "b"]), "c")

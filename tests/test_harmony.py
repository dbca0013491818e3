"""Correlation, Frechet distances and ComBat on features whose answer is known."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.stats import t

from benchmarks.analyses.radiomics import likeness
from benchmarks.analyses.radiomics.likeness import (
    RESAMPLES,
    ComBat,
    correlation,
    frechet_distance,
    frechet_radiomics_distance,
    interval,
)
from datamodules import InputError


def table(rows: int, columns: int, seed: int, mean: float = 0.0, std: float = 1.0) -> pd.DataFrame:
    values = mean + std * np.random.default_rng(seed).normal(size=(rows, columns))
    return pd.DataFrame(values, columns=[f"f{n}" for n in range(columns)])


def singly(regions: pd.DataFrame) -> np.ndarray:
    """Every region is an object of its own."""
    return np.arange(len(regions))


def test_correlation_is_pearsons_of_every_feature():
    one = table(30, 40, 0)
    other = 0.6 * one + 0.8 * table(30, 40, 1)
    found = correlation(one, other, singly(one))
    expected = [np.corrcoef(one[name], other[name])[0, 1] for name in one]
    assert np.allclose(found.by_feature, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.low < found.mean < found.high


def test_its_interval_is_that_of_drawing_objects_with_all_their_regions():
    """As a loop over the same draws has it."""
    objects = np.array(["a", "a", "b", "c", "c", "c", "d", "e", "e"])
    one = table(9, 4, 0)
    other = one + table(9, 4, 1)
    found = correlation(one, other, objects, seed=3)
    names = list("abcde")
    means = []
    for counts in np.random.default_rng(3).multinomial(5, [0.2] * 5, RESAMPLES):
        rows = [row for name, n in zip(names, counts, strict=True) for row in np.flatnonzero(objects == name).repeat(n)]
        x, y = one.iloc[rows].to_numpy(), other.iloc[rows].to_numpy()
        if len(set(rows)) > 1:
            means.append(np.mean([np.corrcoef(x[:, n], y[:, n])[0, 1] for n in range(4)]))
    assert found.draws[np.isfinite(found.draws)] == pytest.approx(np.array(means), abs=1e-9)
    assert (found.low, found.high) == pytest.approx(np.clip(interval(np.array(means), 5, seed=3), -1, 1), abs=1e-9)


def test_the_tails_of_few_objects_are_those_of_t():
    draws = np.random.default_rng(0).normal(0.5, 0.1, 200_000)
    for objects in (5, 30):
        reach = 0.1 * t.ppf(0.975, objects - 1)
        assert interval(draws, objects) == pytest.approx((0.5 - reach, 0.5 + reach), abs=0.005)
    broken = np.concatenate([draws, [np.nan] * 9])
    assert interval(broken, 5) == interval(draws, 5), "draws without a correlation do not count"
    assert np.isnan(interval(draws, 1)).all()
    assert np.isnan(interval(np.full(9, np.nan), 5)).all()


def test_no_correlation_is_beyond_one():
    one = table(4, 3, 0)
    found = correlation(one, one + 0.2 * table(4, 3, 1), singly(one))
    assert found.low < 0.97 < found.mean < found.high == 1


def test_the_interval_neither_narrows_with_copies_of_a_region_nor_with_more_features():
    one = table(20, 5, 0)
    other = 0.6 * one + 0.8 * table(20, 5, 1)
    width = (lambda found: found.high - found.low)(correlation(one, other, singly(one)))
    sixfold = [pd.concat([frame] * 6, ignore_index=True) for frame in (one, other)]
    objects = np.tile(np.arange(20), 6)
    assert (lambda found: found.high - found.low)(correlation(*sixfold, objects)) == pytest.approx(width)
    wide = [pd.concat([frame] * 9, axis=1).set_axis(range(45), axis=1) for frame in (one, other)]
    assert (lambda found: found.high - found.low)(correlation(*wide, singly(one))) == pytest.approx(width)
    alone = correlation(*sixfold, np.arange(120))
    assert alone.high - alone.low < 0.6 * width, "as if all regions were objects"


def test_the_interval_covers_what_other_objects_would_give(monkeypatch):
    """Objects differ by a part that all their regions share; the truth is r of very many objects. Without the tails of
    t it covers 0.89 to 0.945 with five to thirty objects."""
    monkeypatch.setattr(likeness, "RESAMPLES", 500)

    def study(objects: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
        rng = np.random.default_rng(seed)
        own, shared = rng.normal(size=(objects * 4, 3)), rng.normal(size=(objects, 3)).repeat(4, axis=0)
        noise = rng.normal(size=(objects, 3)).repeat(4, axis=0) + 0.5 * rng.normal(size=own.shape)
        one = 0.5 * own + shared
        return pd.DataFrame(one), pd.DataFrame(one + noise), np.arange(objects).repeat(4)

    one, other, _ = study(50_000, 0)
    truth = np.mean([np.corrcoef(one[n], other[n])[0, 1] for n in range(3)])
    for objects in (5, 8, 12, 30):
        found = [correlation(*study(objects, seed)) for seed in range(1, 201)]
        inside = np.mean([own.low <= truth <= own.high for own in found])
        assert 0.92 <= inside <= 0.98, (objects, inside)


def test_rows_are_as_good_by_the_same_draws_of_the_same_objects():
    """Two rows err alike: each interval is wide, that of their difference narrow."""
    target, shared = table(20, 5, 0), table(20, 5, 1)
    one, other, equal = (
        correlation(target + scale * shared + 0.1 * table(20, 5, seed), target, singly(target))
        for scale, seed in ((1.0, 2), (1.5, 3), (1.0, 4))
    )
    assert one.low < other.mean, "their intervals overlap"
    assert other.high > one.mean
    assert not other.as_good_as(one)
    assert not one.as_good_as(other)
    assert one.as_good_as(equal)
    elsewhere = correlation(target + shared + 0.1 * table(20, 5, 4), target, singly(target) + 1)
    assert elsewhere.mean == equal.mean
    assert not one.as_good_as(elsewhere), "other objects have no draws in common"


@pytest.mark.filterwarnings("error")
def test_features_that_are_all_constant_have_no_correlation_of_several_objects():
    one = table(10, 3, 0)
    found = correlation(one * 0 + 1, one, singly(one))
    assert np.isnan([found.mean, found.low, found.high]).all()
    assert len(found.objects) == 10


def test_a_scale_of_its_own_does_not_lower_a_correlation_and_a_constant_has_none():
    one = table(10, 3, 0).assign(still=2.0, broken=np.nan)
    found = correlation(one, (5 * one - 3).assign(still=7.0), singly(one))
    assert np.allclose(found.by_feature.iloc[:3], 1)
    assert found.by_feature[["still", "broken"]].isna().all()
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1))
    small = correlation(1e-9 * table(10, 3, 0), 1e9 * table(10, 3, 0) + 1e12, singly(one))
    assert np.allclose(small.by_feature, 1), "small and large features are no constants"


def test_one_object_has_no_interval():
    one = table(10, 3, 0)
    found = correlation(one, one + table(10, 3, 1), np.zeros(10))
    assert 0 < found.mean < 1
    assert np.isnan([found.low, found.high]).all()


def test_features_of_other_regions_are_not_correlated():
    one = table(10, 3, 0)
    with pytest.raises(InputError, match="not of the same regions"):
        correlation(one, one.iloc[::-1], singly(one))
    with pytest.raises(InputError, match="not of the same regions"):
        correlation(one, one, np.arange(9))
    with pytest.raises(InputError, match="over 2 regions says nothing"):
        correlation(one[:2], one[:2], singly(one[:2]))


def test_two_thousand_draws_of_two_hundred_regions_take_under_two_seconds():
    one, other = table(200, 474, 0), table(200, 474, 1)
    started = time.process_time()
    correlation(one, other, np.arange(200) // 5)
    assert time.process_time() - started < 2


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


def test_frd_is_that_of_its_authors_package():
    """frd-score 1.0.1: ``frd.compute_frd([reference, other])`` with its ``compute_features`` replaced by one that
    returns these arrays. It computes in single precision."""
    one, target = table(60, 5, 0, mean=1.0, std=2.0), table(50, 5, 1, mean=4.0, std=3.0)
    assert frechet_radiomics_distance(one, target) == pytest.approx(1.7973203, abs=1e-6)
    assert frechet_radiomics_distance(target, one) == pytest.approx(2.4796298, abs=1e-6), "the target is the reference"
    broken = one.copy()
    broken.iloc[3, 4] = np.nan  # an image that does not count
    assert frechet_radiomics_distance(broken, target.assign(f2=7.0)) == pytest.approx(1.6199958, abs=1e-6)
    few = frechet_radiomics_distance(table(25, 40, 3, mean=0.5), table(20, 40, 2))
    assert few == pytest.approx(4.1290854, abs=1e-6), "more features than images"


def test_frd_knows_the_targets_scale_alone_and_grows_with_distance():
    one, target = table(60, 5, 0, mean=1.0, std=2.0), table(50, 5, 1, mean=4.0, std=3.0)
    found = frechet_radiomics_distance(one, target)
    assert frechet_radiomics_distance(100 * one - 7, 100 * target - 7) == pytest.approx(found), "units do not matter"
    assert found == pytest.approx(np.log(frechet_distance(one, target, target)))
    near, far = (frechet_radiomics_distance(target + shift, target) for shift in (0.1, 1.0))
    assert far - near == pytest.approx(np.log(100)), "a logarithm of the square"
    assert frechet_radiomics_distance(target, target) == float("-inf")
    undefined = [own.assign(f9=np.nan) for own in (one, target)]
    assert frechet_radiomics_distance(*undefined) == pytest.approx(found), "what no image has is no feature"
    with pytest.raises(InputError, match="no covariance"):
        frechet_radiomics_distance(one, target[:1])


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


def test_combat_restores_a_device_that_is_a_shifted_and_scaled_copy():
    reference = table(40, 12, 0, mean=5.0, std=2.0)
    copy = 3 * (reference - reference.mean()) + reference.mean() + 7 * reference.std(ddof=0)
    features = pd.concat([reference, copy], ignore_index=True)
    devices = np.repeat(["reference", "copy"], 40)
    mended = ComBat.fit(features, devices, "reference").apply(features, devices)
    assert np.allclose(mended[:40], reference)
    spread = 1 + 1 / 39  # of n against n - 1 in the two devices' variances
    assert np.allclose(mended[40:] - reference.mean().to_numpy(), (reference - reference.mean()) / np.sqrt(spread))


def test_combat_is_neurocombats_with_a_reference_batch():
    """neuroCombat 0.2.12: ``neuroCombat(dat=values.T, covars=..., batch_col="batch", ref_batch="reference")``."""
    parts = [table(12, 4, 0, 5.0, 2.0), 3 * table(9, 4, 1), table(7, 4, 2, -2.0, 0.5)]
    parts[1] += 3
    features = pd.concat(parts, ignore_index=True)
    devices = np.array(["reference"] * 12 + ["a"] * 9 + ["b"] * 7)
    fitted = ComBat.fit(features, devices, "reference")
    mended = fitted.apply(features, devices).to_numpy()
    assert np.allclose(mended[12], [5.05568149, 6.32302776, 5.74621138, 3.22953681], atol=1e-5)
    assert np.allclose(mended[27], [1.75887188, 6.73668065, 8.41290262, 4.03503147], atol=1e-5)
    assert np.allclose(fitted.shift.loc["b"], [-3.84799945, -5.04231711, -3.79117294, -4.95944182], atol=1e-5)
    assert np.allclose(fitted.scale.loc["a"], [1.86397928, 1.9129001, 1.71522731, 1.72020204], atol=1e-5)


def test_combat_needs_two_images_a_device():
    features = table(5, 3, 0)
    with pytest.raises(InputError, match="device 'b' has fewer than 2 images"):
        ComBat.fit(features, np.array(["a", "a", "a", "a", "b"]), "a")
    with pytest.raises(InputError, match="device 'c' has fewer than 2 images"):
        ComBat.fit(features, np.array(["a", "a", "a", "b", "b"]), "c")
    with pytest.raises(InputError, match="device 'd' has no images in the cohort that ComBat is fitted on"):
        ComBat.fit(features, np.array(["a", "a", "a", "b", "b"]), "a").apply(features, np.array([*"aabbd"]))
    with pytest.raises(InputError, match="features that are not finite"):
        ComBat.fit(features.assign(f0=np.nan), np.array(["a", "a", "a", "b", "b"]), "a")

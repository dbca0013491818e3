"""Error against claimed uncertainty: closed forms, and plain loops."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.analyses.reliability.sparsification import (
    LEAST,
    ause,
    deviations,
    ence,
    rank_correlation,
    sparsification,
)


def area(error, uncertainty) -> float:
    return ause(sparsification(error, uncertainty), sparsification(error, error))


@pytest.fixture
def error() -> np.ndarray:
    return np.random.default_rng(0).exponential(3.0, 400)


def test_the_curve_is_that_of_a_plain_loop(error):
    uncertainty = np.random.default_rng(1).random(len(error))
    most_certain_first = error[np.argsort(uncertainty)]
    expected = [most_certain_first[: len(error) - taken].mean() / error.mean() for taken in range(len(error))]
    assert sparsification(error, uncertainty).tolist() == pytest.approx(expected)


def test_equally_uncertain_pixels_are_the_mean_over_all_their_orders():
    error, uncertainty = np.array([1.0, 5.0, 2.0, 4.0]), np.array([0.5, 0.5, 0.1, 0.5])
    orders = [[*some, 2] for some in itertools.permutations([0, 1, 3])]  # the third pixel is taken last
    curves = [[error[order[taken:]].mean() / error.mean() for taken in range(4)] for order in orders]
    assert sparsification(error, uncertainty).tolist() == pytest.approx(np.mean(curves, axis=0).tolist())


def test_a_perfect_uncertainty_has_none_on_any_scale(error):
    assert area(error, error) == 0
    assert area(error, np.log(error)) == pytest.approx(0)
    assert area(error, -error) > area(error, np.zeros_like(error)) > area(error, error + 1.0 * (error < 3)) > 0


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda rng, n: rng.random(n), 0.5),  # the oracle's curve is 1 - f
        (lambda rng, n: rng.exponential(1.0, n), math.pi**2 / 6 - 1),  # it is 1 + f ln(f) / (1 - f)
    ],
)
def test_what_knows_nothing_has_the_area_under_the_oracle(draw, expected):
    rng = np.random.default_rng(0)
    error = draw(rng, 40_000)
    assert area(error, np.full_like(error, 0.3)) == pytest.approx(expected, abs=0.01)
    assert area(error, rng.random(len(error))) == pytest.approx(expected, abs=0.02)


def test_one_pixel_has_a_curve():
    assert sparsification(np.array([2.0]), np.array([0.1])).tolist() == [1.0]


def test_rank_correlation_is_that_of_pandas(error):
    uncertainty = error + np.random.default_rng(2).normal(0, 2, len(error)).round()
    expected = pd.Series(error).corr(pd.Series(uncertainty), method="spearman")
    assert rank_correlation(error, uncertainty) == pytest.approx(expected)
    assert rank_correlation(error, error**3) == pytest.approx(1)
    assert rank_correlation(error, -error) == pytest.approx(-1)
    assert np.isnan(rank_correlation(error, np.zeros_like(error)))


@pytest.mark.parametrize(("claimed", "expected"), [(1.0, 0.0), (0.5, 1.0), (2.0, 0.5)])
def test_a_spread_is_calibrated_where_errors_are_as_large_as_it_says(claimed, expected):
    """Of twice the error that is claimed, |s - 2 s| / s is 1; of half of it, 1/2."""
    rng = np.random.default_rng(3)
    sigma = rng.uniform(0.1, 1.0, 100_000)
    error = np.abs(rng.normal(0, sigma))
    of_spread, of_error = deviations(error, claimed * sigma)
    assert len(of_spread) == len(of_error) == 10
    assert (np.diff(of_spread) > 0).all()
    assert of_error.tolist() == pytest.approx((of_spread / claimed).tolist(), rel=0.03)
    assert ence(of_spread, of_error) == pytest.approx(expected, abs=0.02)


def test_deviations_are_root_mean_squares_of_equal_parts():
    spread, error = np.arange(20.0), np.arange(20.0)[::-1]
    of_spread, of_error = deviations(error, spread)
    assert of_spread[3] == pytest.approx(math.sqrt((6**2 + 7**2) / 2))
    assert of_error[3] == pytest.approx(math.sqrt((13**2 + 12**2) / 2))
    assert [len(part) for part in deviations(np.ones(3), np.ones(3))] == [3, 3]


def test_where_there_is_neither_spread_nor_error_nothing_is_wrong():
    assert ence(np.array([0.0, 0.1]), np.array([LEAST / 2, 0.1])) == 0
    assert ence(np.array([0.0]), np.array([3 * LEAST])) == pytest.approx(2)

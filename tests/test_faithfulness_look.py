"""What is measured of single lesions and of speckle, on values whose answer is known."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import ks_2samp

from benchmarks.analyses.faithfulness.look import contrast, gcnr, speckle, speckle_distance, surroundings
from benchmarks.analyses.faithfulness.scale import Scale
from datamodules.phantom.elastography import colour_map, overlay

RNG = np.random.default_rng(0)
MANY = 40_000


def disc(radius: float, side: int = 64, centre: tuple[float, float] = (32, 32)) -> np.ndarray:
    rows, columns = np.indices((side, side))
    return np.hypot(rows - centre[0], columns - centre[1]) < radius


@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.0), (2.0, 1.0), (1.0, 3.0), (0.0, 0.3)])
def test_gcnr_is_one_less_the_overlap_of_the_distributions(shift, spread):
    """By the standard library's overlap of two normal distributions."""
    one, other = RNG.normal(size=MANY), RNG.normal(shift, spread, MANY)
    expected = 1 - NormalDist().overlap(NormalDist(shift, spread))
    assert gcnr(one, other) == pytest.approx(expected, abs=0.015)
    assert gcnr(other, one) == pytest.approx(gcnr(one, other))


def test_of_equally_wide_distributions_it_is_kolmogorov_and_smirnovs_distance():
    one, other = RNG.normal(size=MANY), RNG.normal(1.3, 1, MANY)
    assert gcnr(one, other) == pytest.approx(ks_2samp(one, other).statistic, abs=0.015)


def test_gcnr_is_the_same_for_every_grey_map():
    one, other = RNG.rayleigh(1, 300), RNG.rayleigh(2, 900)
    assert gcnr(one, other) == pytest.approx(gcnr(np.log(one), np.log(other)))
    assert gcnr(one, other) == pytest.approx(gcnr(one**3, other**3))


def test_gcnr_at_its_ends():
    black, white = np.zeros(50), np.full(5000, 255.0)
    assert gcnr(black, white) == 1
    assert gcnr(black, black) == 0
    assert gcnr(RNG.normal(size=200), RNG.normal(size=200)) < 0.2, "what few pixels add"
    assert np.isnan(gcnr(black[:0], white))


def test_the_tissue_around_begins_beyond_what_blurs_and_ends_near():
    lesion = disc(10)
    around = surroundings(lesion)
    away = np.hypot(*(np.indices((64, 64)) - 32))
    assert not (around & lesion).any()
    assert away[around].min() >= 11
    assert 17 < away[around].max() < 19
    small = surroundings(disc(1.5))
    assert small.sum() > 12


def test_contrast_is_the_difference_of_means():
    image = np.where(disc(10), 30.0, 100.0)
    assert contrast(image[disc(10)], image[surroundings(disc(10))]) == -70
    assert np.isnan(contrast(image[:0].ravel(), image.ravel()))


def envelope(side: int = 200) -> np.ndarray:
    return np.hypot(*np.random.default_rng(1).normal(size=(2, side, side)))


def test_the_snr_of_fully_developed_speckle_is_1_91():
    found = speckle(50 * envelope(), np.ones((200, 200), bool))
    assert found.snr == pytest.approx(1.91, rel=0.03)


def test_in_grey_levels_it_follows_from_the_dynamic_range():
    """20 log10 of a Rayleigh distribution has a standard deviation of 5.57 dB (pi / sqrt(24) nepers)."""
    levels = 150 + 20 * np.log10(envelope()) * 255 / 60
    found = speckle(levels, np.ones((200, 200), bool))
    assert found.snr == pytest.approx(levels.mean() / (5.57 * 255 / 60), rel=0.03)


def test_a_flat_image_has_an_snr_and_a_black_one_no_speckle():
    everywhere = np.ones((64, 64), bool)
    assert speckle(np.full((64, 64), 100.0), everywhere).snr == pytest.approx(100 * np.sqrt(12))
    assert np.isnan(speckle(np.zeros((64, 64)), everywhere).snr)
    assert np.isnan(speckle_distance(speckle(np.zeros((64, 64)), everywhere), speckle(envelope(64) * 50, everywhere)))


def test_speckle_keeps_a_window_away_from_lesions():
    levels = np.where(disc(10), 255.0, 100.0)
    assert speckle(levels, ~disc(10)).spread.max() < 1e-3
    assert speckle(levels, np.ones_like(levels, bool)).spread.max() > 10


def test_the_distance_of_speckle_is_that_of_its_shape_and_not_of_brightness():
    everywhere = np.ones((200, 200), bool)
    one = speckle(100 + 20 * np.random.default_rng(0).normal(size=(200, 200)), everywhere)
    brighter = speckle(180 + 20 * np.random.default_rng(1).normal(size=(200, 200)), everywhere)
    smoother = speckle(100 + 5 * np.random.default_rng(2).normal(size=(200, 200)), everywhere)
    assert speckle_distance(one, brighter) < 0.02
    expected = max(abs(NormalDist(0, 20).cdf(x) - NormalDist(0, 5).cdf(x)) for x in np.linspace(0, 60, 601))
    assert speckle_distance(one, smoother) == pytest.approx(expected, abs=0.03)


def test_a_modulus_is_taken_by_octaves_and_never_below_a_hundredth_of_the_scale():
    scale = Scale("kPa", 0.0, 180.0)
    image = np.array([[[-1.0, 2 * 45 / 180 - 1, 2 * 90 / 180 - 1]]])
    assert scale.values(image)[0] == pytest.approx(np.log2([1.8, 45, 90]))
    assert scale.of_contrast == "octaves of kPa"
    assert Scale("strain", -1.0, 1.0).values(image)[0] == pytest.approx(image[0, 0]), "no logarithm of what is negative"
    assert Scale("grey level", 0.0, 255.0).values(image)[0] == pytest.approx(127.5 * (image[0, 0] + 1))


def test_colour_tells_stiffness_whatever_lies_beneath():
    """The simulator's own strain colours, over black and over bright tissue."""
    import torch

    softness = torch.linspace(0, 1, 41)[None]
    scale = Scale("RGB", 0.0, 255.0)
    over = [
        scale.values(2 * overlay(colour_map(softness), torch.full((1, 41), grey), opacity).numpy() - 1)[0]
        for grey, opacity in ((0.0, 1.0), (0.3, 0.6), (0.9, 0.6))
    ]
    assert (np.diff(over[0]) <= 1e-9).all()
    assert over[0][[0, 20, 40]] == pytest.approx([1, 0.5, 0], abs=0.01)
    assert (np.diff(over[0])[6:-6] < -0.01).all(), "only the outer eighths are flat"
    assert over[1] == pytest.approx(over[0], abs=1e-6)
    assert over[2] == pytest.approx(over[0], abs=1e-6)
    assert scale.values(np.full((3, 2, 2), -0.2)) == pytest.approx(0.5), "grey is neither"
    magenta_red, magenta_blue = np.array([[1.0, -1, -0.5], [0.5, -1, 1.0]])[..., None, None]
    assert (scale.values(magenta_red).item(), scale.values(magenta_blue).item()) == (0, 1), "the nearer end"

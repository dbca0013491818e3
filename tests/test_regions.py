"""Parts of a mask, and the overlap of a lesion before and after translation."""

import numpy as np
import pytest

from benchmarks.analyses.radiomics.regions import lesion_dice, parts


def disc(row: int, column: int, radius: int, side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def test_a_mask_falls_into_its_separate_parts():
    one, other = disc(15, 40, 6), disc(40, 15, 9)
    found = parts(one | other)
    assert len(found) == 2
    assert np.array_equal(found[0], one)
    assert np.array_equal(found[1], other)
    crumbs = one.copy()
    crumbs[60, 5:50] = True  # a line has no texture
    crumbs[50, 50] = True
    assert len(parts(crumbs)) == 1
    assert parts(np.zeros((8, 8), bool)) == []


def image(lesion: np.ndarray, seed: int) -> np.ndarray:
    return np.where(lesion, 40.0, 160.0) + np.random.default_rng(seed).normal(0, 10, lesion.shape)


def test_a_lesion_that_keeps_its_place_overlaps_whatever_the_grey_levels():
    lesion = disc(32, 32, 10)
    source = image(lesion, 0)
    assert lesion_dice(source, source, lesion) == 1
    assert lesion_dice(source, 0.3 * image(lesion, 1) + 90, lesion) > 0.95


def test_a_lesion_that_moves_or_vanishes_does_not():
    lesion = disc(32, 32, 10)
    source = image(lesion, 0)
    moved = lesion_dice(source, image(disc(32, 40, 10), 1), lesion)
    gone = lesion_dice(source, image(np.zeros_like(lesion), 1), lesion)
    assert 0.3 < moved < 0.75
    assert gone < 0.7
    assert lesion_dice(source, np.full_like(source, 7.0), lesion) == 0
    assert np.isnan(lesion_dice(source, source, np.zeros_like(lesion)))


@pytest.mark.parametrize("corner", [(2, 2), (61, 61)])
def test_a_lesion_at_the_border_has_a_box_too(corner):
    lesion = disc(*corner, 5)
    source = image(lesion, 0)
    assert lesion_dice(source, image(lesion, 1), lesion) > 0.9

"""Do error and claimed uncertainty go together? Numbers of the pixels of one image."""

import numpy as np

LEAST = 1 / 255  # half of one of 256 levels, of values in [-1, 1]: below it a spread cannot be told from none
BINS = 10


def sparsification(error: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """The mean error of the pixels that are left once the i most uncertain of N are taken away, over that of all:
    ``(N,)`` for i = 0 to N - 1, beginning with 1. Equally uncertain pixels are taken in random order, of which this is
    the expectation.

    Args:
        error: ``(N,)``, not below 0 and not all 0.
        uncertainty: ``(N,)``, on any scale.
    """
    _, group, sizes = np.unique(-uncertainty, return_inverse=True, return_counts=True)
    of_groups = np.bincount(group, error) / sizes
    most_uncertain_first = of_groups[np.sort(group)]
    left = np.cumsum(most_uncertain_first[::-1])[::-1] / np.arange(len(error), 0, -1)
    return left / error.mean()


def ause(curve: np.ndarray, oracle: np.ndarray) -> float:
    """Area under the sparsification error (Ilg et al., ECCV 2018): between the curve of the claimed uncertainty and the
    oracle's, which takes the largest errors away first, over the part of the pixels that is taken away; the error of
    all pixels is 1. 0 where the order is right; above what chance gives where it is reversed, and then without a
    bound of its own."""
    return float((curve - oracle).mean())


def rank_correlation(error: np.ndarray, uncertainty: np.ndarray) -> float:
    """Spearman's; NaN where one of them is the same everywhere."""
    from scipy.stats import spearmanr

    if np.ptp(error) == 0 or np.ptp(uncertainty) == 0:
        return float("nan")
    return float(spearmanr(error, uncertainty).statistic)


def deviations(error: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square of the spread, and of the error, of ten parts of the pixels, from the smallest spread to the
    largest, equally many in each."""
    parts = np.array_split(np.argsort(spread, kind="stable"), min(BINS, len(spread)))
    of_spread, of_error = (np.array([np.sqrt(np.square(v[part]).mean()) for part in parts]) for v in (spread, error))
    return of_spread, of_error


def ence(of_spread: np.ndarray, of_error: np.ndarray) -> float:
    """Expected normalised calibration error (Levi et al., 2019): the mean over those parts of |spread - error| /
    spread. Both count as LEAST where they are less: in a background that all samples agree on there is neither."""
    spread, error = np.maximum(of_spread, LEAST), np.maximum(of_error, LEAST)
    return float((np.abs(spread - error) / spread).mean())

"""The 95 % interval of one row's own mean, as a page draws it beside the number."""

import pandas as pd

from benchmarks.results import Metric
from benchmarks.tables.statistics import OF_PROBABILITIES, OF_SET, compare, has_scores


def interval_of(scores: pd.DataFrame, metric: Metric) -> tuple[float, float] | None:
    """Of a row's mean over folds, by :func:`benchmarks.tables.statistics.compare`: its difference from a row that has
    the same score whichever patients are drawn (0 in every image; a classifier that is always right). None where there
    are too few patients, a score that is not finite, or one number of a whole set."""
    if metric.pooling == OF_SET or not has_scores(scores, metric):
        return None
    classifies = metric.pooling in OF_PROBABILITIES
    fixed = {"probability": scores["label"].astype(float)} if classifies else {metric.name: 0.0}
    found = compare(scores, scores.assign(**fixed), metric)
    return None if found is None else (found.low + classifies, found.high + classifies)

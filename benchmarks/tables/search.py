"""Which row a search chooses, and how sure that is: notes under its table."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.plan import PlannedTable
from benchmarks.results import Metric
from benchmarks.tables.statistics import compare, has_scores, over_runs


def ranked(table: PlannedTable, metric: Metric, scores: pd.DataFrame, runs: int) -> list[str]:
    """The candidates whose ``runs`` are all finished and have a score, the best first; ``scores`` are those of one
    column of the table."""
    own = {row: scores[scores["row"] == row] for row in table.candidates}
    found = {row: over_runs(scores, metric) for row, scores in own.items() if has_scores(scores, metric)}
    means = {row: mean for row, (mean, _, _, done) in found.items() if done == runs and np.isfinite(mean)}
    return sorted(means, key=lambda row: -means[row] if metric.higher_is_better else means[row])


def search_notes(table: PlannedTable, metric: Metric, of_columns: dict[str, pd.DataFrame], runs: int) -> Iterator[str]:
    """What it was scored on and which row is the best, of each column of the table ("" where it has none)."""
    direction, chosen = "higher" if metric.higher_is_better else "lower", False
    for column, scores in of_columns.items():
        head = f"Search, {column}" if column else "Search"
        order = ranked(table, metric, scores, runs)
        if not order:
            yield f"{head}: no row is finished and has a {metric.name}; nothing is chosen yet."
            continue
        chosen = True
        yield (
            f"{head}: scored on {_patients(scores)}, on no test patient, to choose by {metric.name}, {direction} is "
            f"better. {_best(metric, scores, order)}"
        )
        waiting = len(table.candidates) - len(order)
        if waiting:
            yield f"{head}: {waiting} of {len(table.candidates)} rows are not finished or have failed, and no choice."
    if chosen:
        yield "The best is chosen on the patients that it is scored on, so its score is no result: test it on others."


def _patients(scores: pd.DataFrame) -> str:
    """How many patients were scored, or of several folds the fewest and the most."""
    counts = sorted(set(scores.groupby("fold")["patient"].nunique()))
    a_fold = " a fold" if scores["fold"].nunique() > 1 else ""
    return f"{' to '.join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))} validation patients{a_fold}"


def _best(metric: Metric, scores: pd.DataFrame, order: list[str]) -> str:
    one, *others = order
    own = {row: scores[scores["row"] == row] for row in order[:2]}
    text = f"The best row is '{one}' ({metric.name} {over_runs(own[one], metric)[0]:.{metric.digits}f})"
    if not others:
        return f"{text}, and the only one."
    found = compare(own[one], own[others[0]], metric)
    if found is None:
        return f"{text}, before '{others[0]}'; there are too few patients for an interval."
    low, difference, high = (f"{value:+.{metric.digits}f}" for value in (found.low, found.difference, found.high))
    sure = ", which has 0 in it: they are not told apart" if found.low <= 0 <= found.high else ""
    return f"{text}; to the second, '{others[0]}', {difference}, 95 % interval {low} to {high}{sure}."

"""The numbers of one task that an overview shows: of each a value a row."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from benchmarks.analyses.base import ASPECTS, Headline
from benchmarks.overview.settings import Task
from benchmarks.plan import PlannedTable
from benchmarks.results import Metric, Results
from benchmarks.tables.statistics import OF_SET, has_scores, over_runs

TRAINING = "training"
AUC = Metric("AUC", pooling="AUC", digits=3)


def numbers_of(results: Results, task: Task, of_analyses: Iterable[Headline]) -> list[Headline]:
    """Quality first, then what it is good for, faithfulness and cost, as far as they were measured; of rows whose runs
    are all finished. ``of_analyses`` are the headlines of its table."""
    table = results.plan.tables[task.table]
    metric = results.metrics(table.key)[task.quality]
    quality = _scored(results, table, metric, task.column)
    found = [Headline(metric.name, "quality", quality, metric.higher_is_better, metric.digits, metric.unit)]
    if task.diagnosis:
        classifiers = results.plan.tables[task.diagnosis]
        areas = _scored(results, classifiers, AUC, next(iter(classifiers.columns), ""))
        found.append(Headline("diagnosis AUC", "downstream", _of_rows(table, areas), True, AUC.digits))
    found += of_analyses
    if not any(own.name == TRAINING for own in found):  # of a table that does not ask for costs
        found.append(Headline(TRAINING, "cost", _training(results, table), False, 0, "s"))
    return sorted((headline for headline in found if headline.values), key=lambda own: ASPECTS.index(own.aspect))


def scores_by_patient(results: Results, task: Task) -> pd.DataFrame:
    """A row a patient, a column a method whose runs are all finished: its score by the task's metric, mean over the
    patient's images and over folds and seeds. Empty for a metric that is one number of a whole set."""
    table = results.plan.tables[task.table]
    metric, scores = results.metrics(table.key)[task.quality], _of_column(results, table, task.column)
    done = [row for row in _scored(results, table, metric, task.column) if row in table.candidates]
    if metric.pooling == OF_SET or not done:
        return pd.DataFrame()
    scores = scores[scores["row"].isin(done)]
    by_image = scores.pivot_table(metric.name, ["patient", "id"], "row", aggfunc="mean")
    return by_image.groupby("patient").mean()[done].dropna()


def _scored(results: Results, table: PlannedTable, metric: Metric, column: str) -> dict[str, float]:
    """The mean over runs of every row whose runs are all there."""
    scores, runs = _of_column(results, table, column), results.planned_runs(table.key)
    own = {row: scores[scores["row"] == row] for row in table.rows} if len(scores) else {}
    found = {row: over_runs(of_row, metric) for row, of_row in own.items() if has_scores(of_row, metric)}
    return {row: mean for row, (mean, _, _, done) in found.items() if done == runs and np.isfinite(mean)}


def _of_column(results: Results, table: PlannedTable, column: str) -> pd.DataFrame:
    scores = results.scores(table.key)
    return scores[scores["column"] == column] if column and len(scores) else scores


def _training(results: Results, table: PlannedTable) -> dict[str, float]:
    """Seconds, mean over runs, and over the sets that a row is trained on."""
    found: dict[str, list[float]] = {}
    for cell, folder in results.finished(table.key):
        if budget := folder.budget:
            found.setdefault(cell.row, []).append(budget["training"])
    return {row: float(np.mean(seconds)) for row, seconds in found.items()}


def _of_rows(table: PlannedTable, values: dict[str, float]) -> dict[str, float]:
    return {row: values[row] for row in table.rows if row in values}

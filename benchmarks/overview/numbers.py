"""The numbers of one task that an overview shows: of each a value a row."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.analyses.base import ASPECTS, Headline
from benchmarks.overview.settings import Task
from benchmarks.plan import PlannedTable
from benchmarks.results import Metric, Results
from benchmarks.tables.statistics import OF_SET, by_patient, has_scores, over_runs

TRAINING = "training"
AUC = Metric("AUC", pooling="AUC", digits=3)


def numbers_of(results: Results, task: Task, headlines: Mapping[str, list[Headline]]) -> list[Headline]:
    """Quality first, then what it is good for, faithfulness and cost, as far as they were measured; of rows whose runs
    are all finished. ``headlines`` are those of the analyses by table."""
    table = results.plan.tables[task.table]
    metric = results.metrics(table.key)[task.quality]
    quality = _scored(results, table, metric, task.column)
    found = [Headline(metric.name, "quality", quality, metric.higher_is_better, metric.digits, metric.unit)]
    if task.diagnosis:
        found += _of_diagnosis(results, table, results.plan.tables[task.diagnosis], headlines)
    found += [own for own in headlines.get(table.key, ()) if own.column in ("", task.column)]
    if not any(own.name == TRAINING for own in found):  # of a table that does not ask for costs
        found.append(Headline(TRAINING, "cost", results.mean_budget(table.key, "training"), False, 0, "s"))
    found = [_of_rows(own, _complete(results, table.key)) for own in found]
    return sorted((own for own in found if own.values), key=lambda own: ASPECTS.index(own.aspect))


def _of_diagnosis(
    results: Results, table: PlannedTable, classifiers: PlannedTable, headlines: Mapping[str, list[Headline]]
) -> list[Headline]:
    """What classifiers of a table's translations come to, in their first column."""
    column = next(iter(classifiers.columns), "")
    areas = Headline("diagnosis AUC", "downstream", _scored(results, classifiers, AUC, column), True, AUC.digits)
    others = (own for own in headlines.get(classifiers.key, ()) if own.aspect == "downstream")
    found = [areas, *(own for own in others if own.column in ("", column))]
    complete = _complete(results, classifiers.key)
    return [_of_rows(own, [row for row in table.rows if row in complete]) for own in found]


def _complete(results: Results, key: str) -> list[str]:
    """The rows of which no cell is missing."""
    cells = results.cells_of(key)
    missing = {cell.row for cell in cells if not results.cell(cell.hash).finished}
    return [row for row in dict.fromkeys(cell.row for cell in cells) if row not in missing]


def _of_rows(headline: Headline, rows: list[str]) -> Headline:
    return replace(headline, values={row: headline.values[row] for row in rows if row in headline.values})


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
    """Of images, or of patients where these are what the table scores."""
    scores = results.scores(table.key)
    scores = scores[scores["column"] == column] if column and len(scores) else scores
    return by_patient(scores, results.metrics(table.key).values()) if table.per and len(scores) else scores

"""The gallery of a table in the page: single test images, as every row made them, with their scores."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.plan import PlannedTable
from benchmarks.report.album import Shown, TestImage, album
from benchmarks.report.captions import on_choice, on_errors, on_rows, on_scores
from benchmarks.report.choice import worst_best_and_between
from benchmarks.report.pictures import data_uri, is_scaled
from benchmarks.report.samples import Sample, read_sample
from benchmarks.results import Metric, Results
from benchmarks.tables.statistics import OF_PROBABILITIES, OF_SET

MOST = 24  # images of a table
BETTER = {True: 1, False: -1, None: 0}


@dataclass(frozen=True)
class Viewer:
    """What the page's script shows of a table's images, and the lines that stand below.

    ``rows`` are the methods in the order of the table, of which that at ``start`` is shown first; ``metrics`` what
    single images are scored by, each with its ``digits`` and whether more is ``better`` (1), less (-1) or what is
    closer to 0 (0).
    """

    rows: list[str]
    start: int
    metrics: list[dict[str, Any]]
    images: list[Shown]
    notes: list[str]

    @property
    def size(self) -> int:
        """Bytes that its pictures take in the page."""
        return sum(image.size for image in self.images)

    def as_json(self) -> dict[str, Any]:
        images = [image.as_json() for image in self.images]
        return {"rows": self.rows, "start": self.start, "metrics": self.metrics, "images": images}


def make_viewer(results: Results, table: PlannedTable, budget: int) -> Viewer | None:
    """None for a sweep, and where there are no pictures. What would take more than ``budget`` bytes is left out, and
    said to be."""
    images = [] if table.grid else album(results, table)
    metrics = [metric for metric in results.metrics(table.key).values() if _is_of_images(metric, images)]
    wanted = _chosen(table, metrics, images)
    shown = _shown(wanted, metrics, budget)
    if not shown:
        return None
    rows = [row for row in table.rows if any(row in image.made for image in shown)]
    rows.sort(key=lambda row: row in table.ceilings)
    notes = [
        *on_choice(shown, images, wanted, metrics),
        *on_rows([cell.row for cell, _ in results.finished(table.key)], rows),
        *on_scores(shown, metrics),
        on_errors(results, table),
    ]
    described = [{"name": m.name, "digits": m.digits, "better": BETTER[m.higher_is_better]} for m in metrics]
    first = next((row for row in (table.compare, *table.candidates) if row in rows), rows[0])
    return Viewer(rows, rows.index(first), described, shown, notes)


def _is_of_images(metric: Metric, images: list[TestImage]) -> bool:
    scored = any(metric.name in scores for image in images for scores in image.scores.values())
    return scored and metric.pooling not in (OF_SET, *OF_PROBABILITIES)


def _chosen(table: PlannedTable, metrics: list[Metric], images: list[TestImage]) -> list[TestImage]:
    """By the first metric, as many of each column of the table; columns take turns, so that none is left out alone."""
    columns = list(dict.fromkeys(image.column for image in images))
    of_columns = []
    for column in columns:
        own = [image for image in images if image.column == column]
        scores = {
            row: [image.score(row, metric.name) for image in own]
            for row in table.candidates or table.rows
            for metric in metrics[:1]
        }
        ranked = pd.DataFrame(scores, index=range(len(own))).replace([np.inf, -np.inf], np.nan)
        higher = metrics[0].higher_is_better if metrics else True
        of_columns.append([own[place] for place in worst_best_and_between(ranked, higher, MOST // len(columns))])
    return [image for turn in zip_longest(*of_columns) for image in turn if image is not None]


def _shown(wanted: list[TestImage], metrics: list[Metric], budget: int) -> list[Shown]:
    """Those whose pictures can be read, as far as they fit; the first in any case."""
    shown: list[Shown] = []
    spent = 0
    for image in wanted:
        read = {row: read_sample(path) for row, path in image.paths.items()}
        samples = {row: sample for row, sample in read.items() if sample is not None}
        if not samples:
            continue
        one = _embedded(image, samples, metrics)
        spent += one.size
        if shown and spent > budget:
            break
        shown.append(one)
    return shown


def _embedded(image: TestImage, samples: dict[str, Sample], metrics: list[Metric]) -> Shown:
    first = next(iter(samples.values()))
    return Shown(
        image,
        data_uri(first.source),
        data_uri(first.target),
        {row: data_uri(sample.translation) for row, sample in samples.items()},
        {row: data_uri(sample.error) for row, sample in samples.items()},
        {row: [_number(image.score(row, metric.name)) for metric in metrics] for row in image.scores},
        any(is_scaled(sample.translation) for sample in samples.values()),
    )


def _number(score: float) -> float | None:
    return float(f"{score:.6g}") if np.isfinite(score) else None

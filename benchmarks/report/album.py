"""The test images of a table whose pictures are there: what is known of each, and of what every row made of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.plan import PlannedTable
from benchmarks.report.samples import with_samples
from benchmarks.results import Results
from benchmarks.tables.scores import LABELS

CLASSES = {str(number): name for name, number in LABELS.items()}


@dataclass(frozen=True)
class TestImage:
    """``facts`` are what images are filtered by; ``paths`` its pictures and ``scores`` its scores, by row."""

    id: str
    patient: str
    column: str
    facts: dict[str, str]
    paths: dict[str, Path] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def score(self, row: str, metric: str) -> float:
        """NaN where there is none."""
        return float(self.scores.get(row, {}).get(metric, float("nan")))


@dataclass(frozen=True)
class Shown:
    """What the page has of an image: its ``source`` and ``target``, what each row ``made`` of it, and of each row the
    ``errors`` and the ``scores``, one a metric, None where there is none. Pictures are data URIs."""

    of: TestImage
    source: str
    target: str
    made: dict[str, str]
    errors: dict[str, str]
    scores: dict[str, list[float | None]]
    scaled: bool

    @property
    def size(self) -> int:
        """Bytes that its pictures take in the page."""
        return sum(map(len, [self.source, self.target, *self.made.values(), *self.errors.values()]))

    def as_json(self) -> dict[str, Any]:
        told = {"id": self.of.id, "patient": self.of.patient, "facts": self.of.facts}
        pictures = {"source": self.source, "target": self.target, "made": self.made, "errors": self.errors}
        return told | pictures | {"scores": self.scores}


def album(results: Results, table: PlannedTable) -> list[TestImage]:
    """In the order in which they were tested. Of each column and fold those that most rows have: cells of an earlier
    version have kept others. Of several seeds the first is shown."""
    found: dict[tuple[str, int, str], TestImage] = {}
    for cell, folder, column in with_samples(results, table):
        scores = folder.read_scores()
        own = scores[scores["column"] == column] if column else scores
        for line in own.to_dict("records"):
            path = folder.sample(line["id"], column)
            if path.is_file():
                key = (column, cell.fold, line["id"])
                image = found.setdefault(key, TestImage(line["id"], line["patient"], column, _facts(line, key)))
                image.paths[cell.row], image.scores[cell.row] = path, line
    rows = {key: len(image.paths) for key, image in found.items()}
    most = Counter[tuple[str, int]]()
    for (column, fold, _), count in rows.items():
        most[column, fold] = max(most[column, fold], count)
    return [image for (column, fold, name), image in found.items() if rows[column, fold, name] == most[column, fold]]


def _facts(line: dict[str, Any], key: tuple[str, int, str]) -> dict[str, str]:
    column, fold, _ = key
    label = line.get("label", "")
    known = "" if pd.isna(label) or label == "" else str(int(label))
    facts = {
        "class": CLASSES.get(known, known),
        "organ": str(line.get("organ", "")),
        "device": str(line.get("device", "")),
        "tested as": column,
        "fold": str(fold),
    }
    return {name: value for name, value in facts.items() if value}

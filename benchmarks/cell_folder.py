"""What lies in the folder of one cell: its scores, its samples, or why it has none.

Nobody else joins such a path. Nothing here needs torch: tables and reports are made on any machine that holds the
folder.
"""

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.reading import (
    check_numbers,
    check_probabilities,
    damaged,
    read_curves,
    read_images,
    read_json,
    read_whole_images,
    say_left_out,
    with_keys,
)
from datamodules.errors import InputError
from datamodules.tables import csv_text
from datamodules.writers import safe_name, write_atomically, write_text_atomically

FACTS = {"data": str, "task": str, "unit": str, "size": list, "images": dict}  # what tables say of the data, at least
OF_SPLITS = ("id", "patient", "label", "organ", "device", "split")
# In the place of which no folder may be.
FILES = ("done.json", "failed.json", "scores.csv", "metrics.json", "timings.json", "environment.json", "splits.csv")


@dataclass(frozen=True)
class Metric:
    """What a table must know of a metric; see :class:`zoo.metrics.base.Described`, whose classes say it."""

    name: str
    compares: str = "target"
    higher_is_better: bool | None = True
    digits: int = 2
    pooling: str = "mean"
    unit: str = ""


@dataclass(frozen=True)
class CellFolder:
    """Where one cell keeps what it has."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def finished(self) -> bool:
        return (self / "done.json").is_file()

    @property
    def failure(self) -> str | None:
        """Why the cell failed, in one line, or None."""
        if not (self / "failed.json").is_file():
            return None
        try:
            return self._reason
        except InputError:
            return "failed.json is damaged, so why is not known"

    @property
    def _reason(self) -> str:
        return with_keys(self / "failed.json", read_json(self / "failed.json"), {"reason": str})["reason"]

    def mark_failed(self, reason: str, trace: str = "") -> None:
        write_text_atomically(self / "failed.json", json.dumps({"reason": reason, "traceback": trace}, indent=1))

    def clear_failure(self) -> None:
        (self / "failed.json").unlink(missing_ok=True)

    def mark_finished(self, data: dict[str, Any], remark: str) -> None:
        write_text_atomically(self / "done.json", json.dumps({"data": data, "remark": remark}, indent=1))

    def set_aside(self) -> None:
        """Forget that the cell is finished or has failed, so that it is run again."""
        (self / "done.json").unlink(missing_ok=True)
        self.clear_failure()

    @property
    def damage(self) -> str:
        """Which file of a cell that is finished or has failed cannot be read, and why, in one line; "" if all can."""
        try:
            if self.finished:
                self._check()
            elif (self / "failed.json").is_file():
                _ = self._reason
        except InputError as error:
            return str(error)
        return ""

    def _check(self) -> None:
        """Raises InputError for the first file of a finished cell that cannot be read."""
        _ = self.data, self.remark, self.budget, self.environment
        scores = self.read_scores()
        for metric in self.metrics if (self / "metrics.json").is_file() else ():
            columns = ["label", "probability"] if "probability" in scores else [metric.name]
            check_numbers(self / "scores.csv", scores, columns)
        if "probability" in scores:
            check_probabilities(self / "scores.csv", scores)
        _ = self.read_splits() if (self / "splits.csv").exists() else None
        for path in sorted(self.path.glob("*.csv.gz")):
            read_images(path)
        for path in sorted(self.path.glob("*.json")):
            read_json(path, object)

    @property
    def data(self) -> dict[str, Any]:
        """What a table has to say of the data that the scores were measured on."""
        return with_keys(self / "done.json", self._done["data"], FACTS)

    @property
    def remark(self) -> str:
        """What the method has to say beside its name."""
        return self._done["remark"]

    @property
    def _done(self) -> dict[str, Any]:
        read = {"remark": ""} | read_json(self / "done.json")
        return with_keys(self / "done.json", read, {"data": dict, "remark": str})

    def read_scores(self) -> pd.DataFrame:
        """A row an image (and column of the table), a column a metric.

        Raises:
            InputError: the file is not there, or was cut, or is none of scores.
        """
        return read_whole_images(self / "scores.csv", ("id", "patient"))

    def write_scores(self, scores: pd.DataFrame, metrics: Iterable[Metric]) -> None:
        """The scores, and beside them what tables must know of each metric."""
        self.write_metrics(metrics)
        write_text_atomically(self / "scores.csv", csv_text(scores))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """A large one, compressed: ``name`` ends in ``.csv.gz``; :func:`read_images` reads it."""
        write_atomically(self / name, lambda file: file.write(gzip.compress(csv_text(table).encode(), mtime=1)))

    def write_metrics(self, metrics: Iterable[Metric]) -> None:
        known = [asdict(metric) for metric in metrics]
        write_text_atomically(self / "metrics.json", json.dumps(known, indent=1))

    @property
    def metrics(self) -> list[Metric]:
        path = self / "metrics.json"
        if not path.is_file():
            self._add_metrics()
        own = {part.name for part in fields(Metric)}
        try:
            return [Metric(**{name: facts[name] for name in own & set(facts)}) for facts in read_json(path, list)]
        except TypeError as error:
            raise damaged(path, error) from None

    def _add_metrics(self) -> None:
        """Of a cell that was run before these were written."""
        try:
            from benchmarks.run.upgrade import write_metrics
        except ImportError as error:
            raise InputError(
                f"{self.path}: was written by an earlier version, and bringing it up to date needs {error.name}; "
                "remake its tables once where the project is installed whole"
            ) from None
        write_metrics(self)

    def write_text(self, name: str, text: str) -> None:
        """A file for people to read."""
        write_text_atomically(self / name, text)

    @property
    def config(self) -> str:
        """The config that the cell was run with, as YAML; "" where it is not there or cannot be read."""
        try:
            return (self / "config.yaml").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def write_splits(self, splits: pd.DataFrame) -> None:
        write_text_atomically(self / "splits.csv", csv_text(splits))

    def read_splits(self) -> pd.DataFrame:
        """Every column as text. Raises InputError if the file is not there, or was cut, or is none of splits."""
        return read_whole_images(self / "splits.csv", OF_SPLITS, OF_SPLITS)

    def samples(self, column: str = "") -> Path:
        """Where sample pictures lie: of the test set, or of a column of the table."""
        return self / "samples" / (safe_name(column) if column else "")

    def sample(self, image: str, column: str = "") -> Path:
        """The sample picture of the image of that id."""
        return self.samples(column) / f"{safe_name(image)}.png"

    def logs(self) -> list[Path]:
        """The folders of the loggers, one a part of an interrupted training."""
        return sorted(self.path.glob("logs*"))

    def curves(self) -> pd.DataFrame:
        """What the loggers have written, of all parts of an interrupted training; of a damaged part a line is said."""
        parts = []
        for path in (folder / "metrics.csv" for folder in self.logs()):
            try:
                parts += [read_curves(path)] if path.exists() else []
            except InputError as error:
                say_left_out(error)
        return pd.concat([pd.DataFrame(), *parts])

    def write_timings(self, timings: dict[str, Any]) -> None:
        write_text_atomically(self / "timings.json", json.dumps(timings, indent=1))

    @property
    def budget(self) -> dict[str, float]:
        """What the cell was trained with: ``parameters`` that an image passes through, ``updates``, ``training`` in
        seconds; and how many ``passes`` of its networks an image needs. Empty where nothing was trained, and of a cell
        that was run before these were kept."""
        path = self / "timings.json"
        timings = read_json(path) if path.is_file() else {}
        if not timings.get("updates"):
            return {}
        kept = {"parameters": "parameters_in_use", "updates": "updates", "training": "fit_s"}
        with_keys(path, timings, dict.fromkeys(kept.values(), int | float))
        passes = timings.get("evaluations", 1)  # of a cell that was run before these were kept
        return {name: float(timings[key]) for name, key in kept.items()} | {"passes": float(passes)}

    @property
    def seconds(self) -> float:
        """From its start, or from where it last went on, to its end; NaN where that was not kept."""
        path = self / "timings.json"
        total = read_json(path).get("total_s") if path.is_file() else None
        return float(total) if isinstance(total, int | float) else float("nan")

    def write_environment(self, environment: dict[str, str]) -> None:
        write_text_atomically(self / "environment.json", json.dumps(environment, indent=1))

    @property
    def environment(self) -> dict[str, str]:
        path = self / "environment.json"
        return read_json(path) if path.is_file() else {}

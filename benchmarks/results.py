"""What lies in a results folder, and where: the plan, and of each cell its scores, its samples, or why it has none.

Nobody else joins such a path. Nothing here needs torch: tables and reports are made on any machine that holds the
folder.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.plan import Plan, PlannedCell
from benchmarks.vocabulary import BETWEEN
from datamodules.errors import InputError
from datamodules.writers import safe_name, write_text_atomically

TEXT = ("id", "patient", "organ", "device", "column")  # whatever they look like: 1 and 001, NA and null are names


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
        path = self / "failed.json"
        return _read_json(path)["reason"] if path.is_file() else None

    def mark_failed(self, reason: str, trace: str = "") -> None:
        write_text_atomically(self / "failed.json", json.dumps({"reason": reason, "traceback": trace}, indent=1))

    def clear_failure(self) -> None:
        (self / "failed.json").unlink(missing_ok=True)

    def mark_finished(self, data: dict[str, Any], remark: str) -> None:
        write_text_atomically(self / "done.json", json.dumps({"data": data, "remark": remark}, indent=1))

    @property
    def data(self) -> dict[str, Any]:
        """What a table has to say of the data that the scores were measured on."""
        return self._done["data"]

    @property
    def remark(self) -> str:
        """What the method has to say beside its name."""
        return self._done.get("remark", "")

    @property
    def _done(self) -> dict[str, Any]:
        return _read_json(self / "done.json")

    def read_scores(self) -> pd.DataFrame:
        """A row an image (and column of the table), a column a metric."""
        try:
            return read_images(self / "scores.csv")
        except (ValueError, UnicodeDecodeError) as error:
            raise _damaged(self / "scores.csv", error) from None

    def write_scores(self, scores: pd.DataFrame, metrics: Iterable[Metric]) -> None:
        """The scores, and beside them what tables must know of each metric."""
        self.write_metrics(metrics)
        write_text_atomically(self / "scores.csv", scores.to_csv(index=False))

    def write_metrics(self, metrics: Iterable[Metric]) -> None:
        known = [asdict(metric) for metric in metrics]
        write_text_atomically(self / "metrics.json", json.dumps(known, indent=1))

    @property
    def metrics(self) -> list[Metric]:
        path = self / "metrics.json"
        if not path.is_file():
            self._add_metrics()
        own = {part.name for part in fields(Metric)}
        return [Metric(**{name: facts[name] for name in own & set(facts)}) for facts in _read_json(path)]

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

    def write_splits(self, splits: pd.DataFrame) -> None:
        write_text_atomically(self / "splits.csv", splits.to_csv(index=False))

    def read_splits(self) -> pd.DataFrame:
        return pd.read_csv(self / "splits.csv", dtype=str, keep_default_na=False)

    def samples(self, column: str = "") -> Path:
        """Where sample pictures lie: of the test set, or of a column of the table."""
        return self / "samples" / (safe_name(column) if column else "")

    def logs(self) -> list[Path]:
        """The folders of the loggers, one a part of an interrupted training."""
        return sorted(self.path.glob("logs*"))

    def curves(self) -> pd.DataFrame:
        """What the loggers have written, of all parts of an interrupted training."""
        parts = [pd.read_csv(folder / "metrics.csv") for folder in self.logs() if (folder / "metrics.csv").is_file()]
        return pd.concat([pd.DataFrame(), *parts])

    def write_timings(self, timings: dict[str, Any]) -> None:
        write_text_atomically(self / "timings.json", json.dumps(timings, indent=1))

    @property
    def budget(self) -> dict[str, float]:
        """What the cell was trained with: ``parameters`` that an image passes through, ``updates``, and ``training`` in
        seconds. Empty where nothing was trained, and of a cell that was run before these were kept."""
        path = self / "timings.json"
        timings = _read_json(path) if path.is_file() else {}
        if not timings.get("updates"):
            return {}
        kept = {"parameters": "parameters_in_use", "updates": "updates", "training": "fit_s"}
        return {name: float(timings[key]) for name, key in kept.items()}

    def write_environment(self, environment: dict[str, str]) -> None:
        write_text_atomically(self / "environment.json", json.dumps(environment, indent=1))

    @property
    def environment(self) -> dict[str, str]:
        path = self / "environment.json"
        return _read_json(path) if path.is_file() else {}


def checkpoint_of(name: str) -> str:
    """The checkpoint of the cell of that hash, from the results folder on."""
    return CellFolder(Path("cells") / name).checkpoint.as_posix()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: is damaged ({' '.join(str(error).split())[:100]}); remove its folder and run it again")


def read_images(path: Path, text: Iterable[str] = TEXT) -> pd.DataFrame:
    """A table of a row an image. Its columns ``text`` hold what was written, letter by letter; of the others an empty
    cell is NaN."""
    numbers = pd.read_csv(path, nrows=0).columns.difference(list(text))
    empty = {name: ["", "nan"] for name in numbers}
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=empty)


class Results:
    """A results folder: ``out/plan.json``, ``cells/``, ``tables/``, ``figures/`` and ``report.html``.

    Args:
        out: the folder.
        made: where tables, figures and report are written, if not there: it may be another's, and closed.
    """

    def __init__(self, out: Path | str, made: Path | str | None = None) -> None:
        self.out, made = Path(out), Path(made or out)
        self.tables, self.figures, self.report = made / "tables", made / "figures", made / "report.html"
        self.cells = self.out / "cells"

    @property
    def plan_file(self) -> Path:
        return self.out / "plan.json"

    @cached_property
    def plan(self) -> Plan:
        """Raises InputError if this is no results folder."""
        if not self.plan_file.is_file():
            raise InputError(
                f"{self.plan_file}: no such file; name a folder that `python -m benchmarks run` has written"
            )
        try:
            return Plan.from_json(_read_json(self.plan_file))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.plan_file}: not a plan ({error}); `python -m benchmarks run` writes it anew"
            ) from None

    def write_plan(self, plan: Plan) -> None:
        write_text_atomically(self.plan_file, json.dumps(plan.as_json(), indent=1))
        self.__dict__.pop("plan", None)

    def cell(self, name: str) -> CellFolder:
        """The folder of the cell of that hash."""
        return CellFolder(self.cells / name)

    def cells_of(self, key: str) -> list[PlannedCell]:
        """A table's cells in the order of the plan."""
        return [cell for cell in self.plan.cells if cell.table == key]

    def finished(self, key: str) -> list[tuple[PlannedCell, CellFolder]]:
        """A table's cells that have scores, in the order of the plan."""
        found = [(cell, self.cell(cell.hash)) for cell in self.cells_of(key)]
        return [(cell, folder) for cell, folder in found if folder.finished]

    def planned_runs(self, key: str) -> int:
        """How many runs (folds and seeds) a row has."""
        return len({cell.run for cell in self.cells_of(key)})

    def scores(self, key: str) -> pd.DataFrame:
        """The per-image scores of a table's finished cells, with ``row``, ``fold`` and ``seed`` of each."""
        facts = ["row", "fold", "seed", "cell"]
        parts = [
            folder.read_scores().assign(row=cell.row, fold=cell.fold, seed=cell.seed, cell=cell.hash)
            for cell, folder in self.finished(key)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=facts)

    def metrics(self, key: str) -> dict[str, Metric]:
        """A table's metrics by name, as finished cells describe them; what no cell has scored yet by its name alone."""
        return {name: self._described.get(name, Metric(name)) for name in self.plan.tables[key].metrics}

    @cached_property
    def _described(self) -> dict[str, Metric]:
        folders = (self.cell(cell.hash) for cell in self.plan.cells)
        return {metric.name: metric for folder in folders if folder.finished for metric in folder.metrics}

    def remark(self, key: str, row: str) -> str:
        """What a row's method has to say beside its name, once it has run."""
        return next((folder.remark for cell, folder in self.finished(key) if cell.row == row), "")

    def state(self, key: str, row: str, group: str) -> str:
        """Why a row has no number: every one of its cells failed or has not run."""
        train = group.split(BETWEEN)[0] if BETWEEN in group else ""
        folders = [self.cell(c.hash) for c in self.cells_of(key) if (c.row, c.train) == (row, train)]
        if not folders or any(folder.finished for folder in folders):
            return ""
        reasons = [folder.failure for folder in folders if folder.failure]
        return f"failed: {reasons[0]}" if reasons else "not run"

    @property
    def environment(self) -> dict[str, str]:
        """Of the first cell that tells its own."""
        told = (CellFolder(path.parent).environment for path in sorted(self.cells.glob("*/environment.json")))
        return next(told, {})

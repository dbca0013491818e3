"""What lies in a results folder, and where: the plan, and of each cell its folder.

Nobody else joins such a path. Nothing here needs torch: tables and reports are made on any machine that holds the
folder.
"""

import json
import sys
from functools import cached_property
from pathlib import Path
from statistics import fmean

import pandas as pd

from benchmarks.cell_folder import FILES, CellFolder, Metric
from benchmarks.plan import Plan, PlannedCell
from benchmarks.reading import TEXT, read_images, read_json
from benchmarks.vocabulary import BETWEEN
from datamodules.errors import InputError
from datamodules.writers import write_text_atomically

__all__ = ["OF_CLASSIFIERS", "TEXT", "CellFolder", "Metric", "Results", "checkpoint_of", "read_images"]


OF_CLASSIFIERS = ("label", "probability")  # columns of a classifier's scores


def checkpoint_of(name: str) -> str:
    """The checkpoint of the cell of that hash, from the results folder on."""
    return CellFolder(Path("cells") / name).checkpoint.as_posix()


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
            return Plan.from_json(read_json(self.plan_file))
        except (InputError, KeyError, TypeError, AttributeError) as error:
            why = error if isinstance(error, InputError) else f"{self.plan_file}: not a plan ({error})"
            raise InputError(f"{why}; `python -m benchmarks run SUITE --out {self.out}` writes it anew") from None

    @cached_property
    def earlier_plan(self) -> Plan | None:
        """What an earlier run has left; None where there is none or, after a line that says so, it cannot be read."""
        try:
            return self.plan if self.plan_file.is_file() else None
        except InputError as error:
            print(f"{error}; what `--data` it may have held is lost: give it again", file=sys.stderr)
            return None

    def write_plan(self, plan: Plan) -> None:
        write_text_atomically(self.plan_file, json.dumps(plan.as_json(), indent=1))
        self.__dict__.pop("plan", None)

    def check_places(self) -> None:
        """Raises InputError where a file is in the place of a folder, or a folder in that of a file."""
        cells = [*self.cells.iterdir()] if self.cells.is_dir() else []
        folders = [self.out, self.cells, self.tables, self.figures, *(path for path in cells if "." not in path.name)]
        files = [self.plan_file, self.report, *(path / name for path in cells for name in FILES)]
        InputError.raise_for(
            [
                *(f"{path}: is a file, and a folder belongs there; remove it" for path in folders if path.is_file()),
                *(f"{path}: is a folder, and a file belongs there; remove it" for path in files if path.is_dir()),
            ]
        )

    def check_cells(self) -> None:
        """Raises InputError with a line for each finished cell that has a damaged file."""
        cells = {cell.hash: cell for cell in reversed(self.plan.cells) if self.cell(cell.hash).finished}
        InputError.raise_for(
            f"{cell.name}: {damage}; `python -m benchmarks run SUITE --out {self.out}` makes it again"
            for cell in reversed(cells.values())
            if (damage := self.cell(cell.hash).damage)
        )

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
        """The per-image scores of a table's finished cells, with ``row``, ``fold`` and ``seed`` of each; of classifiers
        those of images that have a label and a probability."""
        facts = ["row", "fold", "seed", "cell"]
        parts = [
            folder.read_scores().assign(row=cell.row, fold=cell.fold, seed=cell.seed, cell=cell.hash)
            for cell, folder in self.finished(key)
        ]
        found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=facts)
        if "probability" not in found:
            return found
        return found.dropna(subset=list(OF_CLASSIFIERS)).astype({"label": int}).reset_index(drop=True)

    def metrics(self, key: str) -> dict[str, Metric]:
        """A table's metrics by name, as finished cells describe them; what no cell has scored yet by its name alone."""
        return {name: self._described.get(name, Metric(name)) for name in self.plan.tables[key].metrics}

    @cached_property
    def _described(self) -> dict[str, Metric]:
        folders = (self.cell(cell.hash) for cell in self.plan.cells)
        return {metric.name: metric for folder in folders if folder.finished for metric in folder.metrics}

    def mean_budget(self, key: str, name: str) -> dict[str, float]:
        """One number of a table's budgets by row, mean over the cells that have it; see :attr:`CellFolder.budget`."""
        found: dict[str, list[float]] = {}
        for cell, folder in self.finished(key):
            if name in (budget := folder.budget):
                found.setdefault(cell.row, []).append(budget[name])
        return {row: fmean(values) for row, values in found.items()}

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

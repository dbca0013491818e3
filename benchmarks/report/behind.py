"""What stands behind each row of a table: its config, its runs with their budgets and surroundings, and the command
that remakes it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan import PlannedCell, PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.tables.budget import parameters_text, time_text, updates_text

SUITES = Path(__file__).parent.parent / "suites"
NO_CONFIG = "No config.yaml in the folder of the cell {}: it has not run, or was copied without it."


@dataclass(frozen=True)
class Run:
    """One cell, as text."""

    cell: str
    fold: int
    seed: int
    train: str
    state: str
    parameters: str
    updates: str
    training: str
    environment: str


@dataclass(frozen=True)
class Behind:
    """``config`` is that of the first run; others differ by fold, seed and the set they are trained on."""

    row: str
    config: str
    runs: list[Run]


def behind(results: Results, table: PlannedTable) -> list[Behind]:
    """Of each row, in their order."""
    cells = results.cells_of(table.key)
    return [
        Behind(row, _config(results, own[0]), [_run(cell, results.cell(cell.hash)) for cell in own])
        for row in table.rows
        if (own := [cell for cell in cells if cell.row == row])
    ]


def command(results: Results) -> str:
    """What runs the suite again, with the same data. Of a suite that is not shipped only the file's name is known."""
    suite = results.plan.suite
    shipped = (SUITES / f"{suite}.yaml").is_file()
    words = ["python", "-m", "benchmarks", "run", suite if shipped else f"{suite}.yaml"]
    return shlex.join([*words, *(word for data in results.plan.data for word in ("--data", data))])


def _config(results: Results, cell: PlannedCell) -> str:
    return results.cell(cell.hash).config or NO_CONFIG.format(cell.hash)


def _run(cell: PlannedCell, folder: CellFolder) -> Run:
    budget = folder.budget if folder.finished else {}
    failed = f"failed: {folder.failure}" if folder.failure else "not run"
    return Run(
        cell.hash,
        cell.fold,
        cell.seed,
        cell.train,
        "done" if folder.finished else failed,
        parameters_text(budget["parameters"]) if budget else "",
        updates_text(budget["updates"]) if budget else "",
        time_text(budget["training"]) if budget else "",
        surroundings(folder.environment if folder.finished else {}),
    )


def surroundings(environment: dict[str, str]) -> str:
    """The date to the minute, the device, and the versions."""
    told = {name: str(value) for name, value in environment.items()}
    date = told.pop("date", "")[:16].replace("T", " ")
    device = told.pop("device", "")
    system = told.pop("system", "")
    versions = [f"{name.replace('_', '-')} {version}" for name, version in told.items()]
    return ", ".join(filter(None, [date, device, system, *versions]))

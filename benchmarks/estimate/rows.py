"""The rows of a suite, whose cells take as long as each other, and what is known of them already."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan
from statistics import mean
from typing import Any

from benchmarks.cells import OF_VERSIONS, Cell
from benchmarks.estimate.outlook import Outlook
from benchmarks.results import Results

PLACES = ("fold", "seed")  # of the data, what tells the cells of a row apart
NO_COST = ("evaluation", OF_VERSIONS, "seed_everything")


@dataclass
class Row:
    """A row of a table, of those that are trained on several sets one for each.

    Attributes:
        rank: its place in its table.
        cells: all of them.
        due: those that are to run; one that two rows share is the first one's.
        done: how many have finished.
        outlook: of each of its cells.
    """

    table: str
    name: str
    rank: int
    cells: list[Cell] = field(default_factory=list)
    due: list[Cell] = field(default_factory=list)
    done: int = 0
    outlook: Outlook = Outlook()  # noqa: RUF009 (frozen)

    @property
    def trivial(self) -> bool:
        return self.cells[0].trivial

    @property
    def asks(self) -> bool:
        """Whether its network is to be timed."""
        return bool(self.due) and not self.trivial and not self.outlook.known and not self.outlook.why

    @property
    def seconds(self) -> float:
        """Of all that is to run; NaN where that is not known."""
        return len(self.due) * self.outlook.seconds if self.due else 0.0

    def learn(self, results: Results, device: str) -> None:
        """From the cells that have finished: of those on such a device what they took, from start to end."""
        folders = [results.cell(cell.hash) for cell in self.cells if cell not in self.due]
        done = [own for own in folders if own.finished and not own.damage]
        self.done = len(done)
        here = [own for own in done if own.environment.get("device") == device]
        trained = [(own, budget) for own in here if (budget := own.budget)]
        if self.trivial:
            kept = [own.seconds for own in here if not isnan(own.seconds)]
            self.outlook = Outlook(0, 0, mean(kept) if kept else 0.0)
        elif trained:
            took = mean(max(budget["training"], own.seconds) for own, budget in trained)  # which may be NaN
            _, budget = trained[0]
            self.outlook = Outlook(budget["parameters"], budget["updates"], took)


def rows_of(cells: list[Cell], due: set[str]) -> list[Row]:
    """In the suite's order; ``due`` are the hashes of the cells that are to run."""
    found: dict[tuple[str, str], Row] = {}
    left = set(due)
    for cell in cells:
        name = f"{cell.row} on {cell.train}" if cell.train else cell.row
        rank = sum(table == cell.table for table, _ in found)
        row = found.setdefault((cell.table, name), Row(cell.table, name, rank))
        row.cells.append(cell)
        if cell.hash in left:
            row.due.append(cell)
            left.remove(cell.hash)
    return list(found.values())


def key_of(row: Row, of_grid: set[str]) -> str:
    """The same of all rows whose networks take the same steps; ``of_grid`` are arguments of the model that a table's
    grid varies."""
    config = row.cells[0].config
    model = dict(config["model"].get("init_args", {}))
    plain = {name: value for name, value in model.items() if name not in {"translator", *of_grid}}
    data = {name: value for name, value in config["data"]["init_args"].items() if name not in PLACES}
    rest: dict[str, Any] = {name: value for name, value in config.items() if name not in NO_COST}
    rest |= {"model": [config["model"]["class_path"], plain], "data": [config["data"]["class_path"], data]}
    rest |= {"tests": len(config.get("tests", {}))}
    return json.dumps(rest, sort_keys=True, default=str)


def by_turns(rows: list[Row]) -> Iterator[Row]:
    """The first row of every table, then the second, so that whoever stops early has seen some of each."""
    yield from sorted(rows, key=lambda row: row.rank)

"""The plan of a suite: all that tables and report need to know of it, as it is kept in a results folder."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from benchmarks.file_names import check_file_name
from benchmarks.overview.settings import Task
from benchmarks.vocabulary import Paper, check_kinds


@dataclass(frozen=True)
class PlannedCell:
    """One run of a suite. ``train`` is the set that it is trained on, in a table of sets."""

    table: str
    row: str
    fold: int
    seed: int
    hash: str
    train: str = ""

    @property
    def run(self) -> tuple[int, int]:
        return self.fold, self.seed

    @property
    def name(self) -> str:
        trained = f" on {self.train}" if self.train else ""
        return f"{self.table} / {self.row}{trained}, fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True)
class PlannedTable:
    """What of a suite's table its printing needs; see :class:`benchmarks.vocabulary.Table`.

    ``rows`` are the paper's names of the methods by ours; ``points`` the grid's values by row. ``own_data`` says which
    data were replaced by a user's own; ``left_out`` which columns wait for a folder, and ``flags`` how it is named.
    ``unscored`` says of metrics whose weights were not at hand how to have them. ``analyses`` holds the settings of
    each analysis by its key. ``ceilings`` are the rows that no method is: they stand apart, are never the best and are
    not tested. ``candidates`` are the methods: rows of the suite's own that are neither trivial nor ceilings.
    ``search`` is the metric by which the best of them is chosen, where that is what the table is for. ``budget`` is
    ``free`` where rows are trained on different budgets.
    """

    key: str
    title: str
    metrics: list[str]
    rows: dict[str, str]
    groups: list[str] = field(default_factory=list)
    per: str = ""
    paper: Paper | None = None
    compare: str = ""
    reference: Paper | None = None
    grid: dict[str, list] = field(default_factory=dict)
    points: dict[str, dict] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    own_data: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    ceilings: list[str] = field(default_factory=list)
    unscored: dict[str, str] = field(default_factory=dict)
    analyses: dict[str, Any] = field(default_factory=dict)
    search: str = ""
    candidates: list[str] = field(default_factory=list)
    budget: str = ""

    @classmethod
    def from_json(cls, key: str, given: dict[str, Any]) -> "PlannedTable":
        """What is no field of ours is an analysis' settings."""
        own = {part.name for part in fields(cls)} - {"analyses"}
        known = {name: value for name, value in given.items() if name in own}
        for name in ("paper", "reference"):
            if known.get(name):
                known[name] = Paper.read(f"table '{key}': {name}", known[name])
        check_file_name("table", key)
        check_kinds(f"table '{key}'", known, cls)
        return cls(**known | {"key": key}, analyses={name: given[name] for name in given if name not in own})

    def as_json(self) -> dict[str, Any]:
        plain = asdict(self)
        analyses = plain.pop("analyses")
        return {name: value for name, value in plain.items() if value and name != "key"} | analyses


@dataclass(frozen=True)
class Plan:
    """All that tables and report need to know of a suite. ``data`` are the words of ``--data``, by which a
    user's own data took the place of the suite's; ``overview`` its tasks that are compared over tables."""

    suite: str
    title: str
    tables: dict[str, PlannedTable]
    cells: list[PlannedCell]
    data: list[str] = field(default_factory=list)
    overview: dict[str, Task] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        tables = {key: table.as_json() for key, table in self.tables.items()}
        overview = {name: asdict(task) for name, task in self.overview.items()}
        return {"suite": self.suite, "title": self.title, "data": self.data, "overview": overview, "tables": tables,
                "cells": [asdict(cell) for cell in self.cells]}  # fmt: skip

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Plan":
        tables = {key: PlannedTable.from_json(key, table) for key, table in given["tables"].items()}
        cells = [_cell(cell) for cell in given["cells"]]
        overview = {name: Task.read(f"overview: '{name}'", task) for name, task in given.get("overview", {}).items()}
        plan = cls(given["suite"], given["title"], tables, cells, given.get("data", []), overview)
        check_kinds("plan", {"suite": plan.suite, "title": plan.title, "data": plan.data}, cls)
        return plan


def _cell(given: dict[str, Any]) -> PlannedCell:
    own = {part.name for part in fields(PlannedCell)}
    known = {name: given[name] for name in own & set(given)}
    check_kinds("cell", known, PlannedCell)
    check_file_name("cell", known["hash"])
    return PlannedCell(**known)

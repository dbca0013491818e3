"""A suite YAML becomes what is to be printed, and the cells that are to be run.

What a suite may say is in :mod:`benchmarks.vocabulary`.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.analyses.registry import ANALYSES
from benchmarks.budget import check_budget
from benchmarks.cells import Cell, TableCells
from benchmarks.file_names import check_file_name
from benchmarks.layers import merge, read_yaml
from benchmarks.overview.settings import Task, read_tasks
from benchmarks.own_data import OwnData
from benchmarks.plan import Plan, PlannedTable
from benchmarks.vocabulary import BETWEEN, CEILING, UNTRAINED, Paper, Row, SuiteText, Table
from datamodules.errors import InputError

SUITES = Path(__file__).parent / "suites"


@dataclass
class Suite:
    """What of a suite is to be printed, and every cell that it needs.

    ``left_out`` holds a line for each table, or part of one, whose real images, packages or weights are not at hand;
    ``data`` what a user has put in the place of the suite's data; ``overview`` the tasks that are compared over tables.
    """

    name: str
    title: str
    tables: dict[str, PlannedTable] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    data: Mapping[str, OwnData] = field(default_factory=dict)
    overview: dict[str, Task] = field(default_factory=dict)

    def plan(self) -> Plan:
        words = [word for own in self.data.values() for word in own.words()]
        return Plan(self.name, self.title, self.tables, [cell.planned() for cell in self.cells], words, self.overview)


def suite_file(name: str) -> Path:
    """The file of a suite by name (of those shipped) or by path.

    Raises:
        InputError: there is none, or its name cannot be that of a results folder.
    """
    of_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if of_path else SUITES / f"{name}.yaml"
    if not path.is_file() or (path.parent != SUITES and not of_path):
        known = ", ".join(sorted(file.stem for file in SUITES.glob("*.yaml")))
        raise InputError(f"suite '{name}': no such suite; use one of {known}, or the path of a YAML file")
    check_file_name(f"{path}: suite", path.stem)
    return path


def read_suite(name: str, data: Mapping[str, OwnData] | None = None) -> Suite:
    """Read a suite by name (of those shipped) or by path.

    Args:
        data: a user's own images by the name of the table, set or data module whose place they take; without them,
            the columns and tables that wait for a folder are left out.

    Raises:
        InputError: no such suite, something that a suite cannot say, rows of one table that are trained on different
            budgets, or data for a name that it does not have.
    """
    path, data = suite_file(name), data or {}
    text = SuiteText.read(str(path), read_yaml(path))
    text.check(str(path))
    tables = {key: _read_table(f"{path}: table '{key}'", given) for key, given in text.tables.items()}
    expanded = {key: _with_grid(table) for key, table in tables.items()}
    of_tables = {key: TableCells(path, key, table, data) for key, (table, _) in expanded.items()}
    for cells in of_tables.values():
        for configs in cells.trained_together():
            check_budget(cells.where, cells.table, configs)
    _check_names(path.stem, set().union(*(cells.names() for cells in of_tables.values())), data)
    suite = Suite(path.stem, text.title or path.stem, data=data)
    for key, (table, points) in expanded.items():
        _add(suite, of_tables[key], table, points)
    suite.overview = _at_hand(read_tasks(str(path), text.overview, tables), suite.tables)
    suite.left_out += _unscored(suite.tables)
    if not suite.tables:
        raise InputError(f"{path}: nothing to run: {'; '.join(suite.left_out)}")
    return suite


def _read_table(where: str, given: Any) -> Table:
    if not isinstance(given, dict):
        return Table.read(where, given)
    asked = {key: given[key] for key in ANALYSES if key in given}
    known = {key: value for key, value in given.items() if key not in asked}
    if "analyses" in known:
        raise InputError(f"{where}: unknown key 'analyses'; each stands under its own: {', '.join(ANALYSES)}")
    table = replace(Table.read(where, known), analyses=asked)
    table.check(where)
    for key, settings in asked.items():
        ANALYSES[key].check(where, settings, table)
        if table.search and ANALYSES[key].of_cell(settings) is not None:
            raise InputError(f"{where}: '{key}' is measured on test patients, and a search has none; leave it out")
    for row, settings in table.rows.items():
        Row.read(f"{where}: row '{row}'", settings).check(f"{where}: row '{row}'", table)
    return table


def _check_names(suite: str, names: set[str], data: Mapping[str, OwnData]) -> None:
    InputError.raise_for(
        f"--data {name}={own.root}: the suite '{suite}' has no table or set of that name; it has "
        f"{', '.join(sorted(names))}"
        for name, own in data.items()
        if name not in names
    )


def _add(suite: Suite, cells: TableCells, table: Table, points: dict[str, dict[str, Any]]) -> None:
    """Add a table to the suite, or say why it, or a part of it, is left out."""
    waiting = cells.waiting()
    flags = sorted({f"--data {module}=DIR" for modules in waiting.values() for module in modules})
    how = f"name the folder of images by {' and '.join(flags)}"
    columns = [column for column in table.columns if not set(waiting) & set(column.split(BETWEEN))]
    metrics = [metric for metric in table.metrics if metric not in cells.unscored]
    missing = how if waiting and not columns else _missing_package(table)
    missing = missing or cells.unscored.get(table.search, "")
    missing = missing or ("" if metrics else next(iter(cells.unscored.values())))
    if missing:
        suite.left_out.append(f"table '{cells.key}' is left out; {missing}")
        return
    left_out = [column for column in table.columns if column not in columns]
    table = replace(table, columns=columns)
    for name in _without_columns(table):
        suite.left_out.append(f"'{name}' of table '{cells.key}' is left out; {how}")
        table = replace(table, analyses={key: asked for key, asked in table.analyses.items() if key != name})
    names = cells.names()
    used = {name: own.folder for name, own in suite.data.items() if name in names}
    table, lines = _with_suited_rows(TableCells(cells.path, cells.key, table, cells.data), bool(used))
    suite.left_out.extend(lines)
    cells = TableCells(cells.path, cells.key, table, cells.data)
    suite.cells.extend(cells.cells(suite.cells))
    planned = _planned(cells, points)
    suite.tables[cells.key] = replace(planned, metrics=metrics, own_data=used, left_out=left_out, flags=flags)


def _at_hand(tasks: dict[str, Task], tables: Mapping[str, PlannedTable]) -> dict[str, Task]:
    """The tasks of an overview without those, or what they show of a diagnosis, whose tables are left out."""
    there = {name: task for name, task in tasks.items() if _has(tables, task)}
    return {name: task if task.diagnosis in tables else replace(task, diagnosis="") for name, task in there.items()}


def _has(tables: Mapping[str, PlannedTable], task: Task) -> bool:
    table = tables.get(task.table)
    return table is not None and task.quality in table.metrics and (not task.column or task.column in table.columns)


def _unscored(tables: Mapping[str, PlannedTable]) -> list[str]:
    """A line on each metric whose weights are not at hand."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, table in tables.items():
        for name, what in table.unscored.items():
            found.setdefault((name, what), []).append(f"'{key}'")
    return [
        f"{name} is left out of table{'s' * (len(keys) > 1)} {', '.join(keys)}; {what}"
        for (name, what), keys in found.items()
    ]


def _planned(cells: TableCells, points: dict[str, dict[str, Any]]) -> PlannedTable:
    """What is to be printed of a table; ``points`` are the values of its grid by row."""
    table, by_itself = cells.table, cells.own_rows()
    class_paths = by_itself | {row: settings.get("class_path", "") for row, settings in table.rows.items()}
    return PlannedTable(
        key=cells.key,
        title=table.title or cells.key,
        metrics=table.metrics,
        rows={row: row for row in by_itself}
        | {row: settings.get("paper_method") or row for row, settings in table.rows.items()},
        groups=table.groups,
        per=table.per,
        paper=_paper(table.paper),
        compare=table.compare,
        reference=_paper(table.reference),
        grid=table.grid,
        points=points,
        columns=table.columns,
        ceilings=[row for row, class_path in class_paths.items() if class_path == CEILING],
        unscored=cells.unscored,
        analyses=table.analyses,
        search=table.search,
        candidates=[row for row, class_path in class_paths.items() if class_path not in UNTRAINED.values()],
        budget=table.budget,
    )


def _with_suited_rows(cells: TableCells, has_own_data: bool) -> tuple[Table, list[str]]:
    """The table without rows that a user's own data cannot serve, and a line on each, and on each column that a row
    does without.

    Raises:
        InputError: the suite's own data cannot.
    """
    unsuited = cells.unsuited()
    if not has_own_data:
        InputError.raise_for(f"{cells.where}: {what}: {why}; leave it out" for what, why in unsuited.items())
    rows = {row: settings for row, settings in cells.table.rows.items() if f"row '{row}'" not in unsuited}
    lines = [f"{what} of table '{cells.key}' is left out; {why}" for what, why in unsuited.items()]
    return replace(cells.table, rows=rows), lines


def _missing_package(table: Table) -> str:
    return next((text for name in table.analyses if (text := ANALYSES[name].missing())), "")


def _without_columns(table: Table) -> list[str]:
    """The analyses that ask for columns which are not there."""
    found = []
    for name, settings in table.analyses.items():
        try:
            ANALYSES[name].check("", settings, table)
        except InputError:
            found.append(name)
    return found


def _paper(given: dict[str, Any] | None) -> Paper | None:
    return Paper(**given) if given else None


def _with_grid(table: Table) -> tuple[Table, dict[str, dict[str, Any]]]:
    """Every row once for each point of the grid, and which is which."""
    if not table.grid:
        return table, {}
    rows, points = {}, {}
    for row, settings in table.rows.items():
        for values in itertools.product(*table.grid.values()):
            point = dict(zip(table.grid, values, strict=True))
            name = ", ".join([row, *(f"{key} {value:g}" for key, value in point.items())])
            rows[name] = merge(settings, {"model": point})
            points[name] = point
    return replace(table, rows=rows), points

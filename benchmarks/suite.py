"""A suite YAML becomes cells: method x data x fold x seed, each named by a hash of its resolved config.

What a suite may say is in :mod:`benchmarks.vocabulary`.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.analyses.registry import ANALYSES
from benchmarks.layers import merge
from benchmarks.own_data import OwnData, shared_arguments, wanting
from benchmarks.results import Plan, PlannedCell, PlannedTable
from benchmarks.vocabulary import BETWEEN, EXAMPLE, TRIVIAL, Paper, Row, Table
from datamodules.errors import InputError

SUITES = Path(__file__).parent / "suites"
SECTIONS = ("trainer", "evaluation")


@dataclass(frozen=True)
class Cell:
    """One run: ``config`` is all that determines its result; ``needs`` is the hash of the cell that must run before."""

    table: str
    row: str
    fold: int
    seed: int
    config: dict[str, Any]
    train: str = ""  # the set that it is trained on
    needs: str | None = None

    @property
    def hash(self) -> str:
        text = json.dumps(self.config, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def trivial(self) -> bool:
        return self.row in TRIVIAL

    @property
    def name(self) -> str:
        trained = f" on {self.train}" if self.train else ""
        return f"{self.table} / {self.row}{trained}, fold {self.fold}, seed {self.seed}"

    def planned(self) -> PlannedCell:
        return PlannedCell(self.table, self.row, self.fold, self.seed, self.hash, self.trivial, self.train)


@dataclass(frozen=True)
class Suite:
    """What of a suite is to be printed, and every cell that it needs.

    ``left_out`` holds a line for each table whose real images or packages are not at hand; ``data`` what a user has put
    in the place of the suite's data.
    """

    name: str
    title: str
    tables: dict[str, PlannedTable]
    cells: list[Cell] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    data: Mapping[str, OwnData] = field(default_factory=dict)

    def plan(self) -> Plan:
        words = [word for own in self.data.values() for word in own.words()]
        return Plan(self.name, self.title, self.tables, [cell.planned() for cell in self.cells], words)


def read_suite(name: str, data: Mapping[str, OwnData] | None = None) -> Suite:
    """Read a suite by name (of those shipped) or by path.

    Args:
        data: a user's own images by the name of the table, set or data module whose place they take; without them,
            the columns and tables that wait for a folder are left out.

    Raises:
        InputError: no such suite, a key that a suite does not have, or data for a name that it does not have.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SUITES.glob("*.yaml")))
        raise InputError(f"suite '{name}': no such suite; use one of {known}, or the path of a YAML file")
    text = _read_yaml(path)
    if not isinstance(text.get("tables"), dict) or not text["tables"]:
        raise InputError(f"{path}: has no 'tables'; {EXAMPLE}")
    tables = {key: _read_table(f"{path}: table '{key}'", table) for key, table in text["tables"].items()}
    data = data or {}
    _check_names(path.stem, tables, data)
    reader = _Reader(path, data)
    for key, table in tables.items():
        reader.add(key, table)
    if not reader.planned:
        raise InputError(f"{path}: nothing to run: {'; '.join(reader.left_out)}")
    return Suite(path.stem, text.get("title", path.stem), reader.planned, reader.cells, reader.left_out, data)


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
    for row, settings in table.rows.items():
        Row.read(f"{where}: row '{row}'", settings)
    return table


def _check_names(suite: str, tables: Mapping[str, Table], data: Mapping[str, OwnData]) -> None:
    """Every name must be that of a table without sets, of a set, or of a data module that waits for its folder."""
    names = {key for key, table in tables.items() if not table.sets}
    for table in tables.values():
        sections = [table.data, *table.sets.values()]
        names |= {*table.sets, *(wanting(section) for section in sections)} - {""}
    InputError.raise_for(
        f"--data {name}={own.root}: the suite '{suite}' has no table or set of that name; it has "
        f"{', '.join(sorted(names))}"
        for name, own in data.items()
        if name not in names
    )


class _Reader:
    """Turns tables into cells, one after the other: a classifier may need a cell of an earlier table."""

    def __init__(self, path: Path, data: Mapping[str, OwnData]) -> None:
        self.path, self.data = path, data
        self.planned: dict[str, PlannedTable] = {}
        self.cells: list[Cell] = []
        self.left_out: list[str] = []

    def add(self, key: str, table: Table) -> None:
        waiting = {name for name, section in table.sets.items() if self._waits(name, section)}
        flags = sorted({f"--data {wanting(table.sets[name])}=DIR" for name in waiting})
        columns = [column for column in table.columns if not waiting & set(column.split(BETWEEN))]
        left_out = [column for column in table.columns if column not in columns]
        missing = self._missing(key, table)
        if left_out and not columns:
            missing = f"name the folder of images by {' and '.join(flags)}"
        if missing:
            self.left_out.append(f"table '{key}' is left out; {missing}")
            return
        table, points = _with_grid(table)
        table = replace(table, columns=columns)
        self.cells += _Cells(self, key, table).all()
        rows = {row: settings.get("paper_method") or row for row, settings in table.rows.items()}
        trivial = {} if table.sets else {row: row for row in TRIVIAL}
        used = {name: own.root.name for name, own in self.data.items() if self._uses(key, table, name)}
        self.planned[key] = PlannedTable(
            key, table.title or key, table.metrics, trivial | rows, table.groups, table.per, _paper(table.paper),
            table.compare, _paper(table.reference), table.grid, points, columns, used, left_out, flags, table.analyses,
        )  # fmt: skip

    def _missing(self, key: str, table: Table) -> str:
        """Why the table cannot be run: its images are not at hand, or a package is not installed."""
        if self._waits(key, table.data):
            return f"name the folder of images by --data {wanting(table.data)}=DIR"
        return next((text for name in table.analyses if (text := ANALYSES[name].missing())), "")

    def _waits(self, name: str, section: dict[str, Any]) -> bool:
        module = wanting(section)
        return bool(module) and name not in self.data and module not in self.data

    def _uses(self, key: str, table: Table, name: str) -> bool:
        modules = {wanting(section) for section in (table.data, *table.sets.values())}
        return name in table.sets or name in modules or (name == key and not table.sets)

    def data_of(self, name: str, section: dict[str, Any]) -> dict[str, Any]:
        """A table's or a set's data section, with a user's own data in it where there are."""
        own = self.data.get(name)
        if section["init_args"].get("root", "") is None:
            own = own or self.data[section["class_path"].rpartition(".")[2]]
            return own.fill(section)
        return section if own is None else own.replace(section)


class _Cells:
    """The cells of one table."""

    def __init__(self, reader: _Reader, key: str, table: Table) -> None:
        self.reader, self.key, self.table = reader, key, table
        self.where = f"{reader.path}: table '{key}'"
        self.runs = list(itertools.product(table.folds, table.seeds))
        self.rows = {row: Row.read(f"{self.where}: row '{row}'", given) for row, given in table.rows.items()}

    def all(self) -> Iterator[Cell]:
        return self._of_sets() if self.table.sets else self._of_rows()

    def _of_rows(self) -> Iterator[Cell]:
        configs = {}
        for name, row in self.rows.items():
            config = self._resolve(row)
            configs[name] = config | {"data": self.reader.data_of(self.key, config["data"])}
        first = next(iter(configs.values()))
        configs = {name: _trivial(class_path, first) for name, class_path in TRIVIAL.items()} | configs
        for fold, seed in self.runs:
            for name, config in configs.items():
                yield Cell(self.key, name, fold, seed, _placed(config, fold, seed))

    def _of_sets(self) -> Iterator[Cell]:
        """A row is trained once a set, and tested on every set that a column asks for."""
        for (fold, seed), (name, row) in itertools.product(self.runs, self.rows.items()):
            base = _placed(self._resolve(row), fold, seed)
            needs = self._translator(name, row, fold, seed)
            if needs is not None:
                checkpoint = f"cells/{needs}/checkpoints/last.ckpt"
                base = merge(base, {"model": {"init_args": {"translator": checkpoint}}})
            columns = [column for column in self.table.columns if row.columns is None or column in row.columns]
            for train in dict.fromkeys(column.split(BETWEEN)[0] for column in columns):
                tested = [column for column in columns if column.split(BETWEEN)[0] == train]
                tests = {column: self._data_of(base, column.split(BETWEEN)[1]) for column in tested}
                config = base | {"data": self._data_of(base, train), "tests": tests}
                yield Cell(self.key, name, fold, seed, config, train, needs)

    def _translator(self, name: str, row: Row, fold: int, seed: int) -> str | None:
        """The hash of the cell whose translations a classifier sees."""
        if not row.translator:
            return None
        wanted = (*(part.strip() for part in row.translator.split("/")), fold, seed)
        for cell in self.reader.cells:
            if (cell.table, cell.row, cell.fold, cell.seed) == wanted:
                return cell.hash
        raise InputError(
            f"{self.where}: row '{name}': translator '{row.translator}' is no 'table / row' above it with "
            f"fold {fold} and seed {seed}; correct it"
        )

    def _data_of(self, base: dict[str, Any], name: str) -> dict[str, Any]:
        return self.reader.data_of(name, _with_data(base["data"], self.table.sets[name]))

    def _resolve(self, row: Row) -> dict[str, Any]:
        """The method's own config with the table's and then the row's settings laid over it."""
        for folder in (self.reader.path.parent, Path.cwd() / "configs", _shipped_configs()):
            if (folder / row.config).is_file():
                resolved = _read_yaml(folder / row.config)
                break
        else:
            raise InputError(f"{self.where}: config '{row.config}' does not exist; name a file of configs/")
        resolved.pop("tiny", None)
        for layer in (self.table, row):
            resolved["data"] = _with_data(resolved["data"], layer.data)
            resolved["model"] = merge(resolved["model"], {"init_args": layer.model})
            for section in SECTIONS:
                resolved[section] = merge(resolved.get(section, {}), getattr(layer, section))
        resolved["trainer"].pop("logger", None)
        if row.class_path:
            resolved["model"] = {"class_path": row.class_path}
        of_cell = {key: ANALYSES[key].of_cell(settings) for key, settings in self.table.analyses.items()}
        return resolved | {key: settings for key, settings in of_cell.items() if settings is not None}


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


def _with_data(section: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The data section with a table's or a set's own laid over it, which may name another data module."""
    arguments = dict(over)
    class_path = arguments.pop("class_path", section["class_path"])
    own = section["init_args"]
    if class_path != section["class_path"]:
        own = {key: value for key, value in own.items() if key in shared_arguments()}
    return {"class_path": class_path, "init_args": merge(own, arguments)}


def _shipped_configs() -> Path:
    return Path(__file__).parent.parent / "configs"


def _trivial(class_path: str, like: dict[str, Any]) -> dict[str, Any]:
    data = {key: value for key, value in like["data"]["init_args"].items() if key not in ("batch_size", "augmentation")}
    data["batch_size"] = 16
    return {
        "model": {"class_path": class_path},
        "data": {"class_path": like["data"]["class_path"], "init_args": data},
        "evaluation": like["evaluation"],
    }


def _placed(config: dict[str, Any], fold: int, seed: int) -> dict[str, Any]:
    return merge(config, {"seed_everything": seed, "data": {"init_args": {"fold": fold, "seed": seed}}})


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of keys; {EXAMPLE}")
    return content

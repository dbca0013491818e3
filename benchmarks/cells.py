"""The cells of one table: every row's own config with all that is laid over it, for every fold, seed and set."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.analyses.registry import ANALYSES
from benchmarks.layers import SECTIONS, merge, read_config
from benchmarks.own_data import OwnData, class_name, has_pairs, is_simulated, shared_arguments, wanting
from benchmarks.plan import PlannedCell
from benchmarks.results import checkpoint_of
from benchmarks.vocabulary import BETWEEN, CEILING, ON_PAIRS, UNTRAINED, Row, Table
from datamodules.errors import InputError
from datamodules.phantom import VERSION
from zoo.weights import ON_TRUNKS

WHY = {
    CEILING: "what a perfect method would make of real images is not known",
    ON_PAIRS: "it is fitted on pairs, and there are none to train on",
}
# Of what is no longer what it was under the same config: images, splits, a network, a preset, a step.
VERSIONS = {"PhantomDataModule": VERSION, "BUSI": 2, "LPIPS": 2, "matched": 3, "HSCT": 2}
OF_VERSIONS = "versions"  # of these, in a cell's config
TESTED = "test_split"  # which split a test reads; of a search the validation patients


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
        """Whether it takes next to no time."""
        return self.config["model"]["class_path"] in UNTRAINED.values()

    @property
    def name(self) -> str:
        return self.planned().name

    def planned(self) -> PlannedCell:
        return PlannedCell(self.table, self.row, self.fold, self.seed, self.hash, self.train)


class TableCells:
    """A table with its rows resolved and a user's own data in their places.

    Args:
        path: of the suite; configs may stand beside it.
        key: the table's name in it.
        data: a user's own, by name.

    Attributes:
        unscored: metrics that rows ask for and whose weights are not on this machine, and what to do; no row has them.

    Raises:
        InputError: a row's config does not exist.
    """

    def __init__(self, path: Path, key: str, table: Table, data: Mapping[str, OwnData]) -> None:
        self.path, self.key, self.table, self.data = path, key, table, data
        self.where = f"{path}: table '{key}'"
        self.rows = {name: Row.read(f"{self.where}: row '{name}'", given) for name, given in table.rows.items()}
        self.resolved = {name: self._resolve(row) for name, row in self.rows.items()}
        self.unscored = self._leave_out_unscored()
        self._check_splits()

    def _check_splits(self) -> None:
        """Raises InputError where data sections name the split that is tested, or a search has none to be scored on."""
        of_rows = [config["data"]["init_args"] for config in self.resolved.values()]
        for section in [*of_rows, *self.table.sets.values(), *(own.arguments for own in self.data.values())]:
            if TESTED in section:
                raise InputError(f"{self.where}: data: {TESTED} is what 'search: METRIC' sets; write that in its place")
            fractions = section.get("fractions")
            if self.table.search and isinstance(fractions, list) and fractions[1:2] == [0]:
                raise InputError(
                    f"{self.where}: search is scored on validation patients, and the fractions {fractions} "
                    "leave none; give them a part"
                )

    def _leave_out_unscored(self) -> dict[str, str]:
        """Nothing is downloaded here. A cell without the metric is what it is where nobody asks for it."""
        found = {}
        for metric, config in itertools.product(ON_TRUNKS, self.resolved.values()):
            if how := metric.missing(config["evaluation"]):
                found[metric] = how
        for metric, config in itertools.product(found, self.resolved.values()):
            kept = {key: value for key, value in config["evaluation"].items() if key not in metric.keys}
            config["evaluation"] = kept
        return {metric.name: how for metric, how in found.items()}

    def modules(self) -> dict[str, set[str]]:
        """The data modules whose folder has to be given, by the set (or table) whose data they are."""
        found: dict[str, set[str]] = {name: set() for name in self.table.sets or [self.key]}
        for config, name in itertools.product(self.resolved.values(), found):
            section = self._of_set(config, name) if self.table.sets else config["data"]
            found[name] |= {wanting(section)} - {""}
        return found

    def names(self) -> set[str]:
        """What a user's own data may be called here."""
        return {self.key, *self.table.sets}.union(*self.modules().values())

    def waiting(self) -> dict[str, set[str]]:
        """The same as :meth:`modules`, of those whose folder is not given."""
        return {
            name: modules - set(self.data)
            for name, modules in self.modules().items()
            if not {name, self.key} & set(self.data) and modules - set(self.data)
        }

    def cells(self, earlier: list[Cell]) -> Iterator[Cell]:
        """For a classifier, ``earlier`` are the cells of the tables above."""
        return self._of_sets(earlier) if self.table.sets else self._of_rows()

    def trained_together(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The configs of the rows that are compared, by name: all, or of each set those that are trained on it."""
        if not self.table.sets:
            yield self.resolved
        for train in dict.fromkeys(column.split(BETWEEN)[0] for column in self.table.columns):
            yield {
                name: config | {"data": self._of_set(config, train)}
                for name, config in self.resolved.items()
                if any(column.split(BETWEEN)[0] == train for column in self._asked(name))
            }

    def own_rows(self) -> dict[str, str]:
        """The class paths of the rows that a table without sets has by itself, by name: trivial rows, and a ceiling."""
        if self.table.sets:
            return {}
        data = self._data_of_rows()
        return {name: path for name, path in UNTRAINED.items() if _suits(path, data, data)}

    def unsuited(self) -> dict[str, str]:
        """What the data cannot serve (``row 'x'``, or ``column 'A>B' of row 'x'``), and why: a ceiling of images that
        are not simulated, a fit on pairs without any."""
        found: dict[str, str] = {}
        for name, row in self.rows.items():
            if row.class_path not in WHY:
                continue
            lost = [column for column in self._asked(name) if column not in self.columns_of(name)]
            if self.table.sets:
                whole = len(lost) == len(self._asked(name))
            else:
                data = self._with_own(self.key, self.resolved[name]["data"])
                whole = not _suits(row.class_path, data, data)
            words = [f"row '{name}'"] if whole else [f"column '{column}' of row '{name}'" for column in lost]
            found |= dict.fromkeys(words, WHY[row.class_path])
        return found

    def columns_of(self, name: str) -> list[str]:
        """The columns of a row: those that it names, or all; without those whose data cannot serve it."""
        class_path, config = self.rows[name].class_path, self.resolved[name]
        return [
            column
            for column in self._asked(name)
            if _suits(class_path, *(self._own_of_set(config, side) for side in column.split(BETWEEN)))
        ]

    def _asked(self, name: str) -> list[str]:
        """The columns that a row names, or all."""
        own = self.rows[name].columns
        return [column for column in self.table.columns if own is None or column in own]

    def _data_of_rows(self) -> dict[str, Any]:
        """The data section that trivial rows and ceilings take: the first row's."""
        return self._with_own(self.key, next(iter(self.resolved.values()))["data"])

    def _runs(self) -> list[tuple[int, int]]:
        return list(itertools.product(self.table.folds, self.table.seeds))

    def _of_rows(self) -> Iterator[Cell]:
        configs = {
            name: config | {"data": self._with_own(self.key, config["data"])} for name, config in self.resolved.items()
        }
        first = next(iter(configs.values()))
        added = {name: self._measured(_untrained(path, first)) for name, path in self.own_rows().items()}
        configs = added | configs
        for fold, seed in self._runs():
            for name, config in configs.items():
                yield Cell(self.key, name, fold, seed, _with_version(self._placed(config, fold, seed)))

    def _of_sets(self, earlier: list[Cell]) -> Iterator[Cell]:
        """A row is trained once a set, and tested on every set that a column asks for."""
        for (fold, seed), (name, row) in itertools.product(self._runs(), self.rows.items()):
            base = self._placed(self.resolved[name], fold, seed)
            needs = self._translator(name, row, fold, seed, earlier)
            if needs is not None:
                base = merge(base, {"model": {"init_args": {"translator": checkpoint_of(needs)}}})
            columns = self.columns_of(name)
            for train in dict.fromkeys(column.split(BETWEEN)[0] for column in columns):
                tested = [column for column in columns if column.split(BETWEEN)[0] == train]
                tests = {column: self._own_of_set(base, column.split(BETWEEN)[1]) for column in tested}
                config = base | {"data": self._own_of_set(base, train), "tests": tests}
                yield Cell(self.key, name, fold, seed, _with_version(config), train, needs)

    def _translator(self, name: str, row: Row, fold: int, seed: int, earlier: list[Cell]) -> str | None:
        """The hash of the cell whose translations a classifier sees."""
        if not row.translator:
            return None
        wanted = (*(part.strip() for part in row.translator.split("/")), fold, seed)
        for cell in earlier:
            if (cell.table, cell.row, cell.fold, cell.seed) == wanted:
                return cell.hash
        raise InputError(
            f"{self.where}: row '{name}': translator '{row.translator}' is no 'table / row' above it with "
            f"fold {fold} and seed {seed}; correct it"
        )

    def _placed(self, config: dict[str, Any], fold: int, seed: int) -> dict[str, Any]:
        place = {"fold": fold, "seed": seed} | ({TESTED: "val"} if self.table.search else {})
        return merge(config, {"seed_everything": seed, "data": {"init_args": place}})

    def _of_set(self, config: dict[str, Any], name: str) -> dict[str, Any]:
        return _with_data(config["data"], self.table.sets[name], f"{self.where}: set '{name}'")

    def _own_of_set(self, config: dict[str, Any], name: str) -> dict[str, Any]:
        return self._with_own(name, self._of_set(config, name))

    def _with_own(self, name: str, section: dict[str, Any]) -> dict[str, Any]:
        """A set's (or the table's) data section, with a user's own data in its place where there are."""
        own = self.data.get(name) or self.data.get(self.key)
        module = wanting(section)
        if module:
            return (own or self.data[module]).fill(section)
        return section if own is None else own.replace(section)

    def _resolve(self, row: Row) -> dict[str, Any]:
        """The method's own config with the table's and then the row's settings laid over it."""
        for folder in (self.path.parent, Path.cwd() / "configs", _shipped_configs()):
            if (folder / row.config).is_file():
                resolved = read_config(folder / row.config)
                break
        else:
            raise InputError(f"{self.where}: config '{row.config}' does not exist; name a file of configs/")
        resolved.pop("tiny", None)
        for layer in (self.table, row):
            resolved["data"] = _with_data(resolved["data"], layer.data, self.where)
            resolved["model"] = merge(resolved["model"], {"init_args": layer.model})
            for section in SECTIONS:
                resolved[section] = merge(resolved[section], getattr(layer, section))
        resolved["trainer"].pop("logger", None)
        if row.class_path:
            resolved["model"] = {"class_path": row.class_path}
        if row.class_path in UNTRAINED.values():
            resolved["data"]["init_args"].pop("augmentation", None)
        return self._measured(resolved)

    def _measured(self, config: dict[str, Any]) -> dict[str, Any]:
        """With what the table's analyses measure of a row of that config."""
        asked = self.table.analyses.items()
        of_cell = {key: ANALYSES[key].of_row(settings, config["model"], self.table) for key, settings in asked}
        return config | {key: settings for key, settings in of_cell.items() if settings is not None}


def for_command_line(config: dict[str, Any]) -> dict[str, Any]:
    """A cell's config without what the command line does not know of."""
    return {key: value for key, value in config.items() if key not in ("tests", OF_VERSIONS, *ANALYSES)}


def _with_data(section: dict[str, Any], over: dict[str, Any], where: str) -> dict[str, Any]:
    """The data section with a table's or a set's own laid over it, which may name another data module."""
    arguments = dict(over)
    class_path = arguments.pop("class_path", section["class_path"])
    if not isinstance(class_path, str):
        raise InputError(f"{where}: class_path '{class_path}' is no name of a data module; write it as text")
    own = section["init_args"]
    if class_path != section["class_path"]:
        own = {key: value for key, value in own.items() if key in shared_arguments()}
    return {"class_path": class_path, "init_args": merge(own, arguments)}


def _shipped_configs() -> Path:
    return Path(__file__).parent.parent / "configs"


def _untrained(class_path: str, like: dict[str, Any]) -> dict[str, Any]:
    data = {key: value for key, value in like["data"]["init_args"].items() if key not in ("batch_size", "augmentation")}
    data["batch_size"] = 16
    return {
        "model": {"class_path": class_path},
        "data": {"class_path": like["data"]["class_path"], "init_args": data},
        "evaluation": like["evaluation"],
    }


def _with_version(config: dict[str, Any]) -> dict[str, Any]:
    """Scores that were measured otherwise are not those of this cell."""
    sections = [config["model"], config["data"], *config.get("tests", {}).values()]
    used = {class_name(section) for section in sections} & set(VERSIONS)
    used |= {"LPIPS"} if config.get("evaluation", {}).get("lpips_weights") else set()
    used |= {"matched"} & {config["model"].get("init_args", {}).get("preset")}
    return config | ({OF_VERSIONS: {name: VERSIONS[name] for name in sorted(used)}} if used else {})


def _suits(class_path: str, train: dict[str, Any], test: dict[str, Any]) -> bool:
    """Whether data can serve a row: what its class path asks for is there."""
    if class_path == CEILING:
        return is_simulated(test)
    return class_path != ON_PAIRS or has_pairs(train)

"""What is known to fail before anything of a suite runs: metrics that no row has, folds that the data does not give,
arguments that the command line does not take. Nothing is built or read."""

import json
from argparse import ArgumentError
from collections.abc import Iterable, Iterator
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from benchmarks.analyses.registry import ANALYSES
from benchmarks.budget import default_arguments, find_class
from benchmarks.cells import Cell, for_command_line
from benchmarks.layers import merge
from benchmarks.own_data import DEVICES, PAIRS, class_name, task_of
from benchmarks.plan import PlannedTable
from benchmarks.suite import Suite
from benchmarks.tables.statistics import OF_SET
from datamodules.errors import InputError
from datamodules.splits import check_fold, check_fractions, number_of_folds
from zoo.choices import fault_in
from zoo.cli import SonozooCLI
from zoo.metrics import METRICS
from zoo.translator import Translator

WHY = {
    "label": "it is one of classifiers, and the rows translate",
    "valid": "it is one of a head that tells where a translation may be trusted, and no row has one",
    "source": "nothing is compared with its source in this data, or the rows are classifiers",
    "target": "nothing is compared with a target in this data, or the rows are classifiers",
}
PLACE = ("fold", "seed")  # what tells the cells of a row apart


def check_suite(suite: Suite) -> None:
    """Raises InputError with a line for each fault."""
    known = {*METRICS, *(metric.name for analysis in ANALYSES.values() for metric in analysis.metrics)}
    InputError.raise_for(
        f"table '{key}': metric '{name}' is none of {', '.join(sorted(known))}; correct it"
        for key, table in suite.tables.items()
        for name in table.metrics
        if name not in known
    )
    InputError.raise_for(
        f"table '{key}': search '{table.search}': {why}; name another of its metrics"
        for key, table in suite.tables.items()
        if (why := _unfit_for_search(table.search))
    )
    InputError.raise_for(dict.fromkeys(_arguments(suite.cells)))
    InputError.raise_for(dict.fromkeys(_folds(suite.cells)))
    InputError.raise_for(
        f"table '{key}': no row has the metric '{name}': {why}; leave it out"
        for key, table in suite.tables.items()
        for name, why in _without_rows(table, [cell for cell in suite.cells if cell.table == key])
    )


def _unfit_for_search(name: str) -> str:
    """Why no row can be chosen by a metric; "" where it can, or nothing is asked for."""
    if name not in METRICS:
        return "it is measured by an analysis" if name else ""
    facts = METRICS[name].facts()
    if facts["pooling"] == OF_SET:
        return "it is one number of a whole set, so how sure a choice by it is cannot be said"
    if facts["higher_is_better"] is None:
        return "it has no direction, its best is the closest to 0"
    return "in likeness to the source nothing beats the source itself" if facts["compares"] == "source" else ""


def _without_rows(table: PlannedTable, cells: list[Cell]) -> Iterator[tuple[str, str]]:
    """The metrics that no row of a table can have, and why. What a user's own data has is not known, nor what the
    columns would bring that wait for a folder."""
    if table.own_data or table.left_out:
        return
    for name in table.metrics:
        analyses = [key for key, own in ANALYSES.items() if name in {metric.name for metric in own.metrics}]
        if analyses and not set(analyses) & set(table.analyses):
            yield name, f"it is measured by '{analyses[0]}', which this table does not ask for"
        elif not analyses and not any(_may_have(cell, METRICS[name].compares) for cell in cells):
            yield name, WHY[METRICS[name].compares]


def _may_have(cell: Cell, compares: str) -> bool:
    """Whether a cell's scores can be held against that, as far as its config tells."""
    model = cell.config["model"]
    method = find_class(model["class_path"], ("zoo",))
    if method is None:
        return True
    if not issubclass(method, Translator):
        return compares == "label"
    if compares in ("label", "valid"):
        return compares == "valid" and bool(model.get("init_args", {}).get("confidence"))
    return any(compares in _references(data) for data in _tested(cell))


def _tested(cell: Cell) -> list[dict[str, Any]]:
    """The data sections that a cell is tested on."""
    return list(cell.config.get("tests", {}).values()) or [cell.config["data"]]


def _references(data: dict[str, Any]) -> tuple[str, ...]:
    """What the translations of a data section are compared with; either, where only the data itself can tell."""
    task, arguments = task_of(data), data["init_args"]
    if task is not None:
        return task.test_references or task.references
    if class_name(data) == PAIRS:
        return tuple(arguments.get("references", ("target",)))
    return ("source",) if class_name(data) == DEVICES and not arguments.get("pairs") else ("target", "source")


def _folds(cells: Iterable[Cell]) -> Iterator[str]:
    """Folds that the fractions of the data do not give."""
    for cell in cells:
        for data in (cell.config["data"], *cell.config.get("tests", {}).values()):
            usual = default_arguments(data["class_path"]).get("fractions")
            fractions = data["init_args"].get("fractions", usual)
            if not isinstance(fractions, list | tuple) or len(fractions) != 3:
                continue  # the command line says so, or the class has none
            try:
                check_fractions(tuple(fractions))
                folds = 1 if data["init_args"].get("split_file") else number_of_folds(tuple(fractions))
                check_fold(cell.fold, folds)
            except InputError as error:
                yield f"{_row(cell)}: {error}; correct it"


def _arguments(cells: Iterable[Cell]) -> Iterator[str]:
    """What the command line does not take, of each row."""
    parser, parsed = _Parsing(args={}, run=False).parser, set()
    parser.exit_on_error = False
    for cell in cells:
        for data in (cell.config["data"], *cell.config.get("tests", {}).values()):
            config = cell.config | {"data": data}
            same = merge(config, {"seed_everything": 0, "tests": 0, "data": {"init_args": dict.fromkeys(PLACE, 0)}})
            text = json.dumps(same, sort_keys=True, default=str)
            if text not in parsed and (fault := _fault_of(parser, for_command_line(config))):
                yield f"{_row(cell)}: {fault}"
            parsed.add(text)


def _row(cell: Cell) -> str:
    return f"table '{cell.table}': row '{cell.row}'"


class _Parsing(SonozooCLI):
    """The command line's parser alone: nothing is seeded, parsed or built."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = Namespace(seed_everything=False)

    def instantiate_classes(self) -> None:
        pass


def _fault_of(parser: ArgumentParser, config: dict[str, Any]) -> str:
    try:
        parser.parse_object(config)
    except ArgumentError as error:
        return fault_in(str(error)) or _in_one_line(str(error))
    return ""


def _in_one_line(message: str) -> str:
    """What jsonargparse says on many lines, without the types that it also tried and the whole of what was given."""
    told = message.partition("Given value type:")[0]
    for noise in ("Does not validate against any of the Union subtypes", "Errors:", "- Expected a <class 'NoneType'>"):
        told = told.replace(noise, "")
    lines = (line.strip(" -") for line in told.splitlines() if "Subtypes:" not in line)
    return f"{' '.join(filter(None, lines))}; correct it"

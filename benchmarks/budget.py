"""Whether the rows of a table are trained alike: with as many updates on the same images."""

import inspect
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from benchmarks.vocabulary import Table
from datamodules.errors import InputError

FREE = "free"
# Of the trainer, what decides on the number of updates, with Lightning's own values where nothing is said.
SCHEDULE = {
    "max_epochs": None,
    "max_steps": -1,
    "min_epochs": None,
    "min_steps": None,
    "max_time": None,
    "accumulate_grad_batches": 1,
    "limit_train_batches": 1.0,
    "overfit_batches": 0.0,
    "devices": 1,
    "num_nodes": 1,
    "callbacks": None,  # one may stop early
}
# Of the data, what leaves images and updates as they are. Unpaired data draws the same images, otherwise matched.
IRRELEVANT = ("augmentation", "num_workers", "unpaired", "cache_dir", "fold", "seed", "test_split")


def check_budget(where: str, table: Table, configs: dict[str, dict[str, Any]]) -> None:
    """Compare the rows that are trained, by their resolved ``configs``; nothing is loaded.

    Rows of classifiers are compared like those of translations. Where rows have columns of their own, the sets that
    these name may differ, and only these.

    Raises:
        InputError: two rows differ, and the table does not say ``budget: free``.
    """
    told = [_budget(config) for config in configs.values()]
    if table.budget == FREE or all(budget == told[0] for budget in told):
        return  # as of most suites, without asking classes that import torch
    trained = {row: config for row, config in configs.items() if _is_trained(config["model"]["class_path"])}
    budgets = {row: _budget(config, default_arguments(config["data"]["class_path"])) for row, config in trained.items()}
    first = next(iter(budgets), "")
    for row, budget in budgets.items():
        for key in sorted(budgets[first].keys() | budget.keys(), key=str.lower):
            one, other = budgets[first].get(key, "not set"), budget.get(key, "not set")
            if one != other:
                raise InputError(
                    f"{where}: rows '{first}' and '{row}' are trained on different budgets: {key} is {one} and "
                    f"{other}; give them the same, or say budget: free"
                )


def _budget(config: dict[str, Any], defaults: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """All that decides on which images, and how often, a row is trained; ``defaults`` are the data module's."""
    data, trainer = config["data"], config.get("trainer", {})
    given = {**defaults, "class_path": data["class_path"], **data["init_args"]}
    own = {f"data.{key}": _plain(value) for key, value in given.items() if key not in IRRELEVANT}
    return own | {f"trainer.{key}": trainer.get(key, usual) for key, usual in SCHEDULE.items()}


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def default_arguments(class_path: str) -> dict[str, Any]:
    """What a data module's arguments are where nothing is said, as far as they can be known."""
    owners = getattr(find_class(class_path, ("datamodules",)), "__mro__", (object,))[:-1]
    arguments = [one for owner in reversed(owners) for one in _arguments(owner)]
    return {one.name: one.default for one in arguments if one.default is not inspect.Parameter.empty}


def _arguments(owner: type) -> Iterable[inspect.Parameter]:
    try:
        return inspect.signature(owner).parameters.values()
    except ValueError:  # of a class that is not written in Python
        return ()


def _is_trained(class_path: str) -> bool:
    """Whether a method is; one that cannot be imported is, as far as can be known, and its cell will say why."""
    return getattr(find_class(class_path, ("zoo",)), "trainable", True)


def find_class(class_path: str, packages: tuple[str, ...]) -> Any:
    """The class of that path, or of that name in one of our packages; None where there is none."""
    module, _, name = class_path.rpartition(".")
    for place in (module,) if module else packages:
        try:
            return getattr(import_module(place), name)
        except (ImportError, AttributeError):
            continue
    return None

"""A suite YAML becomes cells: method x data x fold x seed, each named by a hash of its resolved config.

A suite:

    title: Quick
    tables:
      translation:
        title: B-mode to strain image
        metrics: [SSIM, PSNR]          # columns
        groups: [benign, malignant]    # optional: columns by label, beside "overall"
        folds: [0, 1]
        seeds: [0]
        paper: {paper: hsct, table: II, dataset: MTUSI}   # whose numbers stand beside ours
        data: {...}                    # laid over the method's own data section
        trainer: {...}                 # likewise
        rows:
          Pix2Pix: {config: pix2pix.yaml, model: {...}}
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from datamodules.errors import InputError

SUITES = Path(__file__).parent / "suites"
TRIVIAL = ("identity", "mean")
TABLE_KEYS = {"title", "metrics", "groups", "folds", "seeds", "paper", "data", "trainer", "rows", "evaluation"}
ROW_KEYS = {"config", "model", "data", "trainer", "paper_method", "evaluation"}


@dataclass(frozen=True)
class Cell:
    """One run: ``config`` is all that determines its result."""

    table: str
    row: str
    fold: int
    seed: int
    config: dict[str, Any]

    @property
    def hash(self) -> str:
        text = json.dumps(self.config, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def trivial(self) -> bool:
        return self.row in TRIVIAL

    @property
    def name(self) -> str:
        return f"{self.table} / {self.row}, fold {self.fold}, seed {self.seed}"


@dataclass(frozen=True)
class Suite:
    """The tables of a suite as its YAML describes them, and every cell that they need."""

    name: str
    title: str
    tables: dict[str, dict[str, Any]]
    cells: list[Cell] = field(default_factory=list)


def read_suite(name: str) -> Suite:
    """Read a suite by name (of those shipped) or by path.

    Raises:
        InputError: no such suite, or a key that a suite does not have.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SUITES.glob("*.yaml")))
        raise InputError(f"suite '{name}': no such suite; use one of {known}, or the path of a YAML file")
    text = _read_yaml(path)
    tables = text.get("tables")
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{path}: has no 'tables'; see benchmarks/suites/quick.yaml")
    cells = []
    for key, table in tables.items():
        _check_keys(f"{path}: table '{key}'", table, TABLE_KEYS)
        cells += _cells_of_table(path, key, table)
    return Suite(path.stem, text.get("title", path.stem), tables, cells)


def _cells_of_table(path: Path, key: str, table: dict[str, Any]):
    for needed in ("metrics", "rows"):
        if not table.get(needed):
            raise InputError(f"{path}: table '{key}' has no '{needed}'; see benchmarks/suites/quick.yaml")
    rows = table["rows"]
    first = _resolve(path, key, next(iter(rows.values())), table)
    for fold in table.get("folds", [0]):
        for seed in table.get("seeds", [0]):
            for row in TRIVIAL:
                yield Cell(key, row, fold, seed, _placed(_trivial(row, first), fold, seed))
            for row, settings in rows.items():
                _check_keys(f"{path}: row '{row}'", settings, ROW_KEYS)
                yield Cell(key, row, fold, seed, _placed(_resolve(path, key, settings, table), fold, seed))


def _resolve(path: Path, key: str, row: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """The method's own config with the table's and then the row's settings laid over it."""
    config = row.get("config")
    for folder in (path.parent, Path.cwd() / "configs", _shipped_configs()):
        if config and (folder / config).is_file():
            resolved = _read_yaml(folder / config)
            break
    else:
        raise InputError(f"{path}: table '{key}': config '{config}' does not exist; name a file of configs/")
    for layer in (table, row):
        for section in ("data", "model"):
            resolved[section] = merge(resolved[section], {"init_args": layer.get(section, {})})
        for section in ("trainer", "evaluation"):
            resolved[section] = merge(resolved.get(section, {}), layer.get(section, {}))
    resolved["trainer"].pop("logger", None)
    return resolved


def _shipped_configs() -> Path:
    return Path(__file__).parent.parent / "configs"


def _trivial(row: str, like: dict[str, Any]) -> dict[str, Any]:
    data = {key: value for key, value in like["data"]["init_args"].items() if key not in ("batch_size", "augmentation")}
    data["batch_size"] = 16
    return {
        "model": {"class_path": row},
        "data": {"class_path": like["data"]["class_path"], "init_args": data},
        "evaluation": like["evaluation"],
    }


def _placed(config: dict[str, Any], fold: int, seed: int) -> dict[str, Any]:
    return merge(config, {"seed_everything": seed, "data": {"init_args": {"fold": fold, "seed": seed}}})


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it, key by key; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of keys; see benchmarks/suites/quick.yaml")
    return content


def _check_keys(where: str, settings: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(settings) - known)
    InputError.raise_for(f"{where}: unknown key '{key}'; known are {', '.join(sorted(known))}" for key in unknown)

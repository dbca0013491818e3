"""A suite YAML becomes cells: method x data x fold x seed, each named by a hash of its resolved config.

A suite:

    title: Quick
    tables:
      translation:
        title: B-mode to strain image
        metrics: [SSIM, PSNR]          # columns
        groups: [benign, malignant]    # optional: columns by label, beside "overall"
        per: patient                   # optional: score patients, not images; the spread is that over patients
        folds: [0, 1]
        seeds: [0]
        paper: {paper: hsct, table: II, dataset: MTUSI}   # whose numbers stand beside ours
        compare: Pix2Pix               # optional: the row that is tested against all others
        reference: {paper: usenhance_leaderboard, table: final}   # optional: printed rows of others, below ours
        summary: {paper: cyclegan_perceptual, table: 1}           # optional: a table of the images, before this one
        data: {...}                    # laid over the method's own data section
        trainer: {...}                 # likewise
        grid: {lambda_l1: [10, 100]}   # optional: every row once for each combination of these model arguments
        rows:
          Pix2Pix: {config: pix2pix.yaml, model: {...}}
      diagnosis:                       # a table of classifiers has sets to train and to test on
        metrics: [accuracy, F1, AUC]
        sets: {MTUSI: {...}, STUSI: {...}}                # each laid over the data section
        columns: [MTUSI>MTUSI, MTUSI>STUSI]               # train > test
        rows:
          Pix2Pix: {config: diagnosis.yaml, translator: translation / Pix2Pix}   # a row of the table above
          w/ R-EUS: {config: diagnosis.yaml, model: {second: target}, columns: [MTUSI>MTUSI]}
      harmonization:                   # a table of translators may have them too
        sets: {...}
        columns: [patients>patients, patients>test object]
        radiomics: {sets: patients>patients, pairs: patients>test object}    # measure the features of these images
        latent: [A>A, A>B]             # optional: whether these columns' images mix in the latent space, and a t-SNE
        rows:
          original: {config: harmonizer.yaml, baseline: identity}
"""

import hashlib
import inspect
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from benchmarks.analyses.radiomics.extraction import HOW_TO_INSTALL
from datamodules.errors import InputError
from datamodules.ultrasound import UltrasoundDataModule

SUITES = Path(__file__).parent / "suites"
TRIVIAL = ("identity", "mean")
LAYERS = {"data", "model", "trainer", "evaluation"}
TABLE_KEYS = LAYERS | {
    "title", "metrics", "groups", "folds", "seeds", "paper", "compare", "reference", "summary", "grid", "rows", "sets",
    "columns", "radiomics", "per", "latent",
}  # fmt: skip
ROW_KEYS = LAYERS | {"config", "baseline", "paper_method", "translator", "columns"}
SHARED_DATA = set(inspect.signature(UltrasoundDataModule.__init__).parameters) - {"self"}
RADIOMICS = ("bin_width", "wavelet")  # of benchmarks.radiomics.Settings
MEASURED = ("sets", "pairs")  # the columns whose features are compared as sets, and image by image
FOLDERS = ("BUSI", "USenhance")  # data modules whose folder is named when a suite is run
BETWEEN = ">"  # in the name of a column: train > test


@dataclass(frozen=True)
class Cell:
    """One run: ``config`` is all that determines its result; ``needs`` is the hash of the cell that must run before."""

    table: str
    row: str
    fold: int
    seed: int
    config: dict[str, Any]
    train: str = ""  # the set that a classifier is trained on
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


@dataclass(frozen=True)
class Suite:
    """The tables of a suite as its YAML describes them, and every cell that they need.

    ``left_out`` holds a line for each table whose real images are not at hand.
    """

    name: str
    title: str
    tables: dict[str, dict[str, Any]]
    cells: list[Cell] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_suite(name: str, folders: Mapping[str, Path | str] | None = None) -> Suite:
    """Read a suite by name (of those shipped) or by path.

    Args:
        folders: of real images, by the name of their data module (``BUSI``, ``USenhance``); without them, the columns
            and tables that need them are left out.

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
    cells: list[Cell] = []
    kept, left_out = {}, []
    for key, table in tables.items():
        where = f"{path}: table '{key}'"
        _check_table(where, path, table)
        wanting = _wanting(table.get("data", {}), folders or {})
        if wanting:
            left_out.append(f"table '{key}' is left out; name the folder of images by --{wanting.lower()} DIR")
            continue
        if table.get("radiomics") and find_spec("radiomics") is None:
            left_out.append(f"table '{key}' is left out; its features need pyradiomics: {HOW_TO_INSTALL}")
            continue
        kept[key] = table = _with_grid(_with_folders(table, folders or {}))
        cells += _cells_of_sets(where, path, key, table, cells) if "sets" in table else _cells(path, key, table)
    if not kept:
        raise InputError(f"{path}: nothing to run: {'; '.join(left_out)}")
    return Suite(path.stem, text.get("title", path.stem), kept, cells, left_out)


def _check_table(where: str, path: Path, table: dict[str, Any]) -> None:
    _check_keys(where, table, TABLE_KEYS)
    for needed in ("metrics", "rows", *(("columns",) if "sets" in table else ())):
        if not table.get(needed):
            raise InputError(f"{where} has no '{needed}'; see benchmarks/suites/quick.yaml")
    for row, settings in table["rows"].items():
        _check_keys(f"{path}: row '{row}'", settings, ROW_KEYS)
    if table.get("per", "patient") != "patient":
        raise InputError(f"{where}: per '{table['per']}': scores are per patient, or, without this key, per image")
    _check_columns(where, table)
    if table.get("compare", next(iter(table["rows"]))) not in table["rows"]:
        raise InputError(f"{where}: compare '{table['compare']}' is none of its rows; name one")


def _check_columns(where: str, table: dict[str, Any]) -> None:
    """What is said of single columns must name one of the table's."""
    radiomics = table.get("radiomics")
    if radiomics is not None:
        _check_keys(f"{where}: radiomics", radiomics, {*RADIOMICS, *MEASURED})
        InputError.raise_for(
            f"{where}: radiomics has no '{name}'; name a column" for name in MEASURED if name not in radiomics
        )
    named = [*(radiomics[name] for name in MEASURED if radiomics), *(table.get("paper") or {}).get("columns", ())]
    named += table.get("latent", [])
    known = table.get("columns", [])
    InputError.raise_for(
        f"{where}: '{name}' is none of its columns; name one of {', '.join(known)}"
        for name in named
        if name not in known
    )


def trivial_rows(table: dict[str, Any]) -> tuple[str, ...]:
    """Every table of translations has them; a classifier's control is a row of its own."""
    return () if "sets" in table else TRIVIAL


def _with_grid(table: dict[str, Any]) -> dict[str, Any]:
    """Every row once for each point of the grid; ``points`` says which is which."""
    if "grid" not in table:
        return table
    rows, points = {}, {}
    for row, settings in table["rows"].items():
        for values in itertools.product(*table["grid"].values()):
            point = dict(zip(table["grid"], values, strict=True))
            name = ", ".join([row, *(f"{key} {value:g}" for key, value in point.items())])
            rows[name] = merge(settings, {"model": point})
            points[name] = point
    return table | {"rows": rows, "points": points}


def _wanting(data: dict[str, Any], folders: Mapping[str, Path | str]) -> str:
    """The data module whose folder has to be named and is not; "" if there is none."""
    return data["class_path"] if data.get("root", "") is None and data["class_path"] not in folders else ""


def _with_folders(table: dict[str, Any], folders: Mapping[str, Path | str]) -> dict[str, Any]:
    """The folders of real images filled in; the columns of those that are missing left out and said so."""

    def filled(data: dict[str, Any]) -> dict[str, Any]:
        known = data.get("root", "") is None and data["class_path"] in folders
        return data | {"root": str(Path(folders[data["class_path"]]).resolve())} if known else data

    table = table | {"data": filled(table.get("data", {}))}
    if "sets" not in table:
        return table
    wanting = {name: _wanting(data, folders) for name, data in table["sets"].items()}
    columns = [column for column in table["columns"] if not any(wanting.get(name) for name in column.split(BETWEEN))]
    left_out = [column for column in table["columns"] if column not in columns]
    flags = sorted({f"--{name.lower()} DIR" for name in wanting.values() if name})
    filled_sets = {name: filled(data) for name, data in table["sets"].items()}
    return table | {"sets": filled_sets, "columns": columns, "left_out": left_out, "flags": flags}


def _cells(path: Path, key: str, table: dict[str, Any]) -> Iterator[Cell]:
    rows = {row: _resolve(path, key, settings, table) for row, settings in table["rows"].items()}
    first = next(iter(rows.values()))
    configs = {row: _trivial(row, first) for row in TRIVIAL} | rows
    for fold, seed in _runs(table):
        for row, config in configs.items():
            yield Cell(key, row, fold, seed, _placed(config, fold, seed))


def _cells_of_sets(where: str, path: Path, key: str, table: dict[str, Any], earlier: list[Cell]) -> Iterator[Cell]:
    """A classifier is trained once a set, and tested on every set that a column asks for."""
    translators = {(cell.table, cell.row, cell.fold, cell.seed): cell for cell in earlier}
    for (fold, seed), (row, settings) in itertools.product(_runs(table), table["rows"].items()):
        base = _placed(_resolve(path, key, settings, table), fold, seed)
        needs = None
        if "translator" in settings:
            named = tuple(part.strip() for part in settings["translator"].split("/"))
            if (*named, fold, seed) not in translators:
                raise InputError(
                    f"{where}: row '{row}': translator '{settings['translator']}' is no 'table / row' above it with "
                    f"fold {fold} and seed {seed}; correct it"
                )
            needs = translators[*named, fold, seed].hash
            base = merge(base, {"model": {"init_args": {"translator": f"cells/{needs}/checkpoints/last.ckpt"}}})
        columns = [column for column in table["columns"] if column in settings.get("columns", table["columns"])]
        for train in dict.fromkeys(column.split(BETWEEN)[0] for column in columns):
            tested = [column for column in columns if column.split(BETWEEN)[0] == train]
            tests = {column: _data_of(where, base, table, column.split(BETWEEN)[1]) for column in tested}
            config = base | {"data": _data_of(where, base, table, train), "tests": tests}
            yield Cell(key, row, fold, seed, config, train, needs)


def _data_of(where: str, base: dict[str, Any], table: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in table["sets"]:
        raise InputError(f"{where}: its columns name '{name}', which is none of its sets; write train{BETWEEN}test")
    return _with_data(base["data"], table["sets"][name])


def _with_data(section: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The data section with a table's or a set's own laid over it, which may name another data module."""
    arguments = dict(over)
    class_path = arguments.pop("class_path", section["class_path"])
    own = section["init_args"]
    if class_path != section["class_path"]:  # only what every data module takes
        own = {key: value for key, value in own.items() if key in SHARED_DATA}
    return {"class_path": class_path, "init_args": merge(own, arguments)}


def _runs(table: dict[str, Any]) -> list[tuple[int, int]]:
    return list(itertools.product(table.get("folds", [0]), table.get("seeds", [0])))


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
        resolved["data"] = _with_data(resolved["data"], layer.get("data", {}))
        resolved["model"] = merge(resolved["model"], {"init_args": layer.get("model", {})})
        for section in ("trainer", "evaluation"):
            resolved[section] = merge(resolved.get(section, {}), layer.get(section, {}))
    resolved["trainer"].pop("logger", None)
    if "baseline" in row:
        resolved["model"] = {"class_path": row["baseline"]}
    if table.get("latent"):
        resolved["latent"] = table["latent"]
    if table.get("radiomics"):
        resolved["radiomics"] = {key: value for key, value in table["radiomics"].items() if key in RADIOMICS}
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

"""What a suite may say: a suite has tables, a table has rows; every key, what it means, and its check.

This page is the documentation of a suite's YAML; ``benchmarks/suites/quick.yaml`` is an example of most of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from benchmarks.file_names import LONGEST, check_file_name
from datamodules.errors import InputError
from datamodules.writers import safe_name

BETWEEN = ">"  # in the name of a column: train > test
EXAMPLE = "see benchmarks/suites/quick.yaml"
TRIVIAL = {
    "identity": "benchmarks.run.baselines.Identity",
    "mean": "benchmarks.run.baselines.MeanTarget",
    "linear": "benchmarks.run.baselines.Linear",
}
CEILING = "benchmarks.run.baselines.Ceiling"  # what the simulator knows of a perfect method
ON_PAIRS = TRIVIAL["linear"]  # that is fitted on pairs
UNTRAINED = {**TRIVIAL, "ceiling": CEILING}  # rows that are no methods, by the names that they have by themselves
SEEDS = 2**32  # what every generator of random numbers takes


class Vocabulary:
    """A mapping of known keys, read by :meth:`read`; the dataclass that inherits it declares them."""

    @classmethod
    def read(cls, where: str, given: Any) -> Self:
        """The keys of a mapping, each of the declared type.

        Raises:
            InputError: with every key that is unknown, missing or of another type; ``where`` begins each line.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"{where}: {_shown(given)} is not a mapping of keys; {EXAMPLE}")
        known = {part.name: part for part in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(str(key) for key in given if key not in known)
        InputError.raise_for(f"{where}: unknown key '{key}'; known are {', '.join(sorted(known))}" for key in unknown)
        needed = [name for name, part in known.items() if part.default is MISSING and part.default_factory is MISSING]
        InputError.raise_for(f"{where} has no '{name}'; {EXAMPLE}" for name in needed if not given.get(name))
        check_kinds(where, given, cls)
        return cls(**given)


@dataclass(frozen=True)
class Paper(Vocabulary):
    """Whose printed numbers stand beside ours: lines of ``benchmarks/published.csv``.

    Args:
        paper: its name there.
        table: its table, as printed.
        dataset: of that table, the lines of one data set.
        method: of that table, the lines of one method.
        columns: in the place of ``table``, which of the paper's tables stands for which column of ours; where only one
            method of it does, ``{A>B: {table: text, method: ...}}``.
    """

    paper: str
    table: str | int = ""
    dataset: str = ""
    method: str = ""
    columns: dict[str, str | int | dict] = field(default_factory=dict)

    def check(self, where: str) -> None:
        """Raises InputError if what is chosen for a column is no table of a paper."""
        for column, chosen in self.columns.items():
            if isinstance(chosen, dict):
                Paper.read(f"{where}: '{column}'", {"paper": self.paper} | chosen)

    def of_column(self, column: str) -> "Paper":
        """The paper's table that stands for that column."""
        chosen = self.columns[column]
        return Paper(self.paper, **chosen) if isinstance(chosen, dict) else Paper(self.paper, chosen)


@dataclass(frozen=True)
class Row(Vocabulary):
    """A row of a table: a method's own config, with what is laid over it.

    Args:
        config: a file of ``configs/``, or one beside the suite.
        class_path: of a method that stands in the place of the config's, and takes its data: a trivial row or a
            ceiling.
        paper_method: what the paper calls it, if not by the row's name.
        translator: of a classifier: the row of an earlier table whose translations it sees, as ``table / row``.
        columns: of the table's, which it has; all by default.
        data: laid over the config's section of that name, after the table's; likewise ``model``, ``trainer`` and
            ``evaluation``.
    """

    config: str
    class_path: str = ""
    paper_method: str = ""
    translator: str = ""
    columns: list[str] | None = None
    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)

    def check(self, where: str, table: "Table") -> None:
        """Raises InputError if it does not suit its table, or itself."""
        table.check_columns(where, self.columns or ())
        if self.class_path and self.model:
            raise InputError(f"{where}: class_path stands in the place of the config's model; leave out 'model'")


@dataclass(frozen=True)
class Table(Vocabulary):
    """A table of a suite.

    Without ``sets`` it compares translations, and has rows by itself: the trivial ones (``linear`` where the data has
    pairs) and, of phantoms, the ``ceiling``. With ``sets`` and ``columns``, every row is trained once a set and tested
    on all sets that a column asks for, as ``train>test``; such a table may be one of classifiers, and names trivial
    rows and ceilings by ``class_path``.

    Args:
        metrics: its columns.
        rows: by name, in order; see :class:`Row`.
        title: stands above it.
        groups: labels or organs that have columns of their own, beside all images together.
        folds: of the data's split.
        seeds: of the training. A run is a fold and a seed.
        per: ``patient`` scores patients instead of images; the spread is then that over patients.
        paper: whose numbers stand beside ours; see :class:`Paper`.
        compare: the row that is tested against all others.
        reference: printed rows of others, below ours; see :class:`Paper`.
        grid: every row once for each combination of these model arguments: ``{lambda_l1: [10, 100]}``.
        sets: data by name, each laid over the data section.
        columns: of sets, as ``train>test``.
        search: the metric, one of ``metrics``, by which the best row is chosen. Every row is then scored on the
            validation patients, and no test patient is looked at.
        budget: the rows of a table are trained alike, on the same images with as many updates; ``free`` lets them
            differ, and the table says so. See :mod:`benchmarks.budget`.
        data: laid over the data section of every row's config; likewise ``model``, ``trainer`` and ``evaluation``. A
            data module whose ``root`` is null takes its folder from ``run --data NAME=DIR``.
        analyses: what is asked for beyond scores. In the YAML each stands under its own key, beside the others; see
            ``benchmarks/analyses``.
    """

    metrics: list[str]
    rows: dict[str, dict]
    title: str = ""
    groups: list[str] = field(default_factory=list)
    folds: list[int] = field(default_factory=lambda: [0])
    seeds: list[int] = field(default_factory=lambda: [0])
    per: str = ""
    paper: dict | None = None
    compare: str = ""
    reference: dict | None = None
    grid: dict[str, list] = field(default_factory=dict)
    sets: dict[str, dict] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    search: str = ""
    budget: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    analyses: dict[str, Any] = field(default_factory=dict)

    def check(self, where: str) -> None:
        """What single keys cannot know of each other.

        Raises:
            InputError: keys that do not go together; ``where`` begins the line.
        """
        if self.per not in ("", "patient"):
            raise InputError(f"{where}: per '{self.per}': scores are per patient, or, without this key, per image")
        if self.budget not in ("", "free"):
            raise InputError(f"{where}: budget '{self.budget}': write free, or leave it out if rows are trained alike")
        self._check_rows(where)
        self._check_runs(where)
        self._check_columns(where)
        self._check_search(where)
        for name, given in (("paper", self.paper), ("reference", self.reference)):
            if given is not None:
                paper = Paper.read(f"{where}: {name}", given)
                paper.check(f"{where}: {name}")
                self.check_columns(where, paper.columns)

    def _check_rows(self, where: str) -> None:
        if not all(name.strip() for name in self.rows):
            raise InputError(f"{where}: a row has no name; give it one")
        if self.compare and self.compare not in self.rows:
            raise InputError(f"{where}: compare '{self.compare}' is none of its rows; name one")
        if self.compare and self.rows[self.compare].get("class_path") == CEILING:
            raise InputError(f"{where}: compare '{self.compare}' is a ceiling, which is not tested; name a method")
        if not self.sets and (taken := sorted(set(UNTRAINED) & set(self.rows))):
            raise InputError(f"{where}: row '{taken[0]}' is there by itself where the data allow it; leave it out")
        for argument, values in self.grid.items():
            if not values or not all(_is_a(value, float) for value in values):
                raise InputError(f"{where}: grid: {argument} is {values}; list at least one number")
        named = {"metrics": self.metrics, "groups": self.groups}
        named |= {f"grid: {argument}": values for argument, values in self.grid.items()}
        for name, texts in named.items():
            if twice := _twice(texts):
                raise InputError(f"{where}: {name} has '{twice[0]}' twice; name each once")

    def _check_runs(self, where: str) -> None:
        for name, values in (("folds", self.folds), ("seeds", self.seeds)):
            if not values or _twice(values):
                raise InputError(f"{where}: {name} are {values}; name at least one, and each once")
            if not all(0 <= value < SEEDS for value in values):
                raise InputError(f"{where}: {name} are {values}; they are whole numbers from 0 to {SEEDS - 1}")

    def _check_columns(self, where: str) -> None:
        if self.sets and not self.columns:
            raise InputError(f"{where} has no 'columns'; {EXAMPLE}")
        if _twice(self.columns):
            raise InputError(f"{where}: columns are {self.columns}; name each once")
        for name in self.sets:
            if len(name.encode()) > LONGEST:
                raise InputError(f"{where}: set {_shown(name)}: the name is too long; shorten it to {LONGEST} bytes")
        for column in self.columns:
            if column.count(BETWEEN) != 1:
                raise InputError(f"{where}: column '{column}': write train{BETWEEN}test, two of its sets")
            for name in column.split(BETWEEN):
                if name not in self.sets:
                    raise InputError(
                        f"{where}: its columns name '{name}', which is none of its sets; write train{BETWEEN}test"
                    )
        if twice := _twice(safe_name(column).lower() for column in self.columns):
            raise InputError(
                f"{where}: two of its columns would keep their pictures in one folder '{twice[0]}'; rename a set"
            )

    def _check_search(self, where: str) -> None:
        if not self.search:
            return
        if self.search not in self.metrics:
            raise InputError(
                f"{where}: search '{self.search}' is none of its metrics; name one of {', '.join(self.metrics)}"
            )
        for name in ("paper", "reference"):
            if getattr(self, name) is not None:
                raise InputError(
                    f"{where}: '{name}' stands beside scores of test patients, and a search has none; leave it out"
                )

    def check_columns(self, where: str, named: Any) -> None:
        """Raises InputError for names that are none of this table's columns."""
        InputError.raise_for(
            f"{where}: '{name}' is none of its columns; name one of {', '.join(self.columns)}"
            for name in named
            if name not in self.columns
        )


@dataclass(frozen=True)
class SuiteText(Vocabulary):
    """A suite's YAML.

    Args:
        tables: by name, in order; see :class:`Table`.
        title: of the report.
        overview: the tasks that are compared over tables, by name; see :class:`benchmarks.overview.settings.Task`.
    """

    tables: dict[str, dict]
    title: str = ""
    overview: dict[str, dict] = field(default_factory=dict)

    def check(self, where: str) -> None:
        """Raises InputError for names of tables that cannot be those of files, or differ in capitals alone."""
        for name in self.tables:
            check_file_name(f"{where}: table", name)
        if twice := _twice(name.lower() for name in self.tables):
            raise InputError(f"{where}: two tables are called '{twice[0]}' but for capitals; rename one")


def check_kinds(where: str, given: Mapping[str, Any], owner: type) -> None:
    """Raises InputError with a line for each value that is not of the type that ``owner`` declares."""
    types = get_type_hints(owner)
    InputError.raise_for(
        fault for key, value in given.items() for fault in _other_kind(f"{where}: {key}", value, types[key])
    )


def _other_kind(where: str, value: Any, kind: Any) -> list[str]:
    """A line for each part of a value that is not of its declared type."""
    if _is_a(value, kind):
        return []
    inner = get_args(kind)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        names = [
            f"{where}: the name {key} is no text; put it in quotes: '{key}'"
            for key in value
            if not isinstance(key, inner[0])
        ]
        found = (_other_kind(f"{where}: '{key}'", item, inner[1]) for key, item in value.items())
        return [*names, *(fault for faults in found for fault in faults)]
    return [f"{where} is {_shown(value)}, not {_described(kind)}; {EXAMPLE}"]


def _twice(values: Iterable[Any]) -> list[Any]:
    """What is there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def _is_a(value: Any, kind: Any) -> bool:
    """Whether a value read from YAML is of a declared type, its contents included."""
    if kind is Any:
        return True
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is_a(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(_is_a(item, inner[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(isinstance(k, inner[0]) and _is_a(v, inner[1]) for k, v in value.items())
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, kind)


def _described(kind: Any) -> str:
    """A declared type in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return " or ".join(_described(one) for one in inner if one is not NoneType)
    if origin is list:
        return f"a list of {_described(inner[0])}".replace("a list of a ", "a list of ") + "s"
    names = {str: "a text", int: "a number", dict: "a mapping", float: "a number"}
    return names.get(origin or kind, str(kind))


def _shown(value: Any) -> str:
    return "empty" if value is None else f"'{str(value)[:60]}'"

"""The face that every kind of analysis has."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from benchmarks.plan import PlannedTable
from benchmarks.results import CellFolder, Metric, Results
from benchmarks.tables.printing import Entry, Printed
from benchmarks.vocabulary import Table

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from datamodules.batch import Batch
    from datamodules.ultrasound import UltrasoundDataModule
    from zoo.method import Method
    from zoo.output import Output

Scores = dict[str, dict[str, float]]  # of single images: by metric, then by id
ASPECTS = ("quality", "downstream", "faithfulness", "cost")


@dataclass(frozen=True)
class Figure:
    """A drawing ``<name>.svg`` that stands under the printed table of the key ``under``; ``draw`` gives its text."""

    name: str
    under: str
    caption: str
    draw: Callable[[], str]


@dataclass(frozen=True)
class Headline:
    """One number a row that the overview of a suite shows: ``aspect`` is one of :data:`ASPECTS`, ``values`` holds the
    rows that have it; of no direction is "the closest to 0"; ``column`` is the one of the table's that it is of, "" if
    of all."""

    name: str
    aspect: str
    values: dict[str, float]
    higher_is_better: bool | None
    digits: int = 2
    unit: str = ""
    column: str = ""

    @classmethod
    def of_entries(cls, name: str, aspect: str, entries: Iterable[Entry], higher_is_better: bool, digits: int) -> Self:
        """Of the printed entries of one column, of those that have a number."""
        values = {own.row: own.mean for own in entries if not math.isnan(own.mean)}
        return cls(name, aspect, values, higher_is_better, digits)


@dataclass(frozen=True)
class Findings:
    """What is to be printed and drawn of one table of a suite, and which numbers of it the overview shows."""

    tables: list[Printed] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    headlines: list[Headline] = field(default_factory=list)


class Measurement:
    """What an analysis keeps while one cell is tested, column by column, and writes into its folder."""

    def callbacks(self) -> "Sequence[pl.Callback]":
        """What watches the cell's training, if it is trained."""
        return []

    def take(self, column: str, method: "Method", batch: "Batch", output: "Output") -> None:
        """Called for every batch of the test set of ``column`` ("" in a table without columns)."""

    def finish(self, column: str, data: "UltrasoundDataModule") -> Scores:
        """Called once a column is tested; returns further scores of its images."""
        return {}

    def write(self, folder: CellFolder) -> None:
        """Called once all columns are tested."""


class Analysis(ABC):
    """One kind of analysis: which key of a table asks for it, what that key may hold, what it measures in a cell, and
    the tables and figures that it makes of a results folder.

    Attributes:
        key: of a suite's table, and, where it measures something, of its cells' configs.
        metrics: the further scores of single images that its measurement gives.
        comes_first: whether its tables stand before that of the scores.
    """

    key: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]] = ()
    comes_first: ClassVar[bool] = False

    @abstractmethod
    def check(self, where: str, settings: Any, table: Table) -> None:
        """Raises InputError if the key's settings do not suit the table; ``where`` begins each line."""

    def missing(self) -> str:
        """What has to be installed first, and how; "" if nothing."""
        return ""

    def of_cell(self, settings: Any) -> Any:
        """The part of the settings that determines what a cell measures: it becomes a part of the cell's config. None
        where it measures nothing."""
        return None

    def of_row(self, settings: Any, model: dict[str, Any], table: Table) -> Any:
        """The same where it depends on the row, whose ``model`` section this is, or on its table."""
        return self.of_cell(settings)

    def measurement(self, of_cell: Any) -> Measurement:
        """What measures a cell whose config holds ``of_cell``."""
        raise TypeError(f"the analysis '{self.key}' measures nothing in a cell")

    @abstractmethod
    def findings(self, results: Results, table: PlannedTable) -> Findings:
        """The tables and figures of what is finished; called only for tables that ask for it."""

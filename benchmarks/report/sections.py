"""A printed table as the page shows it: columns that can be hidden, cells that can be sorted."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import isfinite

from benchmarks.results import Metric
from benchmarks.tables.printing import OVERALL, Entry, Printed

FITTING = 8  # columns on a screen
METRICS, GROUPS, PAPER, BUDGET = "metrics", "groups", "paper", "budget"
FOLDED = (PAPER, GROUPS)  # kinds that are hidden at first, one after the other, until the others fit
FAILED = "failed"  # what is printed in the place of a number begins with it, and with the reason ends
Place = tuple[str, str]  # of a column: the head, and PAPER for what stands beside it
TOWARDS = {True: "↑", False: "↓", None: "→ 0"}


@dataclass(frozen=True)
class Column:
    """``kind`` is the group of columns that are shown and hidden together; ``towards`` is where good numbers lie."""

    name: str
    group: str
    kind: str
    towards: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class TableCell:
    """``value`` is what it is sorted by, "" where it has no number; ``why`` is a long reason for that."""

    text: str = ""
    spread: str = ""
    value: str = ""
    best: bool = False
    why: str = ""


@dataclass(frozen=True)
class TableRow:
    """``name`` is the suite's, ``label`` the printed one."""

    name: str
    label: str
    apart: bool
    cells: list[TableCell]


@dataclass(frozen=True)
class TableView:
    index: str
    columns: list[Column]
    rows: list[TableRow]

    @property
    def kinds(self) -> dict[str, list[int]]:
        """The places of the columns of each kind."""
        kinds = dict.fromkeys(column.kind for column in self.columns)
        return {kind: [n for n, column in enumerate(self.columns) if column.kind == kind] for kind in kinds}


def view_of(printed: Printed, scored: Collection[str], metrics: dict[str, Metric]) -> TableView:
    """What of :meth:`Printed.wide` a page needs, with the numbers behind the text.

    Args:
        scored: the metrics of a table of scores, whose other columns are its budget; empty for what an analysis prints.
        metrics: whose direction is known, by name.
    """
    places: dict[Place, Column] = {}
    cells: dict[str, dict[Place, TableCell]] = {}
    labels: dict[str, Entry] = {}
    whole = {entry.metric for entry in printed.entries if entry.group == OVERALL}
    for entry in printed.entries:
        labels[entry.label] = entry
        own = cells.setdefault(entry.label, {})
        kind = _kind(entry, scored, whole)
        own[entry.head, ""] = _cell(entry.printed(), entry.mean, entry.best)
        places.setdefault((entry.head, ""), _column(entry, kind, metrics))
        if paper := entry.printed_paper():
            own[entry.head, PAPER] = _cell(paper, entry.paper)
            places.setdefault((entry.head, PAPER), _column(entry, PAPER, {}))
    heads = dict.fromkeys(head for head, _ in places)
    order = [(head, beside) for head in heads for beside in ("", PAPER) if (head, beside) in places]
    rows = [
        TableRow(entry.row, label, entry.apart, [cells[label].get(place, TableCell()) for place in order])
        for label, entry in labels.items()
    ]
    return TableView(printed.index, _folded([places[place] for place in order]), rows)


def _kind(entry: Entry, scored: Collection[str], whole: Collection[str]) -> str:
    if scored and entry.metric not in scored:
        return BUDGET
    return GROUPS if entry.group != OVERALL and entry.metric in whole else METRICS


def _cell(text: str, value: float, best: bool = False) -> TableCell:
    if text.startswith(FAILED):
        return TableCell(FAILED, why=text)
    number, sign, spread = text.partition(" ± ")
    return TableCell(number, sign + spread, repr(float(value)) if isfinite(value) else "", best)


def _column(entry: Entry, kind: str, metrics: dict[str, Metric]) -> Column:
    group = "" if entry.group == OVERALL else entry.group
    if kind == PAPER:
        return Column(entry.metric, f"{group}, paper" if group else PAPER, kind)
    known = metrics.get(entry.metric)
    return Column(entry.metric, group, kind, TOWARDS[known.higher_is_better] if known else "")


def _folded(columns: list[Column]) -> list[Column]:
    for kind in FOLDED:
        if sum(not column.hidden for column in columns) > FITTING:
            columns = [replace(column, hidden=column.hidden or column.kind == kind) for column in columns]
    return columns

"""A table as it is printed: text, Markdown and LaTeX."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables.statistics import RESAMPLES, best

OVERALL = "overall"
TESTS_NOTE = (
    "Differences are means over folds. Seeds of one fold share its patients and are averaged before any test. "
    f"Bootstrap: {RESAMPLES} resamplings of each fold's patients; where a fold has several seeds, the randomness "
    "of training is added from their variance; with one seed it is not covered. t-test: paired over folds, none for a "
    "single one; with few folds it says little. Where patients are scored, t-test and Wilcoxon over them, which do not "
    "cover training. p-values of one kind are adjusted for all tests of this table (Holm), the paper's excepted; the "
    "unadjusted are in the CSV."
)
LATEX = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "±": "$\\pm$",
    "<": "$<$",
    ">": "$>$",
} | {sign: f"\\{sign}" for sign in "&%$#_"}
LABEL = re.compile(r"[^\w.:-]+")  # what cannot be in the name of a LaTeX reference
# What Markdown would take for a mark: always, at the edge of a word, or before what makes it one.
MARKDOWN = re.compile(r"[\\`*|]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|\](?=[(\[])|&(?=#?\w+;)")
NAN = float("nan")


@dataclass(frozen=True)
class Entry:
    """One number of a table, or what stands in its place.

    ``mean`` of ``runs`` out of ``planned`` is printed with ``digits`` and its ``spread``; without runs, ``text`` is.
    ``paper`` is the paper's number beside it. ``best`` prints it in bold. ``apart`` is a ceiling, which no method is:
    never the best.
    """

    row: str
    label: str
    metric: str
    group: str = OVERALL
    text: str = ""
    mean: float = NAN
    std_runs: float = NAN
    std_images: float = NAN
    runs: int = 0
    spread: float = NAN
    planned: int = 0
    paper: float = NAN
    paper_spread: float = NAN
    paper_interval: str = ""
    best: bool = False
    apart: bool = False
    digits: int = 2

    @property
    def head(self) -> str:
        """Of its column."""
        return self.metric if self.group == OVERALL else f"{self.metric}, {self.group}"

    def printed(self) -> str:
        text = self._number(self.mean, self.spread) if self.runs else self.text
        return text + (f" ({self.runs} of {self.planned} runs)" if 0 < self.runs < self.planned else "")

    def printed_paper(self) -> str:
        """The paper's number; "" if it has none."""
        if np.isnan(self.paper):
            return ""
        interval = f" ({self.paper_interval})" if self.paper_interval else ""
        return self._number(self.paper, self.paper_spread) + interval

    def _number(self, value: float, spread: float) -> str:
        text = f"{value:.{self.digits}f}"
        return text if np.isnan(spread) else f"{text} ± {spread:.{self.digits}f}"


def with_best(entries: Iterable[Entry], higher_is_better: bool | None) -> list[Entry]:
    """The entries of one column with the best of them marked."""
    entries = list(entries)
    winners = best({entry.row: entry.mean for entry in entries if not entry.apart}, higher_is_better)
    return [replace(entry, best=entry.row in winners) for entry in entries]


@dataclass(frozen=True)
class Printed:
    """One table: an entry a method and metric and group; ``notes`` stand under it.

    ``tests`` compares one row with all others: a line a metric, group and other row; empty where none is named. Their
    ``digits`` are those of the metrics. ``index`` is the head of the first column. ``files`` are further CSV files by
    name. Entries that stand ``apart`` are named as ceilings, in italics and between rules.
    """

    key: str
    title: str
    entries: list[Entry]
    notes: list[str]
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    digits: dict[str, int] = field(default_factory=dict)
    index: str = "method"
    files: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def cells(self) -> pd.DataFrame:
        """All numbers, a line an entry."""
        return pd.DataFrame([asdict(entry) for entry in self.entries]).drop(columns="digits", errors="ignore")

    def wide(self, bold: str = "{}", apart: str = "{}", escape: Callable[[str], str] = str) -> pd.DataFrame:
        """Text as printed: a row a method, a column a metric (and group), the paper's numbers beside ours. ``bold`` and
        ``apart`` are what the best numbers and the names of ceilings are put into, the only marks in it: every text,
        heads and names included, is escaped before."""
        columns: dict[str, dict[str, str]] = {}
        for entry in self.entries:
            text = escape(entry.printed())
            columns.setdefault(entry.head, {})[entry.label] = bold.format(text) if entry.best else text
            if paper := entry.printed_paper():
                columns.setdefault(f"{entry.head}, paper", {})[entry.label] = escape(paper)
        order = [head + tail for head in columns if not head.endswith(", paper") for tail in ("", ", paper")]
        rows = self._rows()
        wide = pd.DataFrame(columns, index=list(rows)).fillna("")
        wide = wide[[head for head in order if head in wide.columns]]
        wide.columns = pd.Index([escape(head) for head in wide.columns])
        named = {label: escape(label) for label in rows}
        wide.index = pd.Index([apart.format(named[label]) if rows[label] else named[label] for label in rows])
        wide.index.name = escape(self.index)
        return wide

    def _rows(self) -> dict[str, bool]:
        """The labels in order, and whether each stands apart."""
        return {entry.label: entry.apart for entry in self.entries}

    def markdown(self) -> str:
        wide = self.wide("**{}**", "*{}*", _markdown_escape).reset_index()
        notes = "\n".join(f"{_markdown_escape(note)}  " for note in self.notes)
        text = f"### {_markdown_escape(self.title)}\n\n{_markdown(wide)}\n\n{notes}\n"
        if not len(self.tests):
            return text
        tests = self.printed_tests().rename(columns=_markdown_escape).map(_markdown_escape)
        return f"{text}\n{_markdown(tests)}\n\n{TESTS_NOTE}\n"

    def printed_tests(self) -> pd.DataFrame:
        """Text as printed: the differences with their tests."""
        lines = [self._printed_test(test) for test in self.tests.itertuples()]
        printed = pd.DataFrame(lines)
        return printed.loc[:, (printed != "").any()] if lines else printed

    def _printed_test(self, test: Any) -> dict[str, str]:
        digits = self.digits[test.metric]
        return {
            "": f"{test.row} - {test.other}",
            "metric": test.metric if test.group == OVERALL else f"{test.metric}, {test.group}",
            "difference": f"{test.difference:+.{digits}f}",
            "95 % interval": f"{test.low:+.{digits}f} to {test.high:+.{digits}f}",
            "p, bootstrap": _p_value(test.bootstrap_holm),
            "p, t-test": _p_value(test.t_test_holm),
            "p, t-test over patients": _p_value(test.t_test_patients_holm),
            "p, Wilcoxon": _p_value(test.wilcoxon_holm),
            "p, t-test, paper": _p_value(test.paper),
        }

    def latex(self) -> str:
        wide = self.wide("\\textbf{{{}}}", "\\textit{{{}}}", _latex_escape)
        caption = _latex_escape(" ".join([self.title + ".", *self.notes]))
        text = wide.style.to_latex(hrules=True, caption=caption, label=f"tab:{LABEL.sub('_', self.key)}", position="tb")
        return _ruled(text, list(self._rows().values()))


def _ruled(text: str, apart: list[bool]) -> str:
    """A LaTeX table with a rule above and below the rows that stand apart."""
    lines = text.split("\n")
    first = lines.index("\\midrule") + 1
    changes = [row for row in range(1, len(apart)) if apart[row] != apart[row - 1]]
    for row in reversed(changes):
        lines.insert(first + row, "\\midrule")
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _p_value(p: float) -> str:
    if np.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _markdown_escape(text: str) -> str:
    """In one line, and without marks."""
    return MARKDOWN.sub(lambda mark: f"\\{mark[0]}", " ".join(text.split()))


def _latex_escape(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))

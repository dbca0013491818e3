"""A table as it is printed: text, Markdown and LaTeX."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmarks.tables.statistics import RESAMPLES

OVERALL = "overall"
TESTS_NOTE = (
    f"Differences are means over runs. Bootstrap: {RESAMPLES} resamplings of each fold's test patients. t-test: paired "
    "over runs, as the papers do it; with few runs it says little; over patients where these are scored."
)
DIGITS = {
    "patients": 0,
    "pairs": 0,
    "features": 0,
    "Frechet distance": 1,
    "accuracy": 3,
    "F1": 3,
    "AUC": 3,
    "SSIM": 4,
    "LNCC": 4,
    "Dice": 3,
    "LPIPS": 4,
    "MI": 3,
    "MI_source": 3,
}
LATEX = {"±": "$\\pm$", "~": "\\textasciitilde{}", "<": "$<$", ">": "$>$"}


@dataclass(frozen=True)
class Table:
    """One table: ``cells`` holds a row a method and metric and group with its numbers; ``notes`` stand under it.

    ``tests`` compares one row with all others: a line a metric, group and other row; empty where none is named.
    ``index`` is the head of the first column.
    """

    key: str
    title: str
    cells: pd.DataFrame
    notes: list[str]
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    index: str = "method"

    def wide(self, bold: str = "{}") -> pd.DataFrame:
        """Text as printed: a row a method, a column a metric (and group), the paper's numbers beside ours."""
        columns: dict[str, dict[str, str]] = {}
        for cell in self.cells.itertuples():
            head = cell.metric if cell.group == OVERALL else f"{cell.metric}, {cell.group}"
            text = _with_spread(cell.mean, cell.spread, cell.metric) if cell.runs else cell.state
            text += f" ({cell.runs} of {cell.planned} runs)" if 0 < cell.runs < cell.planned else ""
            columns.setdefault(head, {})[cell.label] = bold.format(text) if cell.best else text
            if pd.notna(cell.paper):
                paper = f"{cell.paper:.{_digits(cell.metric)}f}"
                paper += f" ± {cell.paper_spread:.{_digits(cell.metric)}f}" if pd.notna(cell.paper_spread) else ""
                paper += f" ({cell.paper_interval})" if cell.paper_interval else ""
                columns.setdefault(f"{head}, paper", {})[cell.label] = paper
        order = [head + tail for head in columns if not head.endswith(", paper") for tail in ("", ", paper")]
        wide = pd.DataFrame(columns, index=list(dict.fromkeys(self.cells["label"]))).fillna("")
        wide.index.name = self.index
        return wide[[head for head in order if head in wide.columns]]

    def markdown(self) -> str:
        wide = self.wide("**{}**").reset_index()
        text = f"### {self.title}\n\n{_markdown(wide)}\n\n" + "\n".join(f"{note}  " for note in self.notes) + "\n"
        return text + (f"\n{_markdown(self.printed_tests())}\n\n{TESTS_NOTE}\n" if len(self.tests) else "")

    def printed_tests(self) -> pd.DataFrame:
        """Text as printed: the differences with their tests."""
        lines = [
            {
                "": f"{test.row} - {test.other}",
                "metric": test.metric if test.group == OVERALL else f"{test.metric}, {test.group}",
                "difference": f"{test.difference:+.{_digits(test.metric)}f}",
                "95 % interval": f"{test.low:+.{_digits(test.metric)}f} to {test.high:+.{_digits(test.metric)}f}",
                "p, bootstrap": _p_value(test.bootstrap),
                "p, t-test": _p_value(test.t_test),
                "p, t-test over patients": _p_value(test.t_test_patients),
                "p, Wilcoxon": _p_value(test.wilcoxon),
                "p, t-test, paper": _p_value(test.paper),
            }
            for test in self.tests.itertuples()
        ]
        printed = pd.DataFrame(lines)
        return printed.loc[:, (printed != "").any()] if lines else printed

    def latex(self) -> str:
        wide = self.wide("\\textbf{{{}}}").map(_latex_escape)
        wide.columns = [_latex_escape(name) for name in wide.columns]
        wide.index = [_latex_escape(name) for name in wide.index]
        caption = _latex_escape(" ".join([self.title + ".", *self.notes]))
        return wide.style.to_latex(hrules=True, caption=caption, label=f"tab:{self.key}", position="tb")


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _p_value(p: float) -> str:
    if np.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _digits(metric: str) -> int:
    return DIGITS.get(metric, 2)


def _with_spread(mean: float, spread: float, metric: str) -> str:
    text = f"{mean:.{_digits(metric)}f}"
    return text if np.isnan(spread) else f"{text} ± {spread:.{_digits(metric)}f}"


def _plain(cell: str) -> str:
    return str(cell).replace("|", "\\|")


def _latex_escape(text: str) -> str:
    for character in "&%$#_":
        text = text.replace(character, "\\" + character)
    for character, printed in LATEX.items():
        text = text.replace(character, printed)
    return text

"""All tables of a results folder, and their files: CSV, Markdown and LaTeX."""

from benchmarks.analyses.base import Findings
from benchmarks.analyses.registry import ANALYSES
from benchmarks.overview.findings import overview_findings
from benchmarks.plan import PlannedTable
from benchmarks.results import Results
from benchmarks.tables.printing import Printed
from benchmarks.tables.scores import scores_table
from datamodules.errors import InputError
from datamodules.tables import csv_text
from datamodules.writers import write_text_atomically


def make_findings(results: Results) -> list[Findings]:
    """What is to be printed and drawn, in order: the overview; then of every table its scores and what else it asks
    for."""
    results.check_cells()
    found = {key: _of_table(results, table) for key, table in results.plan.tables.items()}
    headlines = {key: [line for own in of_table for line in own.headlines] for key, of_table in found.items()}
    return [*overview_findings(results, headlines), *(own for of_table in found.values() for own in of_table)]


def _of_table(results: Results, table: PlannedTable) -> list[Findings]:
    """Its scores, and what it asks for before and after them."""
    asked = [(analysis.comes_first, analysis.findings(results, table))
             for name, analysis in ANALYSES.items() if name in table.analyses]  # fmt: skip
    before, after = ([own for first, own in asked if first is place] for place in (True, False))
    return [*before, Findings([scores_table(results, table.key)]), *after]


def make_tables(results: Results) -> list[Printed]:
    """The printed tables alone."""
    return [table for found in make_findings(results) for table in found.tables]


def write_tables(results: Results) -> list[Findings]:
    """Write ``tables/<key>.csv``, ``.md`` and ``.tex``, ``<key>_tests.csv`` where rows are compared, and what else a
    table brings; return what they were made of.

    Raises:
        InputError: a cell's file is damaged, or two tables would write one file; nothing is written then.
    """
    results.check_places()
    findings = make_findings(results)
    texts: dict[str, str] = {}
    for table in (table for found in findings for table in found.tables):
        own = _files(table)
        InputError.raise_for(
            f"table '{table.key}': another table writes {name}; rename one" for name in own if name in texts
        )
        texts |= own
    for name, text in texts.items():
        write_text_atomically(results.tables / name, text)
    return findings


def _files(table: Printed) -> dict[str, str]:
    """The text of each file of a table, by name."""
    texts = {
        f"{table.key}.csv": csv_text(table.cells),
        f"{table.key}.md": table.markdown(),
        f"{table.key}.tex": table.latex(),
    }
    if len(table.tests):
        texts[f"{table.key}_tests.csv"] = csv_text(table.tests)
    return texts | {f"{name}.csv": csv_text(file) for name, file in table.files.items()}

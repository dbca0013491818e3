"""``report.html``: tables, figures and galleries in one file that needs no network."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.analyses.base import Figure, Findings
from benchmarks.report.behind import Behind, behind, command, surroundings
from benchmarks.report.embedding import Drawing, embedded
from benchmarks.report.figures import score_figures
from benchmarks.report.gallery import make_gallery
from benchmarks.report.samples import with_samples
from benchmarks.report.sections import TableView, view_of
from benchmarks.report.summary import Card, card_of
from benchmarks.report.viewer import Viewer, make_viewer
from benchmarks.results import Results
from benchmarks.tables.printing import TESTS_NOTE, Printed
from datamodules.writers import write_atomically, write_text_atomically

TEMPLATES = Path(__file__).parent / "template"
PICTURES = 3_500_000  # bytes of all galleries of a page together
OVERVIEW = "overview"  # what the keys of tables begin with that stand on top


@dataclass(frozen=True)
class Section:
    """One printed table with all that stands below it; ``card``, ``viewer`` and ``behind`` only of a suite's own."""

    anchor: str
    title: str
    is_overview: bool
    view: TableView
    notes: list[str]
    tests: dict[str, Any] | None
    figures: list[Drawing]
    card: Card | None = None
    viewer: Viewer | None = None
    behind: list[Behind] = field(default_factory=list)

    @property
    def places(self) -> dict[str, str]:
        """Where in the page stands what is behind each row."""
        return {one.row: f"{self.anchor}-row-{number}" for number, one in enumerate(self.behind, 1)}


def write_report(results: Results, findings: list[Findings]) -> Path:
    """Draw the figures of a results folder and write the page that holds them and the tables; return its path.

    Writes ``figures/<name>.svg``, and ``<table>_gallery.png`` with the names of its columns beside it.
    """
    drawn = _draw(results, findings)
    for key in results.plan.tables:
        _write_gallery(results, key)
    tables = [table for found in findings for table in found.tables]
    viewers = dict(_viewers(results))
    sections = [
        _section(results, table, f"table-{number}", drawn, viewers.get(table.key))
        for number, table in enumerate(tables, 1)
    ]
    page = _template().render(
        title=results.plan.title,
        environment=surroundings(results.environment),
        command=command(results),
        states=_states(results),
        sections=sections,
        tests_note=TESTS_NOTE,
    )
    write_text_atomically(results.report, page)
    return results.report


def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html")


def _draw(results: Results, findings: list[Findings]) -> list[tuple[Figure, str]]:
    of_scores = [figure for table in results.plan.tables.values() for figure in score_figures(results, table)]
    figures = [*of_scores, *(figure for found in findings for figure in found.figures)]
    drawn = [(figure, figure.draw()) for figure in figures]
    for figure, text in drawn:
        write_text_atomically(results.figures / f"{figure.name}.svg", text)
    return drawn


def _write_gallery(results: Results, key: str) -> None:
    gallery = make_gallery(results, results.plan.tables[key])
    if gallery is None:
        return
    file = io.BytesIO()
    Image.fromarray(gallery.picture).save(file, "PNG")
    write_atomically(results.figures / f"{key}_gallery.png", lambda written: written.write(file.getvalue()))
    write_text_atomically(results.figures / f"{key}_gallery.json", json.dumps(gallery.columns))


def _viewers(results: Results) -> Iterator[tuple[str, Viewer]]:
    """By table. What one leaves of its part of the bytes is for the next."""
    tables = [table for table in results.plan.tables.values() if next(with_samples(results, table), None)]
    left = PICTURES
    for number, table in enumerate(tables):
        viewer = make_viewer(results, table, left // (len(tables) - number))
        if viewer is not None:
            left -= viewer.size
            yield table.key, viewer


def _section(
    results: Results, printed: Printed, anchor: str, drawn: list[tuple[Figure, str]], viewer: Viewer | None
) -> Section:
    table = results.plan.tables.get(printed.key)
    return Section(
        anchor,
        printed.title,
        printed.key.startswith(OVERVIEW),
        view_of(printed, table.metrics if table else (), results.metrics(printed.key) if table else {}),
        printed.notes,
        printed.printed_tests().to_dict("split") if len(printed.tests) else None,
        [embedded(figure, text) for figure, text in drawn if figure.under == printed.key],
        card_of(results, table, printed) if table else None,
        viewer,
        behind(results, table) if table else [],
    )


def _states(results: Results) -> dict[str, int]:
    """How many cells of the plan are finished, have failed and have not run."""
    folders = [results.cell(name) for name in dict.fromkeys(cell.hash for cell in results.plan.cells)]
    finished = sum(folder.finished for folder in folders)
    failed = sum(folder.failure is not None for folder in folders if not folder.finished)
    return {"finished": finished, "failed": failed, "not run": len(folders) - finished - failed}

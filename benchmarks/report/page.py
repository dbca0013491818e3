"""``report.html``: tables, figures and a gallery in one file that needs no network."""

import base64
import io
import json
from html import escape
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from benchmarks.analyses.base import Figure, Findings
from benchmarks.report.figures import score_figures
from benchmarks.report.gallery import make_gallery
from benchmarks.results import Results
from benchmarks.tables.printing import TESTS_NOTE, Printed
from datamodules.writers import write_atomically, write_text_atomically

Shown = tuple[str, list[str]]  # a gallery: its picture as text, and its columns
TEMPLATE = Path(__file__).parent / "report.html"


def write_report(results: Results, findings: list[Findings]) -> Path:
    """Draw the figures of a results folder and write the page that holds them and the tables; return its path.

    Writes ``figures/<name>.svg``, and ``<table>_gallery.png`` with the names of its columns beside it.
    """
    import jinja2

    tables = [table for found in findings for table in found.tables]
    of_analyses = [figure for found in findings for figure in found.figures]
    of_scores = [figure for table in results.plan.tables.values() for figure in score_figures(results, table)]
    drawn = _draw(results, [*of_scores, *of_analyses])
    galleries = {key: _gallery(results, key) for key in results.plan.tables}
    template = jinja2.Template(TEMPLATE.read_text(), autoescape=True)
    page = template.render(
        title=results.plan.title,
        environment=results.environment,
        tables=[_section(table, drawn, galleries.get(table.key, ("", []))) for table in tables],
    )
    write_text_atomically(results.report, page)
    return results.report


def _draw(results: Results, figures: list[Figure]) -> list[tuple[Figure, str]]:
    drawn = [(figure, figure.draw()) for figure in figures]
    for figure, text in drawn:
        write_text_atomically(results.figures / f"{figure.name}.svg", text)
    return drawn


def _gallery(results: Results, key: str) -> Shown:
    """The gallery's PNG in base64 and the names of its columns; nothing where there is none."""
    gallery = make_gallery(results, results.plan.tables[key])
    if gallery is None:
        return "", []
    file = io.BytesIO()
    Image.fromarray(gallery.picture).save(file, "PNG")
    write_atomically(results.figures / f"{key}_gallery.png", lambda written: written.write(file.getvalue()))
    write_text_atomically(results.figures / f"{key}_gallery.json", json.dumps(gallery.columns))
    return base64.b64encode(file.getvalue()).decode(), gallery.columns


def _section(table: Printed, drawn: list[tuple[Figure, str]], gallery: Shown) -> dict[str, Any]:
    wide = table.wide("<b>{}</b>", "<i>{}</i>", escape).reset_index()
    return {
        "title": table.title,
        "head": [Markup(head) for head in wide.columns],
        "rows": [[Markup(cell) for cell in row] for row in wide.to_numpy().tolist()],
        "notes": table.notes,
        "tests": table.printed_tests().to_dict("split") if len(table.tests) else None,
        "tests_note": TESTS_NOTE,
        "figures": [
            {"svg": Markup(text[text.index("<svg") :]), "caption": figure.caption}
            for figure, text in drawn
            if figure.under == table.key
        ],
        "gallery": gallery[0],
        "columns": gallery[1],
    }

"""``report.html``: tables, figures and a gallery in one file that needs no network."""

import base64
import json
from html import escape
from pathlib import Path

from benchmarks.report.figures import CAPTIONS, write_figures
from benchmarks.results import read_plan
from benchmarks.tables.printing import TESTS_NOTE, Table
from benchmarks.tables.scores import write_tables
from datamodules.writers import write_text_atomically

TEMPLATE = Path(__file__).parent / "report.html"


def write_report(out: Path) -> Path:
    """Remake tables and figures of a results folder and the page that holds them; return the page's path."""
    import jinja2

    tables = write_tables(out)
    write_figures(out)
    template = jinja2.Template(TEMPLATE.read_text(), autoescape=True)
    page = template.render(
        title=read_plan(out)["title"],
        environment=_environment(out),
        tables=[_section(out, table) for table in tables],
    )
    path = out / "report.html"
    write_text_atomically(path, page)
    return path


def _section(out: Path, table: Table) -> dict:
    wide = table.wide("<b>{}</b>").map(_keep_bold).reset_index()
    figures = out / "figures"
    gallery = figures / f"{table.key}_gallery.png"
    columns = figures / f"{table.key}_gallery.json"
    return {
        "title": table.title,
        "head": list(wide.columns),
        "rows": wide.to_numpy().tolist(),
        "notes": table.notes,
        "tests": table.printed_tests().to_dict("split") if len(table.tests) else None,
        "tests_note": TESTS_NOTE,
        "figures": [_figure(path, caption) for path, caption in _svgs(figures, table.key) if path.is_file()],
        "gallery": base64.b64encode(gallery.read_bytes()).decode() if gallery.is_file() else "",
        "columns": json.loads(columns.read_text()) if columns.is_file() else [],
    }


def _svgs(figures: Path, key: str) -> list[tuple[Path, str]]:
    return [(figures / f"{key}_{kind}.svg", caption) for kind, caption in CAPTIONS.items()]


def _figure(path: Path, caption: str) -> dict[str, str]:
    text = path.read_text()
    return {"svg": text[text.index("<svg") :], "caption": caption}


def _keep_bold(text: str) -> str:
    bold = text.startswith("<b>")
    inner = escape(text.removeprefix("<b>").removesuffix("</b>") if bold else text)
    return f"<b>{inner}</b>" if bold else inner


def _environment(out: Path) -> dict[str, str]:
    for path in sorted((out / "cells").glob("*/environment.json")):
        return json.loads(path.read_text())
    return {}

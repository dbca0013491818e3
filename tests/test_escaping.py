"""What users write (names, remarks, titles, ids, errors) stands in pages, tables and CSV as text, never as markup or
formula."""

import io
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.report.page import TEMPLATES, write_report
from benchmarks.results import Results, read_images
from benchmarks.tables.make import write_tables
from benchmarks.tables.printing import Entry, Printed
from datamodules.tables import csv_text, without_guards
from tests import tiny
from tests.conftest import ROOT
from tests.facts import METRIC
from zoo.cli import main as sonozoo

EVIL = "<img src=x onerror=alert(1)>"
MARKS = "<b>a</b> | `b` ** c ** [d](e) $f$ \\g {h} _i_ &lt;"
LINES = "one\ntwo | <i>three"
FORMULA = "=HYPERLINK(1)"
SHAPES = {"path", "g", "defs", "clippath", "rect", "use", "text", "metadata", "rdf:rdf", "cc:work", "dc:type",
          "dc:date", "dc:format", "dc:creator", "cc:agent", "dc:title", "tspan"}  # fmt: skip
OURS = {"html", "head", "meta", "title", "style", "body", "nav", "main", "header", "section", "article", "h1", "h2",
        "h3", "p", "div", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "b", "i", "strong",
        "small", "code", "pre", "details", "summary", "span", "img", "figure", "figcaption", "svg", "script",
        "noscript", "form", "fieldset", "legend", "label", "input", "select", "option", "output", "button"}  # fmt: skip


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def make_results(folder) -> Results:
    """Every text that a user may write is one that would be markup: names, remarks, titles, data, errors, notes."""
    rows = {EVIL: EVIL, MARKS: MARKS, LINES: LINES, FORMULA: FORMULA, "failed": "failed", "top": "top"}
    table = PlannedTable("t", f"Title {EVIL}", ["SSIM", "FID"], rows, compare=EVIL, ceilings=[MARKS])
    cells = [PlannedCell("t", row, fold, 0, f"{number}-{fold}") for number, row in enumerate(rows) for fold in (0, 1)]
    results = Results(folder)
    results.write_plan(Plan("suite", f"Suite {EVIL}", {"t": table}, cells))
    data = {"data": f"data {EVIL}", "task": EVIL, "unit": "grey level", "size": [8, 8], "images": {"test": 9},
            "remarks": [EVIL], "pretrained": {}}  # fmt: skip
    rng = np.random.default_rng(0)
    for cell in cells:
        own = results.cell(cell.hash)
        if cell.row == "failed":
            own.mark_failed(f"no good: {EVIL} | x\ny")
            continue
        ids = [f"{FORMULA}{number}" for number in range(9)]
        scores = pd.DataFrame({"id": ids, "patient": ids, "label": 0})
        scores["SSIM"] = (0.9 if cell.row == EVIL else 0.3) + rng.normal(0, 0.01, 9)
        own.write_scores(scores.assign(FID=-1.5), [METRIC["SSIM"], METRIC["FID"]])
        own.write_environment({"device": EVIL, "date": EVIL, "torch": EVIL})
        own.mark_finished(data, EVIL)
        own.samples().mkdir()
        Image.fromarray(np.zeros((8, 32, 3), np.uint8)).save(own.sample(f"{FORMULA}0"))
        (own / "logs").mkdir()
        (own / "logs" / "metrics.csv").write_text("epoch,val/SSIM\n0,0.1\n1,0.2\n")
    return results


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    results = make_results(tmp_path_factory.mktemp("evil"))
    write_report(results, write_tables(results))
    return results


def test_a_page_has_no_element_but_its_own(results):
    page = results.report.read_text()
    elements = Elements(page)
    assert {tag for tag, _ in elements.found} <= OURS | SHAPES
    pictures = [attributes for tag, attributes in elements.found if tag == "img"]
    assert [own.get("class") for own in pictures] == ["right", "left", None], "the gallery's, which its script fills"
    assert not [own for own in pictures if "src" in own]
    assert not [name for _, own in elements.found for name in own if name.startswith("on")], "no handlers"
    scripts = [own.get("type", "ours") for tag, own in elements.found if tag == "script"]
    assert scripts == ["application/json", "ours"], "the gallery's data, and the page's own"
    for text in (f"Suite {EVIL}", f"Title {EVIL}", f"{EVIL} [{EVIL}]", f"data {EVIL}", f"no good: {EVIL}", MARKS):
        assert text in elements.text, "as it was written"
    drawn = Elements((results.figures / "t_box.svg").read_text())
    assert {tag for tag, _ in drawn.found} <= SHAPES | {"svg", "style"}
    assert EVIL in drawn.text
    assert MARKS in drawn.text, "without mathematics"


def test_bold_and_italics_are_the_page_s_own(results):
    cells = [tag for tag, _ in Elements(results.report.read_text()).found if tag in ("b", "i")]
    assert cells.count("i") == 1, "the ceiling; no name's"
    assert cells.count("b") == 5, "the best of SSIM, and of FID the four that are equal; no name's"
    for template in TEMPLATES.iterdir():
        assert "|safe" not in template.read_text().replace(" ", ""), "nothing goes around the escaping"
        assert "innerHTML" not in template.read_text()


def test_a_markdown_table_keeps_its_rows_and_columns(results):
    lines = (results.tables / "t.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    (first,) = [
        number for number, line in enumerate(table) if set(line) <= set("|- ") and "method" in table[number - 1]
    ]
    rows = table[first + 1 : first + 7]
    assert len(rows) == 6
    for row in rows:
        unescaped = row.replace("\\\\", "").replace("\\|", "").replace("\\`", "")
        assert (unescaped.count("|"), "`" in unescaped) == (4, False), row
    assert any(row.startswith("| one two \\| \\<i>three") for row in rows)
    assert any("\\<b>a\\</b> \\| \\`b\\` \\*\\* c \\*\\* [d\\](e) $f$ \\\\g {h} \\_i\\_ \\&lt;" in row for row in rows)
    assert lines[0] == f"### Title \\{EVIL}"


def test_marks_of_our_own_stand_around_escaped_texts():
    entries = [Entry("a|b", "a|b", "MI_source", "<x>", mean=1.0, runs=1, planned=1, best=True, apart=True)]
    printed = Printed("k", "T_1", entries, ["a <b>note</b>"])
    assert "| method | MI_source, \\<x> |" in printed.markdown(), "an underscore within a word is no mark"
    assert "| *a\\|b* | **1.00** |" in printed.markdown()
    assert printed.wide().loc["a|b", "MI_source, <x>"] == "1.00"


def test_latex_runs_no_commands():
    label = "\\input{/etc/passwd} 50 % #1 ^2"
    latex = Printed("a & b", "T", [Entry(label, label, "SSIM", text="1", apart=True)], ["\\write18{x}"]).latex()
    assert "\\textit{\\textbackslash{}input\\{/etc/passwd\\} 50 \\% \\#1 \\textasciicircum{}2} & 1" in latex
    assert "\\textbackslash{}write18\\{x\\}" in latex
    assert "\\label{tab:a_b}" in latex


TEXTS = [
    "=1+1",
    "+1",
    "-1",
    "-",
    "@a",
    "\tb",
    "\rc",
    "d\re",
    "'=x",
    "''=x",
    "'",
    "'a",
    "",
    "a=b",
    "NA",
    "001",
    ' "=x',
    "-a,b",
]


def test_every_text_comes_back_letter_by_letter():
    table = pd.DataFrame({"id": TEXTS, "SSIM": np.linspace(-1, 1, len(TEXTS)), "=f": -1})
    written = csv_text(table)
    raw = pd.read_csv(io.StringIO(written, newline=""), dtype={"id": str}, keep_default_na=False)
    assert not raw["id"].str.match(r"[=+\-@\t\r]").any(), "nothing begins as a formula does"
    assert list(raw) == ["id", "SSIM", "'=f"]
    assert without_guards(raw).equals(table), "numbers are numbers, whatever their sign"
    assert "'" not in csv_text(table.assign(id="a").rename(columns={"=f": "f"}))


def test_the_files_of_a_results_folder_are_guarded_and_read_back(results):
    own = results.cell("0-0")
    assert own.read_scores()["id"].tolist() == [f"{FORMULA}{number}" for number in range(9)]
    assert (own / "scores.csv").read_text().splitlines()[1].startswith(f"'{FORMULA}0,'{FORMULA}0,0,0.9")
    written = [*results.tables.glob("*.csv")]
    assert {path.name for path in written} == {"t.csv", "t_tests.csv"}
    for path in written:
        text = path.read_text()
        assert f"'{FORMULA}" in text
        assert f"\n{FORMULA}" not in text
        assert f",{FORMULA}" not in text
    own.write_table("x.csv.gz", own.read_scores())
    assert read_images(own / "x.csv.gz").equals(own.read_scores())
    (own / "x.csv.gz").unlink()


def test_every_csv_of_ours_is_written_by_the_one_helper():
    """But manifests, which are read as a user's are, and the challenge's submission, which a machine reads."""
    rooms = [path for room in ("benchmarks", "datamodules", "zoo") for path in sorted((ROOT / room).rglob("*.py"))]
    assert [path.relative_to(ROOT).as_posix() for path in rooms if ".to_csv(" in path.read_text()] == [
        "datamodules/elastogram/intake.py",
        "datamodules/phantom/__main__.py",
        "datamodules/tables.py",
        "zoo/predictions.py",
    ]


def test_ids_of_a_users_manifest_are_guarded_where_people_open_them_and_literal_where_a_machine_does(tmp_path):
    """The manifest itself is read as it is."""
    ids = ["=1+1", "+p", "-p", "@a", "'=q", "plain", "'", "-1.5", "b", "c"]
    rng = np.random.default_rng(0)
    for side in ("source", "target"):
        (tmp_path / side).mkdir()
        for number in range(len(ids)):
            Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(tmp_path / side / f"{number}.png")
    files = {side: [f"{side}/{number}.png" for number in range(len(ids))] for side in ("source", "target")}
    rows = pd.DataFrame({"id": ids, "patient": ids, **files, "device": "=d"})
    rows.to_csv(tmp_path / "manifest.csv", index=False)
    of_folder = [f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}", f"--data.root={tmp_path}"]
    _, config, *more = tiny.command("pix2pix", tmp_path / "out", "--predictions.submission=true")
    command = [config, *of_folder, *(word for word in more if "patients" not in word), "--trainer.max_epochs=1"]
    assert sonozoo(["fit", *command]) == 0
    assert sonozoo(["predict", *command]) == 0
    written = {path.name: path for path in (tmp_path / "out" / "lightning_logs").rglob("*.csv")}
    for name in ("splits.csv", "scores_val.csv", "predictions.csv"):
        lines = written[name].read_text().splitlines()[1:]
        assert not [line for line in lines if line[0] in "=+-@"], name
        assert set(read_images(written[name])["id"]) <= set(ids), name
    assert sorted(read_images(written["splits.csv"])["patient"]) == sorted(ids)
    assert set(read_images(written["splits.csv"])["device"]) == {"=d"}
    assert ",'=d," in written["splits.csv"].read_text()
    assert sorted(read_images(written["predictions.csv"])["id"]) == sorted(ids)
    submitted = pd.read_csv(written["submission.csv"], dtype=str, keep_default_na=False)
    assert sorted(submitted["image_id"]) == sorted(ids)

"""What the page is made of: which images are shown, what they take, what stands on top and behind, and what is said of
a folder that is damaged."""

import base64
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.analyses.base import Figure, Findings
from benchmarks.report.album import Shown, album
from benchmarks.report.behind import behind, command
from benchmarks.report.choice import worst_best_and_between
from benchmarks.report.embedding import LARGEST, embedded
from benchmarks.report.page import write_report
from benchmarks.report.pictures import data_uri
from benchmarks.report.sections import view_of
from benchmarks.report.summary import card_of
from benchmarks.report.viewer import MOST, make_viewer
from benchmarks.results import Results
from benchmarks.tables.intervals import interval_of
from benchmarks.tables.make import make_findings, make_tables, write_tables
from benchmarks.tables.printing import Entry, Printed
from tests.facts import METRIC
from tests.pages import EVIL, IMAGES, ROWS, SSIM, STEP, make_results

ROOMY = 10**9


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return make_results(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def viewer(results):
    return make_viewer(results, results.plan.tables["t"], ROOMY)


def test_methods_take_turns_with_their_worst_and_their_best():
    scores = pd.DataFrame({"a": range(40), "b": [*range(39, -1, -1)]})
    chosen = worst_best_and_between(scores, True, 8)
    assert chosen[:4] == [0, 39, 1, 38], "the worst of a, the worst of b, and so on"
    assert chosen[4:6] == [37, 2], "the best of either is there as the other's worst already: the next"
    assert len(set(chosen)) == 8
    assert set(chosen[6:]) <= set(range(3, 37))
    assert worst_best_and_between(scores, False, 8)[:2] == [39, 0], "of errors the largest is the worst"
    biased = pd.DataFrame({"a": [-9.0, 1.0, 5.0, np.nan]})
    assert worst_best_and_between(biased, None, 4) == [0, 2, 1, 3], "far from 0 is bad; without a score last"
    assert worst_best_and_between(pd.DataFrame(index=range(5)), True, 2) == [0, 4], "without scores, evenly"


def test_a_viewer_has_the_worst_of_every_method_first(viewer):
    assert viewer.rows == ["identity", "Pix2Pix", "HSC-T", "ceiling"], "as printed: what failed has no pictures"
    assert viewer.rows[viewer.start] == "HSC-T", "the row that is compared"
    assert len(viewer.images) == MOST
    assert [image.of.id for image in viewer.images[:2]] == [EVIL, EVIL], "of either fold"
    assert {image.of.facts["fold"] for image in viewer.images} == {"0", "1"}
    assert viewer.images[0].of.facts == {"class": "benign", "organ": "breast", "device": "cart", "fold": "0"}
    assert {metric["name"]: metric["better"] for metric in viewer.metrics} == {"SSIM": 1, "PSNR": 1, "LPIPS": -1}
    assert viewer.images[0].scores["HSC-T"] == [0.7, 20.0, 0.5]
    assert viewer.notes[0].startswith(f"{MOST} of the 80 test images whose pictures were kept: the worst of every")


def test_ceilings_stand_last(results):
    table = replace(results.plan.tables["t"], rows=dict(reversed(ROWS.items())))
    assert make_viewer(results, table, ROOMY).rows == ["HSC-T", "Pix2Pix", "identity", "ceiling"]


def test_pictures_are_those_of_the_rows(viewer):
    image = viewer.images[0]
    grey = {name: grey_of(uri) for name, uri in {"source": image.source, "target": image.target, **image.made}.items()}
    wanted = {"source": 10, "target": 250} | {row: 20 + 40 * place for place, row in enumerate(ROWS) if row != "broken"}
    assert grey == pytest.approx(wanted, abs=3)
    assert {grey_of(uri) for uri in image.errors.values()} == {128}


def grey_of(uri: str) -> int:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return round(float(np.asarray(picture.convert("L")).mean()))


def test_scores_that_are_no_numbers_are_none_and_said(viewer):
    scores = {image.of.id: image.scores["HSC-T"][1] for image in viewer.images}
    assert scores["image-02"] is None
    assert scores["image-03"] is None
    assert "–: no finite number (PSNR)." in viewer.notes
    json.dumps(viewer.as_json(), allow_nan=False)


def named(image: Shown) -> tuple[str, str]:
    return image.of.id, image.of.facts["fold"]


def test_what_does_not_fit_is_left_out_and_said(results, viewer):
    table = results.plan.tables["t"]
    budget = sum(image.size for image in viewer.images[:5])
    small = make_viewer(results, table, budget)
    assert [named(image) for image in small.images] == [named(image) for image in viewer.images[:5]]
    assert small.size == budget
    assert any(note.startswith(f"{MOST - 5} further images are left out") for note in small.notes)
    assert len(make_viewer(results, table, 1).images) == 1, "one in any case"


def test_large_pictures_are_scaled_and_said_to_be(tmp_path):
    uri = data_uri(np.zeros((300, 600, 3), np.uint8))
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size == (256, 128)
    results = make_results(tmp_path, side=260)
    viewer = make_viewer(results, results.plan.tables["t"], ROOMY)
    assert "Pictures are scaled to at most 256 pixels a side." in viewer.notes
    assert not any("scaled" in note for note in make_viewer(*_small(tmp_path / "small"), ROOMY).notes)


def _small(folder):
    results = make_results(folder)
    return results, results.plan.tables["t"]


def test_a_folder_copied_without_its_pictures_has_a_line_in_their_place(tmp_path):
    results, table = _small(tmp_path)
    for fold in (0, 1):
        for path in results.cell(f"1-{fold}").samples().glob("*.png"):
            path.unlink()
    viewer = make_viewer(results, table, ROOMY)
    assert "Pix2Pix" not in viewer.rows
    assert "No pictures of 'Pix2Pix': not in the folders of its cells, or of other images." in viewer.notes
    for path in results.cells.rglob("*.png"):
        path.unlink()
    assert make_viewer(results, table, ROOMY) is None
    assert write_report(results, write_tables(results)).is_file()


def test_of_cells_with_other_pictures_those_are_shown_that_most_rows_have(tmp_path):
    """A cell of an earlier version kept six."""
    results, table = _small(tmp_path)
    kept = sorted(results.cell("2-0").samples().glob("*.png"))
    for path in kept[6:]:
        path.unlink()
    images = [image for image in album(results, table) if image.facts["fold"] == "0"]
    assert len(images) == 6
    assert all(set(image.paths) == {"identity", "Pix2Pix", "HSC-T", "ceiling"} for image in images)
    assert len(album(results, table)) == 6 + len(IMAGES)


def test_columns_of_a_table_take_turns_and_are_what_images_are_filtered_by(tmp_path):
    """A row that was tested on one of them is shown on that one."""
    results, table = _small(tmp_path)
    columns = {"a>a": ["identity", "Pix2Pix"], "a>b": ["Pix2Pix"]}
    cells = [replace(cell, train="a") for cell in results.plan.cells if cell.fold == 0]
    table = replace(table, columns=[*columns], groups=[], paper=None)
    results.write_plan(replace(results.plan, tables={"t": table}, cells=cells))
    for cell in cells:
        own, tested = results.cell(cell.hash), [column for column, rows in columns.items() if cell.row in rows]
        if not tested:
            own.set_aside()
            continue
        scores = own.read_scores()
        own.write_scores(pd.concat(scores.assign(column=column) for column in tested), own.metrics)
        for column in tested:
            shutil.copytree(own.samples(), own.samples(column), ignore=lambda folder, names: {*names} & {"a_a", "a_b"})
    viewer = make_viewer(results, table, ROOMY)
    assert [image.of.facts["tested as"] for image in viewer.images] == ["a>a", "a>b"] * (MOST // 2)
    assert [set(image.made) for image in viewer.images[:2]] == [{"identity", "Pix2Pix"}, {"Pix2Pix"}]
    (printed,) = make_tables(results)
    card = card_of(results, table, printed)
    assert (card.metric, card.leader) == ("SSIM, a>a", "Pix2Pix"), "the first column"
    view = view_of(printed, table.metrics, {})
    assert {column.kind for column in view.columns} == {"metrics", "budget"}, "columns of sets are no groups of a whole"


def test_a_row_whose_runs_are_not_all_there_is_not_named_the_best(tmp_path):
    results, table = _small(tmp_path)
    leader = card_of(results, table, make_tables(results)[0]).leader
    last = [cell for cell in results.plan.cells if cell.row == leader][-1]
    results.cell(last.hash).set_aside()
    assert card_of(results, table, make_tables(results)[0]).leader not in ("", leader)


def test_a_damaged_picture_is_left_out_alone(tmp_path, capsys):
    results, table = _small(tmp_path)
    results.cell("2-0").sample(EVIL).write_bytes(b"no picture")
    viewer = make_viewer(results, table, ROOMY)
    assert set(viewer.images[0].made) == {"identity", "Pix2Pix", "ceiling"}
    assert "left out: " in capsys.readouterr().err


def test_a_card_names_the_best_row_with_its_interval_the_budget_and_what_failed(results):
    (printed,) = make_tables(results)
    card = card_of(results, results.plan.tables["t"], printed)
    assert (card.leader, card.metric) == ("HSC-T", "SSIM")
    mean = SSIM["HSC-T"] + STEP * 19.5
    low, high = interval_of(results.scores("t").query("row == 'HSC-T'"), METRIC["SSIM"])
    assert card.score == f"{mean:.4f} (95 % interval {low:.4f} to {high:.4f})"
    assert low < mean < high
    assert [bar.label for bar in card.bars] == ["ceiling", "HSC-T", "Pix2Pix", "identity"]
    assert [bar.kind for bar in card.bars] == ["ceiling", "method", "method", "trivial"]
    assert all(0 < bar.low < bar.mean < bar.high < 100 for bar in card.bars)
    assert [bar.mean for bar in card.bars] == sorted((bar.mean for bar in card.bars), reverse=True)
    assert not any(bar.beyond for bar in card.bars)
    assert "3 methods, 1 row without training, 1 ceiling; 2 runs of each." in card.lines
    assert "Budget: 1,250 updates, all trained rows alike." in card.lines
    assert card.faults == ["Failed: broken, 2 of 2 cells: the loss is not finite"]


def test_a_row_without_training_that_is_far_away_does_not_squeeze_the_others(tmp_path):
    results, table = _small(tmp_path)
    for fold in (0, 1):
        own = results.cell(f"0-{fold}")
        own.write_scores(own.read_scores().assign(SSIM=-5.0), own.metrics)
    (printed,) = make_tables(results)
    *others, last = card_of(results, table, printed).bars
    assert (last.label, last.beyond, last.mean) == ("identity", True, 4.0), "at the edge"
    assert not any(bar.beyond for bar in others)
    assert (others[0].high, others[-1].low) == (96.0, 4.0), "the others have the whole width"


def test_the_interval_of_a_mean_is_that_of_resampled_patients():
    rng = np.random.default_rng(0)
    ids = [str(number) for number in range(400)]
    values = rng.normal(3.0, 2.0, 400)
    scores = pd.DataFrame({"id": ids, "patient": ids, "fold": 0, "seed": 0, "MAE": values})
    low, high = interval_of(scores, METRIC["MAE"])
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)
    right = scores.assign(label=np.arange(400) % 2, probability=np.where(np.arange(400) < 300, np.arange(400) % 2, 0.0))
    low, high = interval_of(right, METRIC["accuracy"])
    assert (low + high) / 2 == pytest.approx(350 / 400, abs=0.005)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.875 * 0.125 / 400), rel=0.1)
    assert interval_of(scores.assign(FID=3.0), METRIC["FID"]) is None
    assert interval_of(scores.assign(MAE=np.inf), METRIC["MAE"]) is None


def test_the_papers_columns_fold_away_then_those_of_classes(results):
    (printed,) = make_tables(results)
    view = view_of(printed, ["SSIM", "PSNR", "LPIPS"], results.metrics("t"))
    heads = [(column.name, column.group, column.kind, column.hidden) for column in view.columns]
    assert heads[:2] == [("SSIM", "benign", "groups", True), ("SSIM", "benign, paper", "paper", True)]
    shown = [column.name for column in view.columns if not column.hidden]
    assert shown == ["SSIM", "PSNR", "LPIPS", "parameters", "updates", "training"]
    assert [column.towards for column in view.columns if not column.hidden] == ["↑", "↑", "↓", "", "", ""]
    row = next(row for row in view.rows if row.name == "HSC-T")
    cells = {(column.name, column.group): cell for column, cell in zip(view.columns, row.cells, strict=True)}
    assert float(cells["training", ""].value) == 75.0
    assert cells["training", ""].text == "1 min 15 s"
    assert float(cells["SSIM", ""].value) == pytest.approx(0.739)
    assert (cells["SSIM", ""].text, cells["SSIM", ""].spread) == ("0.7390", " ± 0.0000")
    assert cells["SSIM", ""].best
    failed = next(row for row in view.rows if row.name == "broken").cells[0]
    assert (failed.text, failed.value, failed.why) == ("failed", "", "failed: the loss is not finite")
    few = Printed("k", "T", [Entry("a", "a", "x", mean=1.0, runs=1, planned=1, paper=2.0)], [])
    assert not any(column.hidden for column in view_of(few, (), {}).columns), "nothing folds where all fit"


def test_behind_a_row_stand_its_config_its_runs_and_the_command(results):
    rows = {one.row: one for one in behind(results, results.plan.tables["t"])}
    assert [*rows] == [*ROWS]
    assert rows["HSC-T"].config == "model:\n  class_path: HSC-T\nseed_everything: 0\n"
    run = rows["HSC-T"].runs[1]
    assert (run.cell, run.fold, run.state, run.updates, run.training) == ("2-1", 1, "done", "1,250", "1 min 15 s")
    assert (run.parameters, run.environment) == ("54.4 M", "2026-11-29 12:44, 2 CPU cores, torch 2.9")
    assert rows["broken"].runs[0].state == "failed: the loss is not finite"
    assert rows["broken"].config.startswith("No config.yaml in the folder of the cell 3-0: it has not run, or was cop")
    assert command(results) == "python -m benchmarks run own.yaml --data 'BUSI=my scans'", "not one that is shipped"


def test_figures_share_no_names_and_what_is_too_large_is_named():
    figure = Figure("a b", "t", "Caption.", lambda: "")
    text = '<?xml?><svg><metadata>x</metadata><path id="p1"/><use xlink:href="#p1" style="clip-path: url(#p1)"/></svg>'
    drawing = embedded(figure, text)
    assert drawing.svg == '<svg><path id="a_b-p1"/><use xlink:href="#a_b-p1" style="clip-path: url(#a_b-p1)"/></svg>'
    large = embedded(figure, f"<svg>{'x' * LARGEST}</svg>")
    assert large.svg == ""
    assert large.caption == "figures/a b.svg is too large for this page (1.0 MB). Caption."


def test_an_overview_stands_before_all_tables(results, tmp_path):
    made = Results(results.out, tmp_path)
    overview = Printed("overview_ranks", "Ranks of all rows", [Entry("a", "a", "rank", text="1")], [])
    page = write_report(made, [*make_findings(made), Findings([overview])]).read_text()
    headings = ["<h1>A page</h1>", "<h2>Ranks of all rows</h2>", 'class="cards"', "<h2>B-mode to strain</h2>"]
    assert sorted(headings, key=page.index) == headings
    contents = [f">{title}</a>" for title in ("Ranks of all rows", "At a glance", "B-mode to strain")]
    assert sorted(contents, key=page.index) == contents

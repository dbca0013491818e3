"""A table that is a search: scored on validation patients, and what is chosen by that."""

import contextlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.layers import merge
from benchmarks.plan import PlannedTable
from benchmarks.results import CellFolder, Results
from benchmarks.run.cell import run_cell
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_tables
from benchmarks.tables.search import ranked, search_notes
from datamodules import InputError
from datamodules.ultrasound import UltrasoundDataset
from tests import tiny
from tests.facts import METRIC

TABLE = {
    "metrics": ["SSIM", "ME", "Frechet VGG"],
    "search": "SSIM",
    "data": {"patients": 12, "size": [32, 32], "batch_size": 4, "augmentation": None, "task": "swe"},
    "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
    "rows": {
        "narrow": {"config": "sswe.yaml", "model": {"width": 4}},
        "wide": {"config": "sswe.yaml", "model": {"width": 6}},
    },
}
SETS = {"sets": {"A": {}, "B": {"phantom_seed": 1}}, "columns": ["A>A", "A>B"]}


def suite_file(folder, change=None, **keys) -> str:
    """A suite of one table; ``change`` is laid over it and ``keys`` take the place of its own."""
    table = merge(TABLE, change or {}) | keys
    (folder / "s.yaml").write_text(yaml.safe_dump({"tables": {"t": table}}, sort_keys=False))
    return str(folder / "s.yaml")


# The data


def test_a_test_reads_the_validation_images_and_no_others():
    data = tiny.data("swe", test_split="val")
    data.setup("test")
    ids = {name for batch in data.test_dataloader() for name in batch["id"]}
    splits = data.splits()
    assert ids == set(splits["id"][splits["split"] == "val"])
    usual = tiny.data("swe")
    assert {name for batch in usual.test_dataloader() for name in batch["id"]} == set(
        splits["id"][splits["split"] == "test"]
    )


@pytest.mark.parametrize("stage", ["fit", "test"])
def test_without_validation_images_it_ends_before_anything_is_trained(stage):
    data = tiny.data("swe", test_split="val", fractions=(0.7, 0.0, 0.3))
    with pytest.raises(InputError, match=r"^split 'val' is empty; give it a fraction or mark rows of the manifest"):
        data.setup(stage)
    tiny.data("swe", fractions=(0.7, 0.0, 0.3)).setup(stage)


def test_validation_images_without_the_tests_pairs_cannot_stand_in_for_them():
    data = tiny.data("harmonization", test_split="val")
    data.task = replace(data.task, test_references=("target",))
    with pytest.raises(InputError, match="test_split 'val': only the test images of 'harmonization' have pairs"):
        data.setup("")


# The cells


def test_the_cells_of_a_search_say_so_and_no_others_change(tmp_path):
    searched = read_suite(suite_file(tmp_path))
    usual = read_suite(suite_file(tmp_path, search=""))
    assert [cell.row for cell in searched.cells] == [cell.row for cell in usual.cells]
    for one, other in zip(searched.cells, usual.cells, strict=True):
        assert one.config["data"]["init_args"].pop("test_split") == "val"
        assert one.config == other.config, "nothing else differs, so a table that is no search keeps its cells"
        assert "test_split" not in json.dumps(other.config)
    assert searched.tables["t"].search == "SSIM"
    assert searched.tables["t"].candidates == ["narrow", "wide"], "trivial rows and ceilings are not to be chosen"
    assert usual.tables["t"].candidates == ["narrow", "wide"]


def test_every_set_of_a_search_is_read_so(tmp_path):
    ceiling = {"config": "sswe.yaml", "class_path": "benchmarks.run.baselines.Ceiling"}
    suite = read_suite(suite_file(tmp_path, {"rows": {"best": ceiling}}, **SETS))
    for cell in suite.cells:
        sections = [cell.config["data"], *cell.config["tests"].values()]
        assert [section["init_args"]["test_split"] for section in sections] == ["val"] * 3
    assert suite.tables["t"].candidates == ["narrow", "wide"]


def test_a_cell_of_a_search_draws_no_test_image(tmp_path, monkeypatch):
    """Not even a trivial row's: it is fitted on the training images and scored on the validation images."""
    drawn: set[str] = set()
    item = UltrasoundDataset.__getitem__

    def noted(self, key):
        drawn.add(item(self, key)["id"])
        return item(self, key)

    monkeypatch.setattr(UltrasoundDataset, "__getitem__", noted)
    monkeypatch.setattr("benchmarks.run.cell._output_to", lambda path: contextlib.nullcontext())
    cells = {cell.row: cell for cell in read_suite(suite_file(tmp_path)).cells}
    for row in ("narrow", "mean", "ceiling"):
        drawn.clear()
        folder = CellFolder(tmp_path / "cells" / row)
        run_cell(folder, cells[row].config, 1)
        splits = folder.read_splits().set_index("id")["split"]
        scored = splits[folder.read_scores()["id"]]
        assert set(scored) == {"val"}
        assert len(scored) == (splits == "val").sum()
        assert set(splits[list(drawn)]) == ({"val"} if row == "ceiling" else {"train", "val"})


# What is printed


def results_of(folder, **keys) -> Results:
    """A finished search whose rows' scores are made up: ``wide`` is ahead of ``narrow`` by 0.1 on every patient."""
    suite = read_suite(suite_file(folder, metrics=["SSIM"], **keys))
    results = Results(folder / "out")
    results.write_plan(suite.plan())
    for cell in suite.cells:
        at = {"narrow": 0.5, "wide": 0.6, "ceiling": 0.9}.get(cell.row, 0.7)
        noise = np.random.default_rng(cell.fold).normal(0, 0.05, 12)
        ids = [f"{cell.fold}-{number}" for number in range(12)]
        scores = pd.DataFrame({"id": ids, "patient": ids, "organ": "", "device": "", "label": 0, "SSIM": at + noise})
        own = results.cell(cell.hash)
        own.path.mkdir(parents=True, exist_ok=True)
        own.write_scores(scores, [METRIC["SSIM"]])
        facts = {"data": "phantoms", "task": "swe", "unit": "kPa", "size": [32, 32], "images": {"val": 12, "test": 9}}
        own.mark_finished(facts, "")
    return results


def test_the_table_says_what_was_chosen_on_whom_and_how_surely(tmp_path):
    (table,) = make_tables(results_of(tmp_path))
    best = table.cells[table.cells["row"] == "wide"]["mean"].iloc[0]
    assert table.notes[0] == (
        "Search: scored on 12 validation patients, on no test patient, to choose by SSIM, higher is better. "
        f"The best row is 'wide' (SSIM {best:.4f}); to the second, "
        "'narrow', +0.1000, 95 % interval +0.1000 to +0.1000."
    )
    assert "its score is no result" in table.notes[1]
    assert any(note.startswith("1 run a row") for note in table.notes)
    assert table.notes[0] in table.markdown()
    assert set(table.tests["row"]) == {"wide"}, "the best is compared with all others, though nobody names it"
    assert set(table.tests["other"]) == {"narrow", "identity", "mean", "linear"}


def test_a_row_that_is_named_is_compared_instead_and_the_report_shows_all(tmp_path):
    results = results_of(tmp_path, compare="narrow", folds=[0, 1])
    (table,) = make_tables(results)
    assert set(table.tests["row"]) == {"narrow"}
    assert "scored on 12 validation patients a fold" in table.notes[0]
    assert main(["report", str(results.out)]) == 0
    page = results.report.read_text()
    assert "The best row is &#39;wide&#39;" in page
    assert "Scores of single validation images; the dot is their mean." in page
    assert "test images" not in page


def some(values: dict[str, list[float]], metric: str = "SSIM") -> pd.DataFrame:
    parts = [
        pd.DataFrame({"row": row, "fold": 0, "seed": 0, metric: own, "id": range(len(own)), "patient": range(len(own))})
        for row, own in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def table_of(*candidates: str) -> PlannedTable:
    return PlannedTable("t", "T", ["SSIM"], {}, search="SSIM", candidates=list(candidates))


def test_the_direction_is_the_metrics_and_others_than_candidates_are_not_chosen():
    scores = some({"a": [1.0, 2.0], "b": [3.0, 4.0], "ceiling": [0.0, 9.0]}, "MAE")
    assert ranked(table_of("a", "b"), METRIC["MAE"], scores, 1) == ["a", "b"]
    up = scores.rename(columns={"MAE": "SSIM"})
    assert ranked(table_of("a", "b"), METRIC["SSIM"], up, 1) == ["b", "a"]
    assert "lower is better. The best row is 'a'" in next(
        search_notes(table_of("a", "b"), METRIC["MAE"], {"": scores}, 1)
    )


def test_rows_without_all_their_runs_are_no_choice_and_are_counted():
    scores = some({"a": [0.1, 0.2, 0.3]})
    lines = list(search_notes(table_of("a", "b"), METRIC["SSIM"], {"": scores}, 1))
    assert "The best row is 'a' (SSIM 0.2000), and the only one." in lines[0]
    assert lines[1] == "Search: 1 of 2 rows are not finished or have failed, and no choice."
    for nothing, runs in ((scores, 2), (scores[:0], 1), (scores.drop(columns="SSIM"), 1)):
        (line,) = search_notes(table_of("a", "b"), METRIC["SSIM"], {"": nothing}, runs)
        assert line == "Search: no row is finished and has a SSIM; nothing is chosen yet."


def test_a_difference_that_may_be_chance_is_called_so_and_columns_have_a_line_each():
    rng = np.random.default_rng(0)
    scores = some({"a": list(0.5 + rng.normal(0, 0.1, 20)), "b": list(0.5 + rng.normal(0, 0.1, 20))})
    lines = list(search_notes(table_of("a", "b"), METRIC["SSIM"], {"A>A": scores, "A>B": scores}, 1))
    assert [line.split(":")[0] for line in lines[:2]] == ["Search, A>A", "Search, A>B"]
    assert "which has 0 in it: they are not told apart." in lines[0]


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": "PSNR"}, "table 't': search 'PSNR' is none of its metrics; name one of SSIM, ME, Frechet VGG"),
        ({"search": None}, "table 't': search is empty, not a text"),
        ({"search": ["SSIM"]}, "search is .*, not a text"),
        (
            {"data": {"fractions": [0.7, 0.0, 0.3]}},
            r"validation patients, and the fractions \[0.7, 0.0, 0.3\] leave none",
        ),
        ({"rows": {"wide": {"data": {"fractions": [0.7, 0, 0.3]}}}}, "leave none; give them a part"),
        ({**SETS, "sets": {"A": {"fractions": [0.7, 0, 0.3]}, "B": {}}}, "leave none; give them a part"),
        ({"paper": {"paper": "sswe", "table": "text"}}, "'paper' stands beside scores of test patients"),
        ({"reference": {"paper": "sswe", "table": "text"}}, "'reference' stands beside scores of test patients"),
        ({**SETS, "radiomics": {"pairs": "A>B", "sets": "A>A"}}, "'radiomics' is measured on test patients, and a se"),
        ({**SETS, "latent": ["A>A"]}, "'latent' is measured on test patients, and a search has none; leave it out"),
        ({"data": {"test_split": "val"}}, "data: test_split is what 'search: METRIC' sets; write that in its place"),
        ({"search": "", "rows": {"wide": {"data": {"test_split": "val"}}}}, "test_split is what 'search: METRIC' sets"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as error:
        read_suite(suite_file(tmp_path, change))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("metrics", "why"),
    [
        (["ME"], "it has no direction, its best is the closest to 0"),
        (["FID"], "it is one number of a whole set, so how sure a choice by it is cannot be said"),
        (["MI_source"], "in likeness to the source nothing beats the source itself"),
        (["Dice"], "it is measured by an analysis"),
    ],
)
def test_a_metric_that_nothing_can_be_chosen_by_is_refused_before_anything_runs(tmp_path, capsys, metrics, why):
    file = suite_file(tmp_path, metrics=metrics, search=metrics[0])
    assert main(["run", file, "--out", str(tmp_path / "out")]) == 2
    assert f"error: table 't': search '{metrics[0]}': {why}; name another of its metrics" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_search_by_a_metric_whose_weights_are_missing_is_left_out(tmp_path):
    both = suite_file(tmp_path, metrics=["LPIPS", "SSIM"], search="LPIPS", evaluation={"lpips_weights": "imagenet"})
    with pytest.raises(InputError, match=r"nothing to run: table 't' is left out; .*\$SONOZOO_WEIGHTS"):
        read_suite(both)

"""Suites that ask for metrics on pretrained networks, with and without their weights on the machine."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.layers import merge
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.results import Results
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_tables
from datamodules import InputError
from tests.conftest import ROOT, WEIGHTS_ROOT
from tests.facts import METRIC
from tests.trunks import real_weights

SUITE = {
    "title": "Tiny",
    "tables": {
        "elasticity": {
            "title": "B-mode to Young's modulus",
            "metrics": ["MAE", "LPIPS", "Frechet VGG"],
            "data": {"patients": 12, "size": [32, 32], "batch_size": 4, "augmentation": None},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "rows": {"U-Net": {"config": "sswe.yaml", "model": {"width": 4}}},
        }
    },
}
ASKED = {"lpips_weights": "imagenet", "frechet_weights": "imagenet"}
TO_LPIPS = (
    "put alexnet_features.pth or https://download.pytorch.org/models/alexnet-owt-7be5be79.pth into $SONOZOO_WEIGHTS "
    "or torch's cache, $TORCH_HOME/hub/checkpoints"
)


def write(folder, **table):
    suite = merge(SUITE, {"tables": {"elasticity": table}})
    (folder / "tiny.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    return str(folder / "tiny.yaml")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """``$SONOZOO_WEIGHTS``, empty; torch's cache is so too."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("SONOZOO_WEIGHTS", str(folder))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return folder


def hashes(suite) -> list[str]:
    return [cell.hash for cell in suite.cells]


def test_without_weights_a_metric_is_left_out_and_cells_are_as_if_nobody_had_asked(tmp_path, own_folder):
    suite = read_suite(write(tmp_path, evaluation=ASKED | {"lpips_backbone": "alex"}))
    planned = suite.tables["elasticity"]
    assert planned.metrics == ["MAE"]
    assert list(planned.unscored) == ["LPIPS", "Frechet VGG"]
    assert suite.left_out[0] == f"LPIPS is left out of table 'elasticity'; {TO_LPIPS}"
    assert suite.left_out[1].startswith("Frechet VGG is left out of table 'elasticity'; put vgg16_features.pth or ")
    assert not any(cell.config["evaluation"] for cell in suite.cells)
    assert hashes(suite) == hashes(read_suite(write(tmp_path)))
    assert PlannedTable.from_json("elasticity", json.loads(json.dumps(planned.as_json()))) == planned


def test_with_weights_it_is_scored_and_no_path_is_in_a_cells_config(tmp_path, own_folder):
    without = read_suite(write(tmp_path))
    path = write(tmp_path, evaluation=ASKED)
    (own_folder / "vgg16-397923af.pth").touch()
    assert read_suite(path).tables["elasticity"].metrics == ["MAE", "Frechet VGG"]
    (own_folder / "alexnet_features.pth").touch()
    suite = read_suite(path)
    assert suite.tables["elasticity"].metrics == ["MAE", "LPIPS", "Frechet VGG"]
    assert (suite.left_out, suite.tables["elasticity"].unscored) == ([], {})
    assert not set(hashes(suite)) & set(hashes(without))
    for cell in suite.cells:
        assert cell.config["evaluation"] == ASKED
        assert str(own_folder) not in json.dumps(cell.config)


def test_another_backbone_asks_for_another_file(tmp_path, own_folder):
    (own_folder / "alexnet_features.pth").touch()
    path = write(tmp_path, evaluation={"lpips_weights": "imagenet", "lpips_backbone": "vgg"})
    assert "put vgg16_features.pth" in read_suite(path).left_out[0]
    (own_folder / "vgg16_features.pth").touch()
    assert not read_suite(path).left_out


def test_a_file_that_a_user_names_is_not_looked_for_elsewhere(tmp_path, own_folder):
    """It is the user's own word: if it is not there, the cell says so."""
    suite = read_suite(write(tmp_path, evaluation={"lpips_weights": "/nowhere/alex.pth"}))
    assert "LPIPS" in suite.tables["elasticity"].metrics
    assert suite.left_out == []
    assert {cell.config["evaluation"]["lpips_weights"] for cell in suite.cells} == {"/nowhere/alex.pth"}


def test_the_plan_says_what_is_left_out_and_fetches_nothing(tmp_path, own_folder, untimed, capsys):
    assert main(["plan", write(tmp_path, evaluation=ASKED), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"LPIPS is left out of table 'elasticity'; {TO_LPIPS}"
    assert sum(line.endswith(": to run") for line in said) == len(read_suite(write(tmp_path)).cells)
    assert not list(own_folder.iterdir())
    assert not (tmp_path / "torch").exists()


def test_a_table_without_any_metric_left_is_left_out_whole(tmp_path, own_folder):
    with pytest.raises(InputError) as caught:
        read_suite(write(tmp_path, metrics=["LPIPS"], evaluation=ASKED))
    assert f"nothing to run: table 'elasticity' is left out; {TO_LPIPS}" in str(caught.value)


def test_a_folder_of_weights_that_is_none_is_said(tmp_path, own_folder, untimed, monkeypatch, capsys):
    monkeypatch.setenv("SONOZOO_WEIGHTS", str(tmp_path / "typo"))
    assert main(["plan", write(tmp_path, evaluation=ASKED), "--out", str(tmp_path / "out")]) == 2
    assert f"error: $SONOZOO_WEIGHTS is '{tmp_path / 'typo'}': no such folder" in capsys.readouterr().err
    assert main(["plan", write(tmp_path), "--out", str(tmp_path / "out")]) == 0, "nobody asks for weights"


def printed_with(folder, data: dict, **planned) -> list[str]:
    """The notes of a table whose only cell says that of its data."""
    table = PlannedTable("t", "Table", ["MAE"], {"ours": "ours"}, **planned)
    results = Results(folder)
    results.write_plan(Plan("s", "S", {"t": table}, [PlannedCell("t", "ours", 0, 0, "h")]))
    cell = results.cell("h")
    cell.path.mkdir(parents=True)
    (cell / "scores.csv").write_text("id,patient,label,MAE\na,a,0,1.0\n")
    cell.write_metrics([METRIC["MAE"]])
    cell.mark_finished({"data": "phantoms", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {}} | data, "")
    return make_tables(results)[0].notes


def test_what_was_left_out_is_said_under_the_table(tmp_path):
    pretrained = {"LPIPS": "", "FID": "", "Frechet VGG": ""}
    notes = printed_with(tmp_path, {"pretrained": pretrained}, unscored={"LPIPS": TO_LPIPS})
    assert f"No LPIPS: its network's weights were not at hand; {TO_LPIPS}." in notes
    assert "No FID and Frechet VGG: no pretrained weights were named." in notes


@pytest.mark.parametrize(
    ("named", "note"),
    [((None, None), "No LPIPS and FID: no pretrained weights were named."),
     (("imagenet", None), "No FID: no pretrained weights were named."), (("imagenet", "/f.pth"), None)],
)  # fmt: skip
def test_cells_of_earlier_versions_say_it_too(named, note, tmp_path):
    notes = printed_with(tmp_path, dict(zip(("lpips_weights", "fid_weights"), named, strict=True)))
    assert [line for line in notes if "LPIPS" in line or "FID" in line] == ([note] if note else [])


@pytest.fixture(scope="module")
def scored(tmp_path_factory, cache):
    """A run with the real weights, in which one row names a file that holds none."""
    folder = tmp_path_factory.mktemp("scored")
    (folder / "bad.pth").write_bytes(b"no weights")
    rows = {"bad file": {"config": "sswe.yaml", "evaluation": {"lpips_weights": str(folder / "bad.pth")}}}
    path = write(folder, evaluation=ASKED, rows=rows)
    command = [sys.executable, "-m", "benchmarks", "run", path, "--out", str(folder / "out")]
    environment = os.environ | {"SONOZOO_WEIGHTS": str(WEIGHTS_ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    return folder / "out", done


@real_weights
def test_a_run_with_weights_prints_the_metrics_and_their_networks(scored):
    out, done = scored
    assert "6 cells, 1 failed" in done.stdout
    (table,) = make_tables(Results(out))
    wide = table.wide()
    for metric in ("LPIPS", "Frechet VGG"):
        assert all(float(wide.loc[row, metric]) > 0 for row in ("identity", "mean", "U-Net"))
    assert "LPIPS: v0.1 on AlexNet, pretrained on ImageNet." in table.notes
    assert any(note.startswith("Frechet VGG: Frechet distance on VGG-16's relu5_3, pooled") for note in table.notes)
    assert "No FID: no pretrained weights were named." in table.notes


@real_weights
def test_a_bad_file_costs_its_cell_and_no_other(scored):
    out, _ = scored
    results = Results(out)
    (failed,) = (cell for cell in results.plan.cells if cell.row == "bad file")
    assert "bad.pth: cannot be read as weights (UnpicklingError)" in results.cell(failed.hash).failure


@real_weights
def test_tables_are_remade_without_the_weights(scored, own_folder, capsys):
    out, _ = scored
    before = (out / "tables" / "elasticity.md").read_text()
    assert main(["tables", str(out)]) == 0
    assert (out / "tables" / "elasticity.md").read_text() == before
    assert "LPIPS" in capsys.readouterr().out

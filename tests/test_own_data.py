"""``run SUITE --data NAME=DIR``: a user's own images in the place of a suite's."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.own_data import parse
from benchmarks.results import Results
from benchmarks.suite import read_suite
from datamodules import InputError

FIT = {"size": [32, 32], "batch_size": 4, "augmentation": None, "fractions": [0.5, 0.2, 0.3]}
QUICK = {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0}
SUITE = {
    "tables": {
        "translation": {
            "title": "B-mode to strain image",
            "metrics": ["SSIM"],
            "data": FIT | {"patients": 12},
            "trainer": QUICK,
            "rows": {"Pix2Pix": {"config": "pix2pix.yaml", "model": {"depth": 3, "width": 4}}},
        },
        "harmonization": {
            "title": "Scanners",
            "metrics": ["MI_source"],
            "data": FIT,
            "trainer": QUICK,
            "sets": {"patients": {"patients": 12}, "object": {"task": "test_object", "patients": 40}},
            "columns": ["patients>patients", "patients>object"],
            "rows": {"FDA": {"config": "fda.yaml"}},
        },
        "diagnosis": {
            "title": "Diagnosis",
            "metrics": ["accuracy"],
            "sets": {"BUSI": {"class_path": "BUSI", "root": None, "classes": ["benign", "malignant"]}},
            "columns": ["BUSI>BUSI"],
            "rows": {"w/o EUS": {"config": "diagnosis.yaml", "model": {"second": "source"}}},
        },
    }
}


def write_suite(folder) -> str:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    return str(folder / "tiny.yaml")


def make_pictures(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def pairs(tmp_path):
    return make_pictures(tmp_path / "pairs", [f"{side}/{n}.png" for side in ("source", "target") for n in range(12)])


@pytest.fixture
def devices(tmp_path):
    return make_pictures(tmp_path / "devices", [f"{d}/{n}.png" for d in ("a", "reference") for n in range(10)])


def sections(tmp_path, *words) -> dict[str, dict]:
    """The data sections of the suite's cells, by table, and by column where there are some."""
    cells = read_suite(write_suite(tmp_path), parse(words)).cells
    return {cell.table: cell.config["data"] for cell in cells} | {
        column: section for cell in cells for column, section in cell.config.get("tests", {}).items()
    }


def test_pairs_take_the_place_of_a_table_with_its_size_split_and_signals(tmp_path, pairs):
    found = sections(tmp_path, f"translation={pairs}")["translation"]
    assert found["class_path"] == "PairedFolderDataModule"
    own = found["init_args"]
    assert own["root"] == str(pairs)
    assert (own["size"], own["fractions"], own["batch_size"]) == ([32, 32], [0.5, 0.2, 0.3], 4)
    assert (own["target"]["channels"], own["target"]["unit"], own["source"]["channels"]) == (3, "RGB", 1)
    assert not {"task", "patients"} & set(own)


def test_pairs_in_the_place_of_unpaired_data_are_drawn_unpaired_and_compared_with_both(tmp_path, pairs):
    own = sections(tmp_path, f"patients={pairs}")["patients>patients"]["init_args"]
    assert (own["unpaired"], own["references"]) == (True, ["target", "source"])
    own = sections(tmp_path, f"translation={pairs}")["translation"]["init_args"]
    assert ("unpaired" in own, own["references"]) == (False, ["target"])


def test_a_table_of_sets_may_be_replaced_whole(tmp_path, devices):
    found = sections(tmp_path, f"harmonization={devices}")
    assert found["patients>patients"]["class_path"] == found["patients>object"]["class_path"] == "DeviceFolders"


def test_signals_are_those_of_the_data_that_is_replaced(pairs, devices):
    """Also where the target is not as the source, and where the replaced data are no phantoms."""
    (own,) = parse([f"x={devices}", "x.target_device=a"]).values()
    swe = {"class_path": "PhantomDataModule", "init_args": {"task": "swe", "size": [8, 8]}}
    assert own.replace(swe)["init_args"]["signal"]["unit"] == "kPa"
    (own,) = parse([f"x={pairs}"]).values()
    target = {"channels": 1, "low": 0, "high": 9, "unit": "m/s"}
    files = {"class_path": "PairedFolderDataModule", "init_args": {"root": "other", "target": target}}
    assert own.replace(files)["init_args"] == {"root": str(pairs), "target": target}


def test_what_is_remembered_can_be_corrected(tmp_path, pairs, devices):
    gone = [f"translation={tmp_path / 'gone'}", "translation.foo=1", f"patients={devices}", "patients.fold=1"]
    found = parse([f"translation={pairs}", "patients.fold=2"], gone)
    assert found["translation"].root == pairs
    assert found["translation"].arguments == {}, "a new folder takes the place of all that was said of the old"
    assert found["patients"].arguments == {"fold": 2}
    assert parse(found["patients"].words()) == {"patients": found["patients"]}


def test_only_the_tables_that_use_it_say_so(tmp_path, pairs):
    tables = read_suite(write_suite(tmp_path), parse([f"translation={pairs}"])).tables
    assert tables["translation"].own_data == {"translation": "pairs"}
    assert tables["harmonization"].own_data == {}
    (pairs / "mine.csv").write_text("id,patient,source\n1,1,source/1.png\n")
    tables = read_suite(write_suite(tmp_path), parse([f"object={pairs / 'mine.csv'}"])).tables
    assert tables["harmonization"].own_data == {"object": "pairs"}, "not the manifest's name"


def test_a_null_root_is_found_wherever_it_stands(tmp_path):
    """In a row, and under a table's module that a set lays something over."""
    busi = {"class_path": "BUSI", "root": None}
    of_row = {"metrics": ["SSIM"], "rows": {"U-Net": {"config": "sswe.yaml", "data": busi}}}
    sets = {"A": {"classes": ["benign", "malignant"]}}
    of_table = SUITE["tables"]["diagnosis"] | {"data": busi, "sets": sets, "columns": ["A>A"]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({"tables": {"row": of_row, "table": of_table}}))
    with pytest.raises(
        InputError, match=r"table 'row' is left out; name .* --data BUSI=DIR; table 'table' is left out"
    ):
        read_suite(str(tmp_path / "s.yaml"))
    for name in ("BUSI", "A"):
        suite = read_suite(str(tmp_path / "s.yaml"), parse([f"{name}={tmp_path}"]))
        assert set(suite.tables) == ({"row", "table"} if name == "BUSI" else {"table"})
        assert {cell.config["data"]["init_args"]["root"] for cell in suite.cells} == {str(tmp_path)}


def test_arguments_are_set_by_name_also_nested_ones(tmp_path, pairs):
    words = [f"translation={pairs}", "translation.target.channels=1", "translation.patient_separator=_"]
    own = sections(tmp_path, *words)["translation"]["init_args"]
    assert own["target"] == {"channels": 1, "low": 0.0, "high": 255.0, "unit": "RGB"}
    assert own["patient_separator"] == "_"


def test_a_folder_a_device_takes_the_place_of_a_set_alone(tmp_path, devices):
    found = sections(tmp_path, f"patients={devices}")
    assert found["patients>patients"] == found["harmonization"]
    assert found["harmonization"]["class_path"] == "DeviceFolders"
    assert found["harmonization"]["init_args"]["target_device"] == "reference"
    assert found["patients>object"]["init_args"]["task"] == "test_object"
    told = sections(tmp_path, f"patients={devices}", "patients.target_device=a")
    assert told["harmonization"]["init_args"]["target_device"] == "a"


def test_a_manifest_is_read_as_one(tmp_path, pairs):
    (pairs / "manifest.csv").write_text("id,patient,source\n1,1,source/1.png\n")
    for root in (pairs, pairs / "manifest.csv"):
        assert sections(tmp_path, f"patients={root}")["harmonization"]["class_path"] == "PairedFolderDataModule"


def test_a_module_that_waits_for_its_folder_keeps_its_arguments(tmp_path):
    without = read_suite(write_suite(tmp_path))
    assert "diagnosis" not in without.tables, "it has no other columns"
    assert without.left_out == ["table 'diagnosis' is left out; name the folder of images by --data BUSI=DIR"]
    found = sections(tmp_path, f"BUSI={tmp_path}")["diagnosis"]
    assert found["class_path"] == "BUSI"
    assert found["init_args"]["classes"] == ["benign", "malignant"]
    assert found["init_args"]["root"] == str(tmp_path)


def test_nothing_else_is_run_again(tmp_path, pairs):
    path = write_suite(tmp_path)
    before, after = (read_suite(path, parse(words)).cells for words in ([], [f"translation={pairs}"]))
    hashes = [{cell.hash for cell in cells if cell.table == "harmonization"} for cells in (before, after)]
    assert hashes[0] == hashes[1]
    assert not {c.hash for c in before if c.table == "translation"} & {c.hash for c in after}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody=ROOT"], r"the suite 'tiny' has no table or set of that name; it has BUSI, diagnosis, harmonization"),
        (["translation=ROOT/scans", "translation.size=[1,"], r"'\[1,' is not YAML"),
        (["translation=ROOT/scans", "translation.root=x"], "the folder is named by --data translation=x"),
        (["translation=ROOT/scans", "translation.a..b=1"], "write NAME=DIR, or NAME.KEY=VALUE"),
        (["translation=ROOT/tiny.yaml"], "is neither a folder nor a manifest CSV; name one"),
        (
            ["patients=ROOT/scans", "patients.target_device=a", "patients.foo=1"],
            "patients.foo: DeviceFolders, .* no such",
        ),
        (["translation=ROOT/none"], "no such folder or manifest; correct the path"),
        (["translation"], "write NAME=DIR, or NAME.KEY=VALUE"),
        (["=ROOT"], "write NAME=DIR, or NAME.KEY=VALUE"),
        (["translation.fold=1"], "--data translation.fold: also say --data translation=DIR"),
        (["patients=ROOT/scans"], "its devices are a, b; say which one is the target: --data patients.target_device=a"),
        (["patients=ROOT/empty"], "holds neither source/ .*, nor a manifest.csv, nor a folder a device; arrange"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(tmp_path, words, message):
    make_pictures(tmp_path / "scans", ["a/1.png", "b/1.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message) as error:
        read_suite(write_suite(tmp_path), parse([word.replace("ROOT", str(tmp_path)) for word in words]))
    assert len(str(error.value).splitlines()) == 1


def test_a_run_remembers_its_data_and_says_so_under_the_table(tmp_path, pairs, devices, capsys):
    command = ["run", write_suite(tmp_path), "--out", str(tmp_path / "out"), "--jobs", "1"]
    words = [f"translation={pairs}", "translation.target.channels=1", f"patients={devices}"]
    assert main([*command, *(part for word in words for part in ("--data", word))]) == 0
    first = capsys.readouterr().out
    assert "Measured on pairs: task pairs, 32 x 32 pixels, images 6 train, 2 val, 4 test." in first
    assert "Own data in the place of translation: pairs." in first
    assert "In the place of patients: devices" in first
    assert "table 'diagnosis' is left out; name the folder of images by --data BUSI=DIR" in first
    assert f"translation={pairs}" in Results(tmp_path / "out").plan.data
    assert main(command) == 0, "the same, by what the plan remembers"
    again = capsys.readouterr().out
    assert "5 of 5 cells are finished already" in again
    tables = [text[text.index("###") : text.index("tables: ")] for text in (first, again)]
    assert tables[0] == tables[1]
    shutil.rmtree(pairs)
    assert main(command) == 2
    assert f"--data translation={pairs}: no such folder" in capsys.readouterr().err

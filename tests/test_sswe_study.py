"""The sSWE study by suite: sets of several planes a patient, columns of one training, and the latent space."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.analyses.latent import LatentMeasurement, mixing, principal_components
from benchmarks.results import Results
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_tables
from datamodules import InputError
from datamodules.phantom.simulate import PhantomSource, phantom_rows
from datamodules.splits import split_patients

SUITE = {
    "title": "Tiny",
    "tables": {
        "three_planes": {
            "title": "Prostate, three planes a patient",
            "metrics": ["RMSE", "ME", "MAE"],
            "per": "patient",
            "paper": {"paper": "sswe", "table": "text"},
            "compare": "U-Net with augmentation",
            "data": {
                "task": "prostate",
                "patients": 4,
                "test_planes": 3,
                "fractions": [0.5, 0.0, 0.5],
                "size": [32, 32],
                "batch_size": 8,
            },
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "model": {"width": 4},
            "rows": {
                "U-Net with augmentation": {"config": "sswe.yaml"},
                "U-Net without augmentation": {"config": "sswe.yaml", "data": {"augmentation": None}},
            },
        },
        "generalization": {
            "title": "Other views, scanners and organs",
            "metrics": ["RMSE", "ME", "MAE", "AUC_confidence"],
            "per": "patient",
            "paper": {
                "paper": "sswe",
                "columns": {
                    "prostate>thyroid": {"table": "text", "method": "U-Net trained on prostate"},
                    "prostate>prostate": {"table": "text", "method": "U-Net trained on thyroid"},
                },
            },
            "data": {
                "task": "prostate",
                "patients": 4,
                "fractions": [0.5, 0.0, 0.5],
                "size": [32, 32],
                "batch_size": 8,
                "augmentation": None,
            },
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "model": {"width": 4},
            "sets": {
                "prostate": {},
                "full screen": {"field_mm": [60, 60], "size": [48, 48]},
                "scanner B": {"scanner": "scanner B"},
                "thyroid": {"task": "thyroid"},
            },
            "columns": ["prostate>prostate", "prostate>full screen", "prostate>scanner B", "prostate>thyroid"],
            "latent": ["prostate>prostate", "prostate>scanner B"],
            "rows": {
                "plain": {"config": "sswe.yaml", "paper_method": "U-Net trained on prostate"},
                "confident": {"config": "sswe.yaml", "model": {"confidence": 0.1}},
                "aligned": {"config": "sswe.yaml", "model": {"align": True}},
                "mean": {
                    "config": "sswe.yaml",
                    "class_path": "benchmarks.run.baselines.MeanTarget",
                    "columns": ["prostate>prostate", "prostate>scanner B"],
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def out(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("sswe")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--jobs", "2"]) == 0
    return folder / "out"


def test_one_training_is_scored_on_every_column_per_patient(out):
    tables = {table.key: table for table in make_tables(Results(out))}
    wide = tables["generalization"].wide()
    for column in SUITE["tables"]["generalization"]["columns"]:
        assert "±" in wide.loc["plain", f"RMSE, {column}"]
        assert wide.loc["plain", f"AUC_confidence, {column}"] == "-"
        assert 0 <= float(wide.loc["confident", f"AUC_confidence, {column}"].split()[0]) <= 1
    assert wide.loc["plain", "RMSE, prostate>thyroid, paper"] == "1.01 ± 0.33"
    assert "RMSE, prostate>prostate, paper" not in wide, "the column's method is another"
    assert "RMSE, ME, MAE in kPa; in m/s for prostate>thyroid." in tables["generalization"].notes
    assert float(wide.loc["plain", "MAE, prostate>thyroid"].split()[0]) < 10, "m/s, of a network that gives kPa"


def test_three_planes_a_patient_are_tested_and_the_papers_p_values_stand_beside_ours(out):
    table = next(table for table in make_tables(Results(out)) if table.key == "three_planes")
    assert any(note.endswith("0 val, 6 test.") for note in table.notes), table.notes
    assert table.wide().loc["U-Net with augmentation", "RMSE, paper"] == "8.80 ± 1.70"
    same = table.tests["other"] == "U-Net without augmentation"
    papers = table.tests[same].set_index("metric")["paper"]
    assert papers.to_dict() == {"RMSE": 0.0035, "ME": 0.59, "MAE": 0.026}
    assert table.tests[~same]["paper"].isna().all()
    assert "p, t-test, paper" in table.printed_tests()


@pytest.mark.parametrize("suite", ["sswe_small", "paper"])
def test_the_papers_patients_are_trained_on_and_tested(suite):
    """40 and 10 prostates, of which ``three_planes`` tests 30 images; 165 and 50 thyroids; in every fold."""
    cells = [cell for cell in read_suite(suite).cells if cell.table in ("prostate", "three_planes", "generalization")]
    sections = [cell.config["data"] for cell in cells] + [
        d for cell in cells for d in cell.config.get("tests", {}).values()
    ]
    wanted = {"prostate": {"train": 40, "test": 10}, "thyroid": {"train": 165, "test": 50}}
    settings = {json.dumps(section["init_args"], sort_keys=True) for section in sections}
    for own in map(json.loads, settings):
        source = PhantomSource(own["task"], own["patients"], (32, 32))
        rows = phantom_rows(source, np.zeros((len(source), 1, 1, 2), bool))
        split = split_patients(rows, own["fractions"], own["fold"])
        assert rows["patient"].groupby(split).nunique().to_dict() == wanted[own["task"]], own
    planes = {cell.table: cell.config["data"]["init_args"].get("test_planes") for cell in cells}
    assert planes == {"prostate": None, "three_planes": 3, "generalization": None}


def test_scanners_are_looked_at_in_the_latent_space(out):
    tables = {table.key: table for table in make_tables(Results(out))}
    wide = tables["generalization_latent"].wide()
    assert list(wide.index) == ["plain", "confident", "aligned"], "a trivial row has no such space"
    assert wide["mixing"].astype(float).between(0, 2).all()
    assert "mixing" in (out / "figures" / "generalization_latent_tsne.svg").read_text()
    assert "t-SNE of the latent space" in (out / "report.html").read_text()
    (_, cell), *_ = Results(out).finished("generalization")
    table = pd.read_csv(cell / "latent.csv.gz")
    assert table.groupby("column")["id"].nunique().nunique() == 1
    assert set(table["device"]) == {"cart", "scanner B"}


def test_the_gallery_shows_every_column_and_the_error_as_a_part_of_the_value(out):
    names = json.loads((out / "figures" / "generalization_gallery.json").read_text())
    assert names[:4] == ["source", "target", "plain", "plain: error, 0 to 100 %"]
    picture = Image.open(out / "figures" / "generalization_gallery.png")
    assert picture.size == (32 * len(names), 32 * 4), "the full screen's picture is brought to the others' width"


def test_mixing_is_1_for_one_cloud_and_0_for_two():
    rng = np.random.default_rng(0)
    groups, patients = np.repeat(["a", "b"], 60), np.arange(120).astype(str)
    cloud = rng.normal(size=(120, 5))
    assert mixing(cloud, groups, patients) == pytest.approx(1, abs=0.12)
    assert mixing(cloud + 50 * (groups == "a")[:, None], groups, patients) == 0
    centres = rng.normal(size=(60, 5))
    images = np.repeat(centres, 12, axis=0) + 1e-3 * rng.normal(size=(720, 5))
    own = np.repeat(np.arange(60), 12).astype(str)
    alone = mixing(images, np.repeat(np.tile(["a", "b"], 30), 12), own)
    assert alone == pytest.approx(1, abs=0.4), "a patient's other images, all of one scanner, are no neighbours"


def test_principal_components_keep_distances():
    points = np.random.default_rng(0).normal(size=(20, 300))
    found = principal_components(points)
    assert found.shape == (20, 19)
    assert np.linalg.norm(found[0] - found[7]) == pytest.approx(np.linalg.norm(points[0] - points[7]))


def test_maps_of_two_sizes_are_refused():
    measured = LatentMeasurement(["a>a", "a>b"])
    for column, size in (("a>a", 4), ("a>b", 6), ("b>b", 8)):
        method = SimpleNamespace(trainable=True, latent=lambda source, size=size: torch.zeros(2, 1, size, size))
        batch = {"source": torch.zeros(2, 1, 8, 8), "id": ["1", "2"], "patient": ["1", "2"], "device": ["", ""]}
        measured.take(column, method, batch, {})
        if column == "a>b":
            with pytest.raises(InputError, match="a>a, a>b have images of different sizes; name columns of one size"):
                measured.finish(column, None)
    assert len(measured.maps) == 4, "other columns are not looked at"

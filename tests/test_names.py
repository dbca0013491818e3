"""Patients and ids are text from the manifest to every table: NA, null, 001 and 1 are four patients."""

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.analyses.radiomics.comparison import predict, read_features
from benchmarks.results import Results, read_images
from benchmarks.tables.statistics import by_patient, compare
from datamodules import DeviceFolders, PairedFolderDataModule

NAMES = ["NA", "null", "001", "1"]
TINY = {"size": [32, 32], "batch_size": 4, "augmentation": None}
SUITE = {
    "tables": {
        "pairs": {
            "title": "Handheld to cart",
            "metrics": ["SSIM", "Dice"],
            "per": "patient",
            "compare": "FDA",
            "data": TINY,
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "sets": {"own": {"class_path": "PairedFolderDataModule", "root": None}},
            "columns": ["own>own"],
            "radiomics": {"pairs": "own>own", "sets": "own>own", "wavelet": ""},
            "rows": {
                "original": {"config": "fda.yaml", "class_path": "benchmarks.run.baselines.Identity"},
                "FDA": {"config": "fda.yaml"},
            },
        }
    }
}


def write_images(folder) -> None:
    """Two images of each of the four patients to test on, and of ten others to train on."""
    rng = np.random.default_rng(0)
    lesion = np.zeros((32, 32), np.uint8)
    lesion[8:24, 8:24] = 255
    rows = []
    for patient in [*NAMES, *(f"t{n}" for n in range(10))]:
        for plane in (0, 1):
            name = f"{len(rows):03d}.png"
            for side in ("source", "target", "lesion"):
                (folder / side).mkdir(parents=True, exist_ok=True)
                picture = lesion if side == "lesion" else rng.integers(0, 255, (32, 32), dtype=np.uint8)
                Image.fromarray(picture).save(folder / side / name)
            own = {"id": f"{patient}" if plane else f"0{patient}", "patient": patient, "organ": "None", "device": "07"}
            files = {side: f"{side}/{name}" for side in ("source", "target", "lesion")}
            split = "test" if patient in NAMES else "train" if int(patient[1:]) < 8 else "val"
            rows.append(own | files | {"split": split, "outcome": plane})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache) -> Results:
    folder = tmp_path_factory.mktemp("names")
    write_images(folder / "data")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    command = ["run", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--jobs", "1"]
    assert main([*command, "--data", f"own={folder / 'data'}"]) == 0
    return Results(folder / "out")


def test_scores_on_disk_keep_every_patient_and_id(results):
    scores = results.scores("pairs")
    assert list(dict.fromkeys(scores["patient"])) == NAMES
    assert set(scores["id"]) == {*NAMES, *(f"0{name}" for name in NAMES)}
    assert set(scores["organ"]) == {"None"}
    assert set(scores["device"]) == {"07"}
    assert scores["SSIM"].dtype == float
    assert scores["label"].isna().all(), "there are none"


def test_a_table_of_patients_counts_four(results):
    metrics = results.metrics("pairs")
    patients = by_patient(results.scores("pairs"), metrics.values())
    own = patients[patients["row"] == "FDA"]
    assert own["patient"].tolist() == NAMES
    images = results.scores("pairs").query("row == 'FDA' and patient == '001'")["SSIM"]
    assert own.loc[own["patient"] == "001", "SSIM"].item() == pytest.approx(images.mean())
    both = (patients[patients["row"] == row] for row in ("FDA", "original"))
    found = compare(*both, metrics["SSIM"])
    assert np.isfinite(found.t_test_patients), "paired over four"


def test_features_keep_every_patient(results):
    features = read_features(results, "pairs")
    assert list(dict.fromkeys(features["patient"])) == NAMES
    assert features["outcome"].isin([0, 1]).all()
    lesions = features[(features["of"] == "made") & (features["region"] == "part 0") & (features["row"] == "FDA")]
    assert len(lesions) == 8
    facts = lesions.assign(outcome=[0, 1] * 4).reset_index(drop=True)
    found = predict(facts, facts[["original_firstorder_Mean"]], seed=0)
    sides = found.scores.groupby("patient")["cohort"].nunique()
    assert (len(sides), set(sides)) == (4, {1}), "both images of each on one side"


def test_data_say_when_images_count_as_patients(tmp_path):
    write_images(tmp_path / "pairs")
    unnamed = "Images count as patients in pairs: no table of patients was given."
    shape = {"size": (32, 32)}
    named = PairedFolderDataModule(tmp_path / "pairs", **shape)
    named.manifest()
    assert named.remark == ""
    (tmp_path / "pairs" / "manifest.csv").unlink()
    for separator, remark in ((None, unnamed), ("_", "")):
        folder = PairedFolderDataModule(tmp_path / "pairs", patient_separator=separator, **shape)
        devices = DeviceFolders(tmp_path / "pairs", "target", patient_separator=separator, **shape)
        for data in (folder, devices):
            data.manifest()
            assert data.remark == remark


def test_empty_numbers_are_missing_and_empty_texts_are_empty(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("id,patient,organ,label,SSIM\nNA,001,,1,0.25\nnull,1,,,\n")
    scores = read_images(table)
    assert scores[["id", "patient", "organ"]].to_numpy().tolist() == [["NA", "001", ""], ["null", "1", ""]]
    assert scores["SSIM"].tolist()[0] == 0.25
    assert scores[["label", "SSIM"]].iloc[1].isna().all()

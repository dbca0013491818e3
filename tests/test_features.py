"""The radiomics features of a cell's test images."""

import json
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.__main__ import main
from benchmarks.results import CellFolder, Results
from benchmarks.run.cell import _scores
from benchmarks.tables.make import make_tables
from datamodules.batch import Task
from zoo.evaluation import Evaluation

TINY = {"depth": 3, "width": 4}
SUITE = {
    "title": "Tiny",
    "tables": {
        "harmonization": {
            "title": "Four scanners to a fifth",
            "metrics": ["PSNR", "MI_source", "Dice"],
            "data": {"patients": 40, "size": [64, 64], "batch_size": 4, "augmentation": None},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "sets": {"patients": {}, "object": {"task": "test_object", "patients": 12}},
            "columns": ["patients>patients", "patients>object"],
            "radiomics": {"sets": "patients>patients", "pairs": "patients>object", "wavelet": ""},
            "paper": {"paper": "harmonizer", "columns": {"patients>object": "Fig 4a", "patients>patients": 2}},
            "rows": {
                "original": {"config": "harmonizer.yaml", "class_path": "benchmarks.run.baselines.Identity"},
                "FDA": {"config": "fda.yaml"},
                "full": {"config": "harmonizer.yaml", "model": TINY, "paper_method": "CycleGAN + SN + SE + Mix"},
            },
        }
    },
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("features")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    assert main(["run", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--jobs", "2"]) == 0
    results = Results(folder / "out")
    return {cell.row: results.cell(cell.hash) for cell in results.plan.cells}


def out_of(cells):
    """The results folder that the cells lie in."""
    return cells["full"].path.parent.parent


def test_every_row_is_tested_on_every_column(cells):
    for folder in cells.values():
        scores = pd.read_csv(folder / "scores.csv")
        assert set(scores["column"]) == {"patients>patients", "patients>object"}
        assert scores.loc[scores["column"] == "patients>object", "SSIM"].notna().all(), "the test object has pairs"
        assert scores.loc[scores["column"] == "patients>patients", "Dice"].between(0, 1).all()


def test_an_image_that_stays_as_it_is_keeps_its_lesion_and_its_features(cells):
    scores = pd.read_csv(cells["original"] / "scores.csv")
    assert (scores["Dice"] == 1).all()
    features = pd.read_csv(cells["original"] / "features.csv.gz")
    pairs = features.set_index(["column", "id", "region"])
    source, made = (pairs[pairs["of"] == of].filter(like="original_") for of in ("source", "made"))
    assert source.equals(made)
    assert source.shape[1] == 102


def test_regions_are_the_lesions_and_the_whole_image(cells):
    features = pd.read_csv(cells["full"] / "features.csv.gz")
    patients = features[features["column"] == "patients>patients"]
    of_target = set(patients.loc[patients["of"] == "target", "region"])
    assert "image" in of_target
    assert "part 0" not in of_target, "these are other patients"
    assert {"part 0", "image"} <= set(patients.loc[patients["of"] == "made", "region"])
    assert patients["outcome"].isin([0, 1]).all()
    phantom = features[features["column"] == "patients>object"]
    counts = phantom[phantom["id"] == phantom["id"].iloc[0]].groupby("of")["region"].nunique()
    assert counts.nunique() == 1, "source, made and target are measured on the same regions"
    assert counts.iloc[0] > 5, "grey-scale targets and cylinders"
    assert features.filter(regex="^(original|wavelet)").notna().all().all()


def test_the_papers_tables_are_made_of_them(cells):
    out = out_of(cells)
    tables = {table.key: table for table in make_tables(Results(out))}
    radiomics = tables["harmonization_radiomics"]
    wide = radiomics.wide()
    assert list(wide.index) == ["original", "FDA", "full"]
    assert wide.loc["original", "mean r"].endswith(")")
    assert "93 features of grey levels: bin width 4 of 256 levels, wavelet none" in radiomics.notes[0]
    assert "regions of 4 objects of 'patients>object'" in radiomics.notes[1]
    assert "Without a correlation, being constant: none" in radiomics.notes[1]
    by_feature = pd.read_csv(out / "tables" / "harmonization_correlations.csv", index_col="feature")
    shown = float(wide.loc["original", "mean r"].split()[0])
    assert by_feature["original"].mean() == pytest.approx(shown, abs=1e-3)
    assert len(by_feature) == 93, "shape is not of the image"
    outcome = tables["harmonization_outcome"].wide()
    assert list(outcome.index)[:3] == ["original", "FDA", "full"]
    scores = pd.read_csv(out / "tables" / "harmonization_outcome_scores.csv")
    own = scores[(scores["row"] == "full") & (scores["cohort"] == "validation")]
    area = roc_auc_score(own["outcome"], own["probability"])
    assert float(outcome.loc["full", "AUC, validation"].split()[0]) == pytest.approx(area, abs=1e-3)
    assert "same split for every row" in tables["harmonization_outcome"].notes[0]
    assert "Radiomics of: Four scanners to a fifth" in (out / "report.html").read_text()


def test_the_papers_numbers_stand_beside_ours(cells):
    tables = {table.key: table for table in make_tables(Results(out_of(cells)))}
    own, radiomics, outcome = (tables[f"harmonization{tail}"].wide("**{}**") for tail in ("", "_radiomics", "_outcome"))
    assert own.loc["original", "PSNR, patients>object, paper"] == "11.18 ± 0.69"
    assert own.loc["full", "MI_source, patients>object, paper"] == "4.780 ± 0.070"
    assert own.loc["full", "MI_source, patients>patients, paper"] == "4.780 ± 0.070"
    assert own.loc["full", "PSNR, patients>patients"] == "-", "these are no pairs"
    assert not own.filter(like="MI_source").map(lambda text: "**" in text).any(axis=None), "with the source: no contest"
    assert list(radiomics["mean r, paper"]) == ["0.60 (0.53 to 0.65)", "", "0.81 (0.77 to 0.86)"]
    assert outcome.loc["original", "AUC, validation, paper"] == "0.780 (0.64 to 0.93)"
    assert outcome.loc["FDA", "features, selected, paper"] == "4"
    assert "in the harmonizer paper, patients>object: Fig 4a; patients>patients: table 2" in " ".join(
        tables["harmonization"].notes
    )


def test_likeness_is_also_given_without_wavelets(cells, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(out_of(cells), out)
    for path in (out / "cells").glob("*/features.csv.gz"):
        texture = {name: name.replace("original", "wavelet-HH") for name in pd.read_csv(path) if "_glcm_" in name}
        pd.read_csv(path).rename(columns=texture).to_csv(path, index=False)
    radiomics = {table.key: table for table in make_tables(Results(out))}["harmonization_radiomics"]
    by_feature = radiomics.files["harmonization_correlations"].set_index("feature")["FDA"]
    wide = radiomics.wide()
    of_scanners = [f"mean r, scanner {name}" for name in "ABCD"]
    assert [name for name in wide if name not in of_scanners] == [
        "mean r", "mean r, paper", "mean r, without wavelets", "Frechet distance",
        "Frechet distance, without wavelets", "FRD", "FRD, without wavelets",
    ]  # fmt: skip
    plain = by_feature[~by_feature.index.str.startswith("wavelet")]
    assert float(wide.loc["FDA", "mean r"].split()[0]) == pytest.approx(by_feature.mean(), abs=1e-3)
    assert float(wide.loc["FDA", "mean r, without wavelets"].split()[0]) == pytest.approx(plain.mean(), abs=1e-3)
    distances = wide.loc["FDA", ["Frechet distance", "Frechet distance, without wavelets"]].astype(float)
    assert distances.iloc[1] < distances.iloc[0]


def test_an_outcome_that_cannot_be_predicted_is_said_and_costs_no_other_table(cells, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(out_of(cells), out)
    for path in (out / "cells").glob("*/features.csv.gz"):
        pd.read_csv(path).assign(outcome=1, original_firstorder_Mean=1.0).to_csv(path, index=False)
    tables = {table.key: table for table in make_tables(Results(out))}
    assert set(tables) == {"harmonization", "harmonization_radiomics"}
    notes = " ".join(tables["harmonization_radiomics"].notes)
    assert "No prediction of the outcome: a cohort of" in notes
    assert "original: original_firstorder_Mean" in notes


def test_the_gallery_shows_images_of_every_column(cells):
    out = out_of(cells)
    picture = Image.open(out / "figures" / "harmonization_gallery.png")
    names = json.loads((out / "figures" / "harmonization_gallery.json").read_text())
    assert names == ["source", "target", "original", "FDA", "full"]
    assert picture.size == (64 * 5, 64 * 4), "two patients and two views of the test object"


def test_every_column_has_its_own_fid(tmp_path):
    """Each test writes one number for its whole set; none may stand in for another's."""

    class Trainer:
        callbacks = [Evaluation(Task("none"))]

        def __init__(self, fid):
            self.fid = fid

        def test(self, model, data, verbose):
            (tmp_path / "scores_test.csv").write_text("id,PSNR\na,20\nb,22\n")
            if self.fid:
                (tmp_path / "scores_test_set.csv").write_text(f"FID,images\n{self.fid},2\n")

    found = [
        _scores(SimpleNamespace(trainer=Trainer(fid), datamodule=None), None, CellFolder(tmp_path))[0]
        for fid in (12.5, None)
    ]
    assert list(found[0]["FID"]) == [12.5, 12.5]
    assert "FID" not in found[1]
    assert not list(tmp_path.glob("scores*"))


def test_the_papers_figures_are_drawn_of_the_tables(cells):
    out = out_of(cells)
    heat, roc = ((out / "figures" / f"harmonization_{kind}.svg").read_text() for kind in ("heat", "outcome"))
    assert "93 features" in heat
    assert "full" in roc
    assert "Correlation of every feature with the target scanner" in (out / "report.html").read_text()


def test_the_score_of_lesions_is_described_beside_it(cells):
    described = {metric.name: metric for metric in cells["full"].metrics}
    assert (described["Dice"].compares, described["Dice"].digits) == ("source", 3)
    assert described["PSNR"].unit == "dB"


def test_training_free_methods_leave_no_checkpoint(cells):
    assert not cells["FDA"].checkpoint.parent.exists()
    assert cells["full"].checkpoint.is_file()

"""Tables of classifiers, sweeps and comparisons: plan, order, figures, statistics."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.stats import ttest_rel
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.own_data import parse
from benchmarks.report.page import write_report
from benchmarks.results import CellFolder, Results
from benchmarks.suite import read_suite
from benchmarks.tables.make import make_tables, write_tables
from benchmarks.tables.statistics import RESAMPLES, compare, over_runs, per_run, weighted_score
from datamodules import InputError
from tests.conftest import ROOT
from tests.facts import METRIC
from tests.tiny import TINY
from zoo.cli import main as sonozoo
from zoo.method import pseudonym

HSCT = {key: list(value) if isinstance(value, tuple) else value for key, value in TINY["hsct"][1].items()}
SMALL = {"size": [32, 32], "batch_size": 4, "augmentation": None}
SUITE = {
    "title": "Tiny",
    "tables": {
        "translation": {
            "title": "B-mode to strain image",
            "metrics": ["SSIM", "PSNR"],
            "folds": [0, 1],
            "compare": "HSC-T",
            "data": SMALL | {"patients": 24},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "rows": {
                "HSC-T": {"config": "hsct.yaml", "model": HSCT},
                "broken": {"config": "hsct.yaml", "model": HSCT | {"encoder": "no such network"}},
            },
        },
        "diagnosis": {
            "title": "Benign or malignant",
            "metrics": ["accuracy", "F1", "AUC"],
            "folds": [0, 1],
            "paper": {"paper": "hsct", "table": "III"},
            "compare": "HSC-T",
            "data": SMALL,
            "model": {"backbone": "test_resnet", "size": 32, "decay_epochs": 1},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "sets": {
                "MTUSI": {"patients": 24},
                "STUSI": {"patients": 16, "phantom_seed": 1, "scanner": "scanner B"},
                "BUSI": {"class_path": "BUSI", "root": None, "classes": ["benign", "malignant"]},
            },
            "columns": ["MTUSI>MTUSI", "MTUSI>STUSI", "STUSI>STUSI", "BUSI>BUSI"],
            "rows": {
                "w/o EUS": {"config": "diagnosis.yaml", "model": {"second": "source"}},
                "w/ R-EUS": {"config": "diagnosis.yaml", "model": {"second": "target"}, "columns": ["MTUSI>MTUSI"]},
                "HSC-T": {"config": "diagnosis.yaml", "translator": "translation / HSC-T"},
                "of the broken": {"config": "diagnosis.yaml", "translator": "translation / broken"},
            },
        },
        "sweep": {
            "title": "Weights",
            "metrics": ["SSIM"],
            "data": SMALL | {"patients": 24},
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "grid": {"lambda_sample": [0.0, 0.4], "lambda_patch": [0.8]},
            "rows": {"HSC-T": {"config": "hsct.yaml", "model": HSCT}},
        },
    },
}


def write(folder, suite=SUITE) -> str:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    return str(folder / "tiny.yaml")


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("diagnosis")
    command = [sys.executable, "-m", "benchmarks", "run", write(folder), "--out", str(folder / "out"), "--jobs", "2"]
    return folder / "out", subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def cells(out) -> dict[tuple, CellFolder]:
    found = Results(out)
    return {(c.table, c.row, c.train, c.fold): found.cell(c.hash) for c in found.plan.cells}


# The plan


def test_a_classifier_is_trained_once_a_set_and_tested_on_all_that_columns_ask_for(tmp_path):
    suite = read_suite(write(tmp_path))
    own = [cell for cell in suite.cells if cell.table == "diagnosis" and cell.fold == 0]
    trained = {(cell.row, cell.train): list(cell.config["tests"]) for cell in own}
    assert trained["w/o EUS", "MTUSI"] == ["MTUSI>MTUSI", "MTUSI>STUSI"]
    assert trained["w/o EUS", "STUSI"] == ["STUSI>STUSI"]
    assert [key for key in trained if key[0] == "w/ R-EUS"] == [("w/ R-EUS", "MTUSI")]
    assert not any(cell.trivial for cell in own)
    (cell,) = (cell for cell in own if (cell.row, cell.train) == ("HSC-T", "STUSI"))
    (translator,) = (c for c in suite.cells if (c.table, c.row, c.fold) == ("translation", "HSC-T", 0))
    assert cell.needs == translator.hash
    assert translator.hash in cell.config["model"]["init_args"]["translator"]
    assert cell.config["data"]["init_args"]["scanner"] == "scanner B"
    assert cell.config["data"] == cell.config["tests"]["STUSI>STUSI"]


def test_the_real_images_come_in_by_their_folder_or_are_left_out(tmp_path):
    without, given = (read_suite(write(tmp_path), folders) for folders in (None, parse([f"BUSI={tmp_path}"])))
    assert without.tables["diagnosis"].left_out == ["BUSI>BUSI"]
    assert not [cell for cell in without.cells if cell.train == "BUSI"]
    busi = [cell for cell in given.cells if cell.train == "BUSI"]
    assert {cell.row for cell in busi} == {"w/o EUS", "HSC-T", "of the broken"}
    arguments = busi[0].config["data"]["init_args"]
    assert arguments["root"] == str(tmp_path)
    assert "patients" not in arguments
    assert arguments["size"] == [32, 32]
    others = [cell.hash for cell in given.cells if cell.train != "BUSI"]
    assert others == [cell.hash for cell in without.cells], "nothing else is run again"


def test_a_translator_that_is_no_row_is_refused(tmp_path):
    suite = json.loads(json.dumps(SUITE))
    suite["tables"]["diagnosis"]["rows"]["HSC-T"]["translator"] = "translation / nobody"
    with pytest.raises(InputError, match="translator 'translation / nobody' is no 'table / row' above it with fold 0"):
        read_suite(write(tmp_path, suite))


def test_a_grid_is_a_row_a_point(tmp_path):
    table = read_suite(write(tmp_path)).tables["sweep"]
    assert list(table.rows) == [
        "identity",
        "mean",
        "linear",
        "ceiling",
        "HSC-T, lambda_sample 0, lambda_patch 0.8",
        "HSC-T, lambda_sample 0.4, lambda_patch 0.8",
    ]
    suite = read_suite(write(tmp_path))
    swept = [cell for cell in suite.cells if cell.table == "sweep" and not cell.trivial]
    assert [cell.config["model"]["init_args"]["lambda_sample"] for cell in swept] == [0.0, 0.4]


# The run


def test_classifiers_run_after_their_translators_and_fail_with_them(results):
    out, done = results
    assert done.returncode == 1
    found = cells(out)
    for fold in (0, 1):
        folder = found["diagnosis", "HSC-T", "MTUSI", fold]
        assert (folder / "done.json").is_file(), (folder / "log.txt").read_text()[-2000:]
        state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        translator = found["translation", "HSC-T", "", fold] / "checkpoints" / "last.ckpt"
        assert state["hyper_parameters"]["translator"] == str(translator)
        failed = json.loads((found["diagnosis", "of the broken", "MTUSI", fold] / "failed.json").read_text())
        assert "its translator failed: " in failed["reason"]
        assert "no such network" in failed["reason"]


def test_no_patient_is_on_both_sides(results):
    out, _ = results
    found = cells(out)
    for fold in (0, 1):
        folder = found["diagnosis", "HSC-T", "MTUSI", fold]
        tested = pd.read_csv(folder / "scores.csv")
        own = set(tested.loc[tested["column"] == "MTUSI>MTUSI", "patient"])
        splits = [pd.read_csv(part / "splits.csv") for part in (folder, found["translation", "HSC-T", "", fold])]
        assert splits[0].equals(splits[1])
        assert own == set(splits[0].loc[splits[0]["split"] == "test", "patient"])
        translator = torch.load(
            found["translation", "HSC-T", "", fold] / "checkpoints" / "last.ckpt", weights_only=True
        )
        known = set(translator["patients"]["train"]) | set(translator["patients"]["val"])
        assert len(known) > 10
        assert not {pseudonym(name) for name in tested["patient"]} & known


def test_columns_are_the_scores_of_their_sets(results):
    out, _ = results
    table = {table.key: table for table in make_tables(Results(out))}["diagnosis"]
    found = cells(out)
    lines = table.cells.set_index(["row", "metric", "group"])
    for column, device in (("MTUSI>MTUSI", "cart"), ("MTUSI>STUSI", "scanner B")):
        accuracies = []
        for fold in (0, 1):
            scores = pd.read_csv(found["diagnosis", "w/o EUS", "MTUSI", fold] / "scores.csv")
            own = scores[scores["column"] == column]
            assert set(own["device"]) == {device}
            accuracies.append(((own["probability"] >= 0.5) == own["label"]).mean())
        assert lines.loc[("w/o EUS", "accuracy", column), "mean"] == pytest.approx(np.mean(accuracies))
    assert lines.loc[("w/o EUS", "accuracy", "MTUSI>STUSI"), "paper"] == pytest.approx(0.713)
    budget = found["diagnosis", "w/o EUS", "STUSI", 0].budget
    assert lines.loc[("w/o EUS", "parameters", "overall"), "mean"] == budget["parameters"] > 10_000
    assert lines.loc[("w/o EUS", "updates", "STUSI"), "mean"] == budget["updates"] == 2
    assert ("w/ R-EUS", "updates", "STUSI") not in lines.index
    assert lines.loc[("HSC-T", "F1", "STUSI>STUSI"), "paper"] == pytest.approx(0.847)
    assert lines.loc[("w/ R-EUS", "F1", "MTUSI>STUSI"), "text"] == "-"
    assert "accuracy, MTUSI$>$STUSI & " in table.latex()
    notes = " ".join(table.notes)
    assert "In the place of STUSI: simulated phantoms (not the papers' data) by scanner B" in notes
    assert "Left out: BUSI>BUSI; name the folder of images by --data BUSI=DIR." in notes
    assert "FAILED: of the broken on STUSI" in notes


def test_a_row_is_compared_with_all_others_and_with_the_papers_test(results):
    table = {table.key: table for table in make_tables(Results(results[0]))}["diagnosis"]
    tests = table.tests.set_index(["other", "metric", "group"])
    assert tests.loc[("w/o EUS", "accuracy", "MTUSI>STUSI"), "paper"] == pytest.approx(0.0014)
    cells_ = table.cells.set_index(["row", "metric", "group"])["mean"]
    difference = cells_["HSC-T", "AUC", "MTUSI>MTUSI"] - cells_["w/ R-EUS", "AUC", "MTUSI>MTUSI"]
    assert tests.loc[("w/ R-EUS", "AUC", "MTUSI>MTUSI"), "difference"] == pytest.approx(difference)
    assert "| HSC-T - w/o EUS | accuracy, MTUSI>MTUSI |" in table.markdown()


def test_figures_show_what_the_scores_say(results, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results[0], out)
    page = write_report(Results(out), write_tables(Results(out))).read_text()
    made = {path.name for path in (out / "figures").iterdir()}
    assert {"translation_box.svg", "diagnosis_confusion.svg", "diagnosis_roc.svg", "sweep_sweep.svg"} <= made
    assert "diagnosis_box.svg" not in made
    texts = {name: "".join(ET.parse(out / "figures" / name).getroot().itertext()) for name in made if "svg" in name}
    found = cells(out)
    scores = pd.concat(pd.read_csv(found["diagnosis", "HSC-T", "STUSI", fold] / "scores.csv") for fold in (0, 1))
    hits = int(((scores["probability"] >= 0.5) & (scores["label"] == 1)).sum())
    share = hits / int((scores["label"] == 1).sum())
    assert f"{hits}" in texts["diagnosis_confusion.svg"]
    assert f"{share:.0%}" in texts["diagnosis_confusion.svg"]
    areas = per_run(scores, METRIC["AUC"])
    assert f"HSC-T {areas.mean():.3f} ± {areas.std():.3f}" in texts["diagnosis_roc.svg"]
    assert "lambda_sample" in texts["sweep_sweep.svg"]
    assert "Is the difference real?" in page
    assert "://" not in page.replace("http://www.w3.org", "")


# Statistics


def some_scores(shift: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frames = []
    for fold in range(3):
        label = np.arange(40) % 2
        probability = (0.5 + 0.25 * (label - 0.5) * (1 + shift) + rng.normal(0, 0.15, 40)).clip(0, 1)
        quality = rng.normal(0.5, 0.1, 40) + shift
        ids = [f"{fold}-{number}" for number in range(40)]
        patients = [name[:-1] + "x" if number % 4 == 0 else name for number, name in enumerate(ids)]
        frames.append(pd.DataFrame({"id": ids, "patient": patients, "label": label, "probability": probability,
                                    "SSIM": quality, "fold": fold, "seed": 0}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_weighted_scores_with_equal_weights_are_the_plain_ones():
    scores = some_scores(0.3).query("fold == 0")
    label, called = scores["label"], scores["probability"] >= 0.5
    ones = np.ones((1, len(scores)))
    assert weighted_score(scores, METRIC["accuracy"], ones)[0] == pytest.approx((called == label).mean())
    assert weighted_score(scores, METRIC["F1"], ones)[0] == pytest.approx(f1_score(label, called))
    assert weighted_score(scores, METRIC["AUC"], ones)[0] == pytest.approx(roc_auc_score(label, scores["probability"]))
    assert weighted_score(scores, METRIC["SSIM"], ones)[0] == pytest.approx(scores["SSIM"].mean())
    counts = np.random.default_rng(0).integers(0, 4, len(scores))
    repeated = scores.loc[scores.index.repeat(counts)]
    for metric, plain in (
        ("AUC", roc_auc_score(repeated["label"], repeated["probability"])),
        ("F1", f1_score(repeated["label"], repeated["probability"] >= 0.5)),
        ("SSIM", repeated["SSIM"].mean()),
    ):
        assert weighted_score(scores, METRIC[metric], counts[None].astype(float))[0] == pytest.approx(plain)


@pytest.mark.parametrize("metric", ["SSIM", "accuracy", "F1", "AUC"])
def test_comparisons_are_the_papers_t_test_and_a_bootstrap(metric):
    one, other = some_scores(0.2, seed=1), some_scores(0.0, seed=2)
    metric = METRIC[metric]
    found = compare(one, other, metric)
    means = [per_run(scores, metric) for scores in (one, other)]
    assert found.runs == 3
    assert found.difference == pytest.approx(float((means[0] - means[1]).mean()))
    assert found.t_test == pytest.approx(float(ttest_rel(*means).pvalue))
    assert found.low < found.difference < found.high
    mirrored = compare(other, one, metric)
    assert mirrored.difference == pytest.approx(-found.difference)
    same = compare(one, one, metric)
    assert (same.difference, same.low, same.high, same.bootstrap) == (0.0, 0.0, 0.0, 1.0)
    assert np.isnan(same.t_test)


def test_the_bootstrap_is_as_sure_as_it_should_be():
    clear = compare(some_scores(0.4, seed=1), some_scores(0.0, seed=2), METRIC["SSIM"])
    assert clear.bootstrap < 1e-6 < 1 / RESAMPLES, "of t tails, where no resampling lies beyond 0"
    assert clear.low > 0.3
    rejected = 0
    for seed in range(40):
        chance = compare(some_scores(0.0, seed=2 * seed), some_scores(0.0, seed=2 * seed + 1), METRIC["SSIM"])
        rejected += chance.bootstrap < 0.05
    assert rejected <= 6, "of 40 comparisons of equals, two are expected below 0.05"


def test_seeds_of_one_fold_share_their_patients():
    """The same scores under two seeds are no more certain than under one."""
    one, other = some_scores(0.2, seed=1).query("fold == 0"), some_scores(0.0, seed=2).query("fold == 0")
    twice = [pd.concat([scores, scores.assign(seed=1)]) for scores in (one, other)]
    single, double = compare(one, other, METRIC["AUC"]), compare(*twice, METRIC["AUC"])
    assert (double.low, double.high, double.bootstrap) == (single.low, single.high, single.bootstrap)
    assert double.runs == 2


def test_one_run_has_no_t_test_and_none_in_common_no_comparison():
    one, other = some_scores(0.2), some_scores(0.0)
    single = compare(one.query("fold == 1"), other, METRIC["accuracy"])
    assert single.runs == 1
    assert np.isnan(single.t_test)
    assert 0 < single.bootstrap <= 1
    assert compare(one.query("fold == 1"), other.query("fold == 2"), METRIC["SSIM"]) is None


def test_a_classifier_has_no_spread_over_images():
    mean, spread, images, runs = over_runs(some_scores(0.1), METRIC["AUC"])
    areas = [roc_auc_score(own["label"], own["probability"]) for _, own in some_scores(0.1).groupby("fold")]
    assert (mean, spread, runs) == (pytest.approx(np.mean(areas)), pytest.approx(np.std(areas, ddof=1)), 3)
    assert np.isnan(images)


# Sweep files


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=lambda path: path.name)
def test_sweep_files_are_valid_and_their_commands_train(path, tmp_path, monkeypatch):
    import sweeps

    sweep = yaml.safe_load(path.read_text())
    assert sweeps.schema_violations_from_proposed_config(sweep) == []
    run = sweeps.next_run(sweep, [])
    arguments = [f"--{name}={setting['value']}" for name, setting in run.config.items()]
    assert len(arguments) == len(sweep["parameters"])
    words = [word for word in sweep["command"] if not word.startswith("${")]
    assert words[:3] == ["-m", "zoo", "fit"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    shrunk, patients = (HSCT, 12) if path.stem.startswith("hsct") else ({"width": 4}, 6)  # these have many planes
    tiny_size = [f"--model.{key}={value}" for key, value in shrunk.items()]
    tiny_size += [f"--data.patients={patients}", "--data.size=[32,32]", "--data.batch_size=2", "--data.num_workers=0"]
    tiny_size += ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    assert sonozoo([*words[2:], *arguments, *tiny_size]) == 0

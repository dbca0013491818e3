"""Tables and figures of the enhancement paper: data, remarks, printed rows of others, organs, curves."""

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.plan import Plan, PlannedCell, PlannedTable
from benchmarks.report.figures import curves_plot, read_curves
from benchmarks.results import Results
from benchmarks.suite import SUITES, read_suite
from benchmarks.tables.make import make_tables
from benchmarks.tables.published import printed, read_published
from benchmarks.vocabulary import UNTRAINED
from datamodules import InputError
from tests.test_usenhance import write as write_usenhance

OURS = "Ours"
REMARKED = "Ours [Phi on H and L, untrained VGG]"
SETTINGS = {
    "metrics": ["LNCC", "SSIM", "PSNR"],
    "paper": {"paper": "cyclegan_perceptual", "table": 2, "dataset": "USenhance 2023 test"},
    "reference": {"paper": "usenhance_leaderboard", "table": "final"},
    "summary": {"paper": "cyclegan_perceptual", "table": 1},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    "folds": [1],
    "rows": {
        OURS: {
            "config": "cyclegan_perceptual.yaml",
            "model": {"width": 4, "n_blocks": 1, "perceptual_weights": None},
        },
        "no PL": {"config": "cyclegan_perceptual.yaml", "model": {"width": 4, "n_blocks": 1, "perceptual_on": "none"}},
    },
}
SUITE = {
    "title": "Tiny",
    "tables": {
        "enhancement": SETTINGS | {"title": "Phantoms", "data": {"patients": 12, "size": [32, 32], "batch_size": 3}},
        "usenhance": {key: value for key, value in SETTINGS.items() if key != "reference"}
        | {
            "title": "Real",
            "groups": ["thyroid", "breast"],
            "data": {
                "class_path": "USenhance",
                "root": None,
                "size": [32, 32],
                "batch_size": 8,
                "fractions": [0.6, 0.1, 0.3],
            },
        },
    },
}


def write(folder):
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    return str(folder / "tiny.yaml")


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache):
    """The suite run whole, on phantoms and on a small USenhance."""
    folder = tmp_path_factory.mktemp("enhancement")
    images = write_usenhance(folder / "images", counts={"thyroid": 10, "breast": 10})
    status = main(["run", write(folder), "--out", str(folder / "out"), "--data", f"USenhance={images}", "--jobs", "2"])
    return folder / "out", status


def table(out, key: str):
    return next(table for table in make_tables(Results(out)) if table.key == key)


def test_the_suite_runs_on_phantoms_and_on_real_images(results):
    out, status = results
    assert status == 0
    keys = [table.key for table in make_tables(Results(out))]
    assert keys == ["enhancement_data", "enhancement", "usenhance_data", "usenhance"]


def test_a_table_of_real_images_is_left_out_without_them_and_said_so(tmp_path, capsys):
    suite = read_suite(write(tmp_path))
    assert list(suite.tables) == ["enhancement"]
    assert suite.left_out == ["table 'usenhance' is left out; name the folder of images by --data USenhance=DIR"]
    only = {"title": "Real", "tables": {"usenhance": SUITE["tables"]["usenhance"]}}
    (tmp_path / "only.yaml").write_text(yaml.safe_dump(only))
    with pytest.raises(InputError, match="nothing to run: table 'usenhance' is left out"):
        read_suite(str(tmp_path / "only.yaml"))


def test_the_domains_of_phi_and_an_untrained_network_are_said_in_the_row(results):
    wide = table(results[0], "enhancement").wide()
    assert REMARKED in wide.index
    assert "no PL" in wide.index
    assert "untrained VGG" in table(results[0], "enhancement").latex()
    assert "untrained VGG" in (results[0] / "report.html").read_text()


def test_printed_rows_of_others_stand_below_ours_and_never_win(results):
    own = table(results[0], "enhancement")
    wide = own.wide("**{}**")
    assert list(wide.index[-3:]) == ["rank 1: POAS", "rank 2: NCIA", "rank 3: imed_8"]
    assert wide.loc["rank 1: POAS", "LNCC, paper"] == "0.9080"
    assert wide.loc["rank 1: POAS", "LNCC"] == ""
    assert wide.loc[REMARKED, "PSNR, paper"] == "28.80"
    assert any("**" in text for text in wide["LNCC"])
    assert not any("**" in text for text in wide["LNCC"].iloc[-3:])
    assert "Below ours, as printed: the USenhance 2023 challenge's own ranking." in own.notes


def test_on_the_challenges_own_images_they_stand_there_without_being_asked_for(results):
    own = table(results[0], "usenhance")
    assert Results(results[0]).plan.tables["usenhance"].reference is None
    wide = own.wide()
    assert list(wide.index[-3:]) == ["rank 1: POAS", "rank 2: NCIA", "rank 3: imed_8"]
    assert wide.loc["rank 3: imed_8", "PSNR, paper"] == "29.54"
    assert wide.loc["rank 3: imed_8", "PSNR, thyroid"] == ""
    assert "Below ours, as printed: the USenhance 2023 challenge's own ranking." in own.notes
    assert "whose targets are not public" in (results[0] / "report.html").read_text()


def test_the_images_are_counted_as_in_the_papers_first_table(results):
    wide = table(results[0], "enhancement_data").wide()
    assert list(wide.index) == ["Breast", "Overall"]
    assert wide.index.name == "organ"
    assert [wide.loc["Overall", f"pairs, {split}"] for split in ("train", "val", "test", "total")] == [*"624", "12"]
    assert wide.loc["Breast", "patients, train, paper"] == "23"
    assert wide.loc["Overall", "pairs, total, paper"] == "1500"
    assert table(results[0], "enhancement_data").notes[0].endswith("task enhancement; of fold 1.")
    wide = table(results[0], "usenhance_data").wide()
    assert list(wide["pairs, total"]) == ["10", "10", "20"]


def test_organs_are_groups_of_a_table(results):
    own = table(results[0], "usenhance")
    wide = own.wide()
    assert {"LNCC, thyroid", "LNCC, breast", "LNCC"} <= set(wide.columns)
    assert "Images count as patients in USenhance 2023: no table of patients was given." in own.notes
    assert not any("count as patients" in note for note in table(results[0], "enhancement").notes)
    cell = next(folder for c, folder in Results(results[0]).finished("usenhance") if c.row == "no PL")
    scores = cell.read_scores()
    expected = scores.groupby("organ")["PSNR"].mean()
    assert wide.loc["no PL", "PSNR, breast"] == f"{expected['breast']:.2f}"
    assert wide.loc["no PL", "PSNR, thyroid"] == f"{expected['thyroid']:.2f}"


def test_curves_are_those_of_the_loggers(results):
    out, _ = results
    curves = read_curves(Results(out), "enhancement")
    assert set(curves["row"]) == {OURS, "no PL"}
    assert sorted(curves[curves["row"] == "no PL"]["epoch"]) == [1, 2]
    assert curves[["LNCC", "SSIM", "PSNR"]].notna().all().all()
    cell = next(folder for c, folder in Results(out).finished("enhancement") if c.row == "no PL")
    logged = pd.read_csv(cell / "logs" / "metrics.csv").dropna(subset=["val/LNCC"])
    assert list(curves[curves["row"] == "no PL"]["LNCC"]) == list(logged["val/LNCC"])
    drawn = (out / "figures" / "enhancement_curves.svg").read_text()
    assert drawn.startswith("<?xml")
    assert "no PL" in drawn
    assert "Scores of the validation images during training" in (out / "report.html").read_text()


def test_curves_of_an_interrupted_run_are_whole(tmp_path):
    """The first process logged epochs 0 and 1, the second resumed after epoch 0."""
    cell = tmp_path / "cells" / "abc"
    for name, epochs, score in (("logs", (0, 1), 0.1), ("logs_1", (1, 2), 0.5)):
        (cell / name).mkdir(parents=True)
        logged = pd.DataFrame({"epoch": epochs, "val/SSIM": [score + epoch / 10 for epoch in epochs]})
        logged.to_csv(cell / name / "metrics.csv")
    (cell / "done.json").write_text("{}")
    table, results = PlannedTable("t", "T", ["SSIM"], {"r": "r"}), Results(tmp_path)
    results.write_plan(Plan("s", "S", {"t": table}, [PlannedCell("t", "r", 0, 0, "abc")]))
    curves = read_curves(results, "t")
    assert dict(zip(curves["epoch"], curves["SSIM"].round(3), strict=True)) == {1: 0.1, 2: 0.6, 3: 0.7}
    assert "SSIM" in curves_plot(curves, table)


def test_every_row_of_table_2_is_one_override():
    """In the shipped suite, the CycleGAN rows differ from the paper's own in one switch and the number of blocks."""
    rows = yaml.safe_load((SUITES / "paper.yaml").read_text())["tables"]["enhancement"]["rows"]
    models = {row: settings.get("model", {}) for row, settings in rows.items()}
    assert models[OURS] == {"lambda_identity": 1.0}, "as printed"
    assert models["CycleGAN (no PL)"] == models[OURS] | {"n_blocks": 9, "perceptual_on": "none"}
    assert models["Phi(H, cycled H)"] == models[OURS] | {"n_blocks": 9, "perceptual_on": "cycled"}
    assert models["Phi(H, H')"] == models[OURS] | {"n_blocks": 9}
    assert models["Phi(H, H'), without Phi(L, L')"] == models["Phi(H, H')"] | {"perceptual_domains": "high"}


@pytest.mark.parametrize("suite", ["quick", "enhancement_small", "paper"])
def test_rows_have_the_papers_names_and_its_numbers(suite):
    """Every row but the trivial ones and those of other papers stands beside a printed number."""
    table, ours = read_suite(suite).tables["enhancement"], "CycleGAN + PL" if suite == "quick" else OURS
    published = read_published(table.paper)
    named = {"Pix2Pix", "CycleGAN (no PL)", "Phi(H, cycled H)", "Phi(H, H')", ours}
    assert named - set(table.rows) == ({"Phi(H, cycled H)", "Phi(H, H')"} if suite == "quick" else set())
    assert table.compare == ours
    found = {row: printed(published, method, "PSNR", "overall")["value"].tolist() for row, method in table.rows.items()}
    expected = {
        "Pix2Pix": 19.732,
        "CycleGAN (no PL)": 23.123,
        "Phi(H, cycled H)": 22.697,
        "Phi(H, H')": 26.024,
        "Phi(H, H'), without Phi(L, L')": 26.024,
    } | {row: 28.802 for row in table.rows if row.startswith((OURS, ours))}
    others = ("CycleGAN (Zhu", "SE-CycleGAN", "RegGAN", "CUT", "FastCUT")
    for row in set(table.rows) - set(UNTRAINED):
        assert found[row] == ([] if row.startswith(others) else [expected[row]]), row


def test_tables_are_made_before_anything_has_run(tmp_path):
    Results(tmp_path / "out").write_plan(read_suite(write(tmp_path)).plan())
    assert [table.key for table in make_tables(Results(tmp_path / "out"))] == ["enhancement"]
    assert all(np.isnan(table.cells["mean"]).all() for table in make_tables(Results(tmp_path / "out")))

"""The runner and what it writes: cells, resume, failures, tables, figures, report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock

from benchmarks.__main__ import main
from benchmarks.cells import Cell
from benchmarks.layers import merge
from benchmarks.results import CellFolder, Results
from benchmarks.run.baselines import Identity, MeanTarget
from benchmarks.run.cell import REFUSED
from benchmarks.run.runner import Runner, Running
from benchmarks.suite import SUITES
from benchmarks.tables.make import make_tables
from benchmarks.tables.statistics import by_patient
from datamodules.disk import DiskError
from tests import tiny
from tests.conftest import ROOT
from tests.facts import METRIC

SHIPPED = ", ".join(sorted(path.stem for path in SUITES.glob("*.yaml")))
SUITE = {
    "title": "Tiny",
    "tables": {
        "elasticity": {
            "title": "B-mode to Young's modulus",
            "metrics": ["MAE", "ME", "SSIM"],
            "groups": ["benign", "malignant"],
            "folds": [0, 1],
            "paper": {"paper": "sswe", "table": "text"},
            "budget": "free",  # rows with other data are to fail, and not before they run
            "data": {
                "patients": 12,
                "size": [32, 32],
                "batch_size": 4,
                "augmentation": None,
                "fractions": [0.5, 0.2, 0.3],
            },
            "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_val_batches": 0},
            "rows": {
                "U-Net": {"config": "sswe.yaml", "model": {"width": 4}, "paper_method": "U-Net with augmentation"},
                "broken": {"config": "sswe.yaml", "data": {"class_path": "PairedFolderDataModule", "root": "/nowhere"}},
                "bad split": {"config": "sswe.yaml", "data": {"fractions": [0.9, 0.01, 0.09]}},
            },
        }
    },
}


@pytest.fixture(scope="module")
def results(tmp_path_factory, cache):
    """One run of a suite in which two of three rows fail."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SUITE, sort_keys=False))
    command = [sys.executable, "-m", "benchmarks", "run", str(folder / "tiny.yaml"), "--out", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return folder, command, done


def cells(out) -> dict[tuple[str, int], CellFolder]:
    found = Results(out)
    return {(cell.row, cell.fold): found.cell(cell.hash) for cell in found.plan.cells}


def test_a_failed_cell_does_not_stop_the_others_and_is_said(results):
    folder, _, done = results
    out = folder / "out"
    assert done.returncode == 1
    assert "14 cells, 4 failed" in done.stdout
    found = cells(out)
    assert {key for key, cell in found.items() if (cell / "done.json").is_file()} == {
        (row, fold) for row in ("identity", "mean", "linear", "ceiling", "U-Net") for fold in (0, 1)
    }
    assert "/nowhere: no such" in json.loads((found["broken", 0] / "failed.json").read_text())["reason"]
    assert "too few patients" in json.loads((found["bad split", 1] / "failed.json").read_text())["reason"]
    table = (out / "tables" / "elasticity.md").read_text()
    assert "FAILED: broken, fold 0, seed 0" in table
    assert "failed: " in table.split("| bad split |")[1].split("\n")[0]


def test_a_cell_holds_what_is_needed_to_trust_it(results):
    cell = cells(results[0] / "out")["U-Net", 1]
    scores = pd.read_csv(cell / "scores.csv")
    assert {"id", "patient", "organ", "device", "label", "fold", "seed", "MAE"} <= set(scores)
    assert (scores["fold"] == 1).all()
    splits = pd.read_csv(cell / "splits.csv")
    assert set(scores["id"]) == set(splits["id"][splits["split"] == "test"])
    assert yaml.safe_load((cell / "config.yaml").read_text())["data"]["init_args"]["fold"] == 1
    timings = json.loads((cell / "timings.json").read_text())
    assert 1000 < timings["parameters_in_use"] == timings["parameters"]
    spent = {"updates": 2, "training": timings["fit_s"], "passes": 1}
    assert cell.budget == {"parameters": timings["parameters"], **spent}
    assert 0 < timings["fit_s"] < timings["total_s"]
    assert {"torch", "device", "date"} <= set(json.loads((cell / "environment.json").read_text()))
    assert cell.checkpoint.is_file()
    assert {"MAE", "ME", "SSIM"} <= {metric.name for metric in cell.metrics} <= set(scores)
    assert all(metric == METRIC[metric.name] for metric in cell.metrics)
    assert {path.name for path in cell.samples().iterdir()} == {f"{image}.png" for image in scores["id"]}


def test_the_plan_says_what_is_done_failed_and_to_run(results, untimed, capsys):
    folder, _, _ = results
    for out, wanted in (("out", {"done": 10, "failed": 4}), ("other", {"to run": 14})):
        assert main(["plan", str(folder / "tiny.yaml"), "--out", str(folder / out)]) == 0
        lines, _, estimate = capsys.readouterr().out.partition("\n\n")
        found = {state: sum(f": {state}" in line for line in lines.splitlines()) for state in wanted}
        assert found == wanted
        assert len(lines.splitlines()) == 14
        assert ("nothing is to run" if out == "out" else "to run: 14 of 14 cells, ") in estimate
    assert not (folder / "other").exists(), "a plan writes nothing"


def test_a_second_run_skips_what_is_done_and_retries_failures_when_told(results, capsys):
    folder, command, _ = results
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("cells/*/done.json")}
    assert main(command[3:]) == 1
    assert "14 of 14 cells are finished already" in capsys.readouterr().out
    failed = cells(folder / "out")["broken", 0] / "failed.json"
    stamp = failed.stat().st_mtime_ns
    assert main([*command[3:], "--retry-failed"]) == 1
    assert "broken, fold 0, seed 0: FAILED" in capsys.readouterr().out
    assert failed.stat().st_mtime_ns > stamp
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "out").glob("cells/*/done.json")}


def test_damaged_cells_and_a_cut_plan_are_made_again_by_the_same_command(results, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(results[0] / "out", out)
    whole, found = (out / "tables" / "elasticity.md").read_text(), cells(out)
    scores = (found["U-Net", 0] / "scores.csv").read_text()
    for path in (found["U-Net", 0] / "scores.csv", found["mean", 1] / "done.json", out / "plan.json"):
        path.write_bytes(path.read_bytes()[:-9])
    assert main(["run", str(results[0] / "tiny.yaml"), "--out", str(out)]) == 1, "of the rows that fail"
    told = capsys.readouterr()
    assert f"elasticity / U-Net, fold 0, seed 0: {found['U-Net', 0].path}/scores.csv: is damaged" in told.out
    assert f"elasticity / mean, fold 1, seed 0: {found['mean', 1].path}/done.json: is damaged" in told.out
    assert "12 of 14 cells are finished already" in told.out
    assert "to run: 2 of 14 cells" in told.out, "the estimate knows of them"
    assert f"{out}/plan.json: is damaged" in told.err
    assert (found["U-Net", 0] / "scores.csv").read_text() == scores
    assert "Restored all states" in (found["U-Net", 0] / "log.txt").read_text(), "tested by its checkpoint"
    assert (out / "tables" / "elasticity.md").read_text().split("| training |")[0] == whole.split("| training |")[0]


def test_tables_are_means_and_spreads_of_the_scores(results):
    out = results[0] / "out"
    (table,) = make_tables(Results(out))
    found = cells(out)
    folds = [pd.read_csv(found["U-Net", fold] / "scores.csv") for fold in (0, 1)]
    row = table.cells.set_index(["row", "metric", "group"]).loc["U-Net", "MAE", "overall"]
    means = [fold["MAE"].mean() for fold in folds]
    assert row["mean"] == pytest.approx(np.mean(means))
    assert row["std_runs"] == pytest.approx(np.std(means, ddof=1))
    assert row["std_images"] == pytest.approx(np.mean([fold["MAE"].std() for fold in folds]))
    assert (row["paper"], row["paper_spread"]) == (4.5, 0.96)
    benign = table.cells.set_index(["row", "metric", "group"]).loc["U-Net", "MAE", "benign"]
    assert benign["mean"] == pytest.approx(np.mean([fold.loc[fold["label"] == 0, "MAE"].mean() for fold in folds]))
    best_rows = table.cells[
        (table.cells["metric"] == "MAE") & (table.cells["group"] == "overall") & table.cells["best"]
    ]
    ours = table.cells[(table.cells["metric"] == "MAE") & (table.cells["group"] == "overall") & ~table.cells["apart"]]
    assert ours.set_index("row")["mean"].idxmin() in best_rows["row"].tolist()


def test_a_row_with_a_missing_run_says_so_and_is_never_the_best(results, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results[0] / "out", out)
    found = cells(out)
    for row in ("identity", "mean", "U-Net"):  # U-Net would be the best by far, on one fold
        scores = pd.read_csv(found[row, 0] / "scores.csv")
        scores["MAE"] = 0.001 if row == "U-Net" else scores["MAE"]
        described = [*found[row, 0].metrics, METRIC["FID"]]
        found[row, 0].write_scores(scores.assign(FID=12.5), described)
    (found["U-Net", 1] / "done.json").unlink()
    plan = json.loads((out / "plan.json").read_text())
    plan["tables"]["elasticity"]["metrics"] = ["MAE", "FID"]
    (out / "plan.json").write_text(json.dumps(plan))
    (table,) = make_tables(Results(out))
    wide = table.wide("**{}**")
    assert wide.loc["U-Net", "MAE"].endswith("(1 of 2 runs)")
    assert "**" not in wide.loc["U-Net", "MAE"]
    assert wide.loc["identity", "FID"] == "12.50 (1 of 2 runs)"


def test_a_table_of_patients_has_their_spread_and_tests(results, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results[0] / "out", out)
    plan = json.loads((out / "plan.json").read_text())
    plan["tables"]["elasticity"] |= {"per": "patient", "compare": "U-Net", "groups": []}
    (out / "plan.json").write_text(json.dumps(plan))
    (table,) = make_tables(Results(out))
    scores = by_patient(pd.concat(cells(out)["U-Net", fold].read_scores() for fold in (0, 1)), METRIC.values())
    spread = scores.groupby("fold")["MAE"].std(ddof=1).mean()
    assert table.wide().loc["U-Net", "MAE"] == f"{scores.groupby('fold')['MAE'].mean().mean():.2f} ± {spread:.2f}"
    assert {"p, t-test over patients", "p, Wilcoxon"} <= set(table.printed_tests())
    assert "p, t-test" not in table.printed_tests()
    assert "mean ± standard deviation over the patients of a run" in " ".join(table.notes)


def test_tables_say_what_they_were_measured_on(results):
    out = results[0] / "out"
    markdown, latex = ((out / "tables" / f"elasticity.{ending}").read_text() for ending in ("md", "tex"))
    for text in (markdown, latex):
        assert "simulated phantoms (not the papers' data)" in text
        assert "No LPIPS, FID and Frechet VGG: no pretrained weights were named" in text
    assert "| identity |" in markdown
    assert "| mean |" in markdown
    assert "**" in markdown
    assert "4.50 ± 0.96" in markdown
    assert "\\toprule" in latex
    assert "\\textbf" in latex
    written = pd.read_csv(out / "tables" / "elasticity.csv")
    assert len(written) == 7 * 3 * 3 + 3, "of seven rows the scores, of one that was trained the budget"
    assert written.set_index(["row", "metric"])["mean"]["U-Net", "updates"] == 2, "one epoch of six images"


def test_the_report_is_one_file_without_network(results):
    out = results[0] / "out"
    page = (out / "report.html").read_text()
    assert "U-Net" in page
    assert "<svg" in page
    assert "data:image/webp;base64," in page
    for outside in ('src="http', 'href="http', "@import", "<link"):
        assert outside not in page


def test_tables_and_report_are_remade_from_disk(results, capsys):
    out = results[0] / "out"
    before = (out / "tables" / "elasticity.md").read_text()
    (out / "tables" / "elasticity.md").unlink()
    assert main(["tables", str(out)]) == 0
    assert (out / "tables" / "elasticity.md").read_text() == before
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").is_file()
    assert "not the papers' data" in capsys.readouterr().out


def test_two_processes_on_one_folder_share_the_work(tmp_path):
    suite = merge(SUITE, {"tables": {"elasticity": {"folds": [0]}}})
    suite = json.loads(json.dumps(suite))
    rows = suite["tables"]["elasticity"]["rows"]
    suite["tables"]["elasticity"]["rows"] = {"U-Net": rows["U-Net"]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    command = [sys.executable, "-m", "benchmarks", "run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    for cell in cells(tmp_path / "out").values():
        assert (cell / "log.txt").read_text().count("Seed set to") <= 1
        assert not (cell / "failed.json").exists()
    tables = [output.split("###")[1].split("tables:")[0] for output in outputs]
    assert tables[0] == tables[1]


def begun(tmp_path) -> tuple[list[str], subprocess.Popen]:
    """A suite of a long training that has begun: its command and its process."""
    suite = merge(SUITE, {"tables": {"elasticity": {"folds": [0], "trainer": {"max_epochs": 100}}}})
    suite = json.loads(json.dumps(suite))
    suite["tables"]["elasticity"]["rows"].pop("broken")
    suite["tables"]["elasticity"]["rows"].pop("bad split")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    command = [sys.executable, "-m", "benchmarks", "run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/cells/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return command, process


@pytest.mark.parametrize(("send", "number", "status"), [("killpg", signal.SIGINT, 130), ("kill", signal.SIGTERM, 143)])
def test_a_suite_that_was_told_to_end_is_continued_by_the_same_command(send, number, status, tmp_path):
    command, process = begun(tmp_path)
    getattr(os, send)(process.pid, number)
    assert process.wait(timeout=60) == status
    trained = cells(tmp_path / "out")["U-Net", 0]
    assert not (trained / "done.json").exists()
    assert not (trained / "failed.json").exists(), "it was interrupted, and has not failed"
    torn = send == "kill"  # and then its checkpoint was damaged
    if torn:
        trained.checkpoint.write_bytes(trained.checkpoint.read_bytes()[:5000])
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0
    assert ("Restored all states" in (trained / "log.txt").read_text()) is not torn
    named = f"{trained.checkpoint}: not a checkpoint; it is damaged"
    assert (named in again.stdout) is (trained / "checkpoints" / "last.damaged").exists() is torn
    assert trained.budget["updates"] == 200, "a hundred epochs of two batches, however they were interrupted"


def test_cells_end_with_a_runner_that_was_killed(tmp_path):
    _, process = begun(tmp_path)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    trained = cells(tmp_path / "out")["U-Net", 0]
    with FileLock(trained / ".lock", timeout=60):
        assert not (trained / "done.json").exists()
        assert not (trained / "failed.json").exists()


def test_a_cell_that_the_disk_refuses_ends_the_suite_and_has_not_failed(tmp_path):
    cell, results = Cell("t", "r", 0, 0, {"model": {"class_path": "X"}}), Results(tmp_path)
    runner = Runner(results, [cell], [], jobs=1)
    with pytest.raises(DiskError, match=f"{cell.hash}: cannot be written; with room there, the same command goes on"):
        runner._finished(Running(cell, SimpleNamespace(exitcode=REFUSED), 0))
    assert results.cell(cell.hash).failure is None


def test_tables_are_made_of_a_results_folder_that_is_only_read(results, tmp_path):
    out = results[0] / "out"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    for command in ("tables", "report"):
        assert main([command, str(out), "--out", str(tmp_path / command)]) == 0
        made = tmp_path / command / "tables" / "elasticity.csv"
        assert made.read_bytes() == (out / "tables" / "elasticity.csv").read_bytes()
    assert (tmp_path / "report" / "report.html").is_file()
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_metric_that_does_not_exist_is_refused_before_anything_runs(tmp_path, capsys):
    suite = merge(SUITE, {"tables": {"elasticity": {"metrics": ["MAE", "SSIMM"]}}})
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(suite))
    assert main(["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out")]) == 2
    assert "table 'elasticity': metric 'SSIMM' is none of " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nosuch"], f"suite 'nosuch': no such suite; use one of {SHIPPED}"),
        (["run", "quick", "--jobs", "0"], "--jobs 0"),
        (["tables", "/nowhere"], "/nowhere/plan.json: no such file"),
    ],
)
def test_bad_arguments_end_with_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_trivial_rows_are_what_they_say(tmp_path):
    data = tiny.data("swe", patients=20)
    mean = MeanTarget(in_channels=1, out_channels=1)
    mean.learn(data)
    train = data.dataset("train")
    samples = [train[index] for index in range(len(train))]
    target, valid = (np.stack([sample[name].numpy() for sample in samples]) for name in ("target", "valid"))
    seen = valid.any(0)
    expected = (target * valid).sum(0)[seen] / valid.sum(0)[seen]
    assert np.allclose(mean(samples[0]["source"][None])[0].numpy()[seen], expected, atol=1e-6)

    source = torch.rand(2, 1, 4, 4)
    assert torch.equal(Identity(in_channels=1, out_channels=3)(source), source.expand(2, 3, 4, 4))

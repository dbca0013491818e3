"""What is foreseen of a suite before it runs: updates, parameters, time."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks import __main__ as commands
from benchmarks.cells import Cell
from benchmarks.estimate import forecast, outlook, processes
from benchmarks.estimate.forecast import Forecast
from benchmarks.estimate.outlook import Outlook, Pace, expected_updates, validated
from benchmarks.estimate.processes import outlooks
from benchmarks.results import Results
from benchmarks.run import runner
from benchmarks.run.cell import _run, environment
from benchmarks.run.runner import server
from benchmarks.suite import Suite, read_suite
from datamodules import DeviceFolders, PairedFolderDataModule, PhantomDataModule
from tests import tiny

TABLE = {
    "metrics": ["MAE"],
    "data": {"patients": 12, "size": [32, 32], "batch_size": 2, "augmentation": None, "fractions": [0.5, 0.2, 0.3]},
    "trainer": {"max_epochs": 2, "accelerator": "cpu", "limit_val_batches": 0},
    "rows": {"U-Net": {"config": "sswe.yaml", "model": {"width": 4}}},
}
WIDE = {"config": "sswe.yaml", "model": {"width": 8}}


def suite_of(folder, **tables) -> Suite:
    (folder / "s.yaml").write_text(yaml.safe_dump({"tables": tables}, sort_keys=False))
    return read_suite(str(folder / "s.yaml"))


def forecast_of(suite: Suite, folder, jobs: int = 1, done: tuple[str, ...] = ()) -> Forecast:
    results = Results(folder / "out")
    return Forecast(suite, results, {cell.hash for cell in suite.cells} - set(done), jobs)


@pytest.fixture
def told(monkeypatch) -> dict[str, Outlook | list]:
    """In the place of measuring: an outlook by the class of a network, and which configs were asked for. Cells take no
    longer than their steps."""
    answers: dict = {"asked": []}

    def answer(context, configs, jobs, threads):
        for key, config in configs.items():
            answers["asked"].append(config)
            yield key, answers[config["model"]["class_path"]]

    monkeypatch.setattr(forecast, "outlooks", answer)
    monkeypatch.setattr(forecast, "server", lambda: None)
    monkeypatch.setattr(forecast, "AROUND_S", 0.0)
    return answers


# How many images, and how many updates


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("elastography", {}),
        ("harmonization", {"source_devices": ["scanner A", "scanner C"]}),
        ("prostate", {"patients": 6, "fractions": (0.5, 0.0, 0.5)}),
    ],
)
def test_phantoms_are_counted_before_they_are_simulated(task, more, tmp_path):
    settings = {"patients": 24, "size": (16, 16), "fractions": (0.5, 0.25, 0.25)} | more
    expected = PhantomDataModule(task, cache_dir=tmp_path, **settings).expected()
    assert not list(tmp_path.iterdir())
    found = tiny.data(task, **settings).splits()["split"].value_counts().to_dict()
    assert expected.keys() == found.keys()
    assert sum(expected.values()) == sum(found.values())
    assert all(abs(expected[split] - found[split]) <= 2 for split in found), "classes are not known yet"


def write_images(folder, names) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(folder / f"{name}.png")


def test_files_are_counted_before_they_are_read(tmp_path):
    for side in ("source", "target"):
        write_images(tmp_path / "pairs" / side, range(10))
    data = PairedFolderDataModule(tmp_path / "pairs", fractions=(0.6, 0.2, 0.2), cache_dir=tmp_path / "cache")
    assert data.expected() == {"train": 6, "val": 2, "test": 2}
    for device, count in (("a", 10), ("b", 20), ("reference", 30)):
        write_images(tmp_path / "devices" / device, range(count))
    data = DeviceFolders(
        tmp_path / "devices", "reference", fractions=(0.5, 0.2, 0.3), patient_separator="", cache_dir=tmp_path / "cache"
    )
    assert data.expected() == {"train": 15, "val": 6, "test": 9}, "of the sources"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        ({"max_epochs": 3}, 30),
        ({"max_epochs": 3, "accumulate_grad_batches": 4}, 9),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, 15),
        ({"max_epochs": 3, "limit_train_batches": 2}, 6),
        ({"max_epochs": 3, "limit_train_batches": 99}, 30),
        ({"max_epochs": 3, "max_steps": 7}, 7),
        ({"max_epochs": -1, "max_steps": 45}, 45),
        ({"max_epochs": -1}, None),
        ({"max_epochs": 3, "max_time": "00:00:01:00"}, None),
    ],
)
def test_updates_follow_from_the_trainer_and_the_batches(settings, updates, tmp_path):
    assert expected_updates(tiny.trainer(tmp_path, **settings), 10) == updates


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({"limit_val_batches": 1.0}, 24),
        ({"limit_val_batches": 0}, 0),
        ({"limit_val_batches": 2}, 12),
        ({"limit_val_batches": 1.0, "check_val_every_n_epoch": 3}, 8),
    ],
)
def test_validations_are_counted(settings, batches, tmp_path):
    assert validated(tiny.trainer(tmp_path, max_epochs=6, **settings), 4) == batches


def test_what_is_foreseen_is_what_the_cell_then_does(tmp_path):
    suite = suite_of(tmp_path, t=TABLE)
    (cell,) = [cell for cell in suite.cells if cell.row == "U-Net"]
    foreseen = outlook.outlook(cell.config)
    folder = Results(tmp_path / "out").cell(cell.hash)
    assert not folder.path.exists()
    _run(folder, cell.config, progress=lambda told: None)
    assert foreseen.updates == folder.budget["updates"]
    assert foreseen.parameters == folder.budget["parameters"]
    assert foreseen.seconds > 0


def test_what_needs_no_training_takes_no_time(tmp_path):
    rows = {"FDA": {"config": "fda.yaml"}, "U-Net": {"config": "cut.yaml"}}
    sets = {"a": {"task": "harmonization", "patients": 12, "size": [32, 32]}}
    table = {"metrics": ["SSIM"], "sets": sets, "columns": ["a>a"], "rows": rows, "budget": "free"}
    fda, _ = suite_of(tmp_path, t=table).cells
    assert outlook.outlook(fda.config) == Outlook(0, 0, 0.0)


# The pace


def pace(monkeypatch, tmp_path, seconds: list[float], batch_size: int, name: str = "sswe", **arguments) -> tuple:
    """What is made of such times, and on how many images each was taken."""
    images, times = [], iter(seconds)

    def timed(call, device):
        call()
        return next(times)

    def noise(task, size, images_asked, device):
        images.append(images_asked)
        return real(task, size, images_asked, device)

    real = outlook.noise
    monkeypatch.setattr(outlook, "_seconds", timed)
    monkeypatch.setattr(outlook, "noise", lambda task, size, images, device: noise(task, size, images, device))
    data = tiny.data(tiny.task_of(name), batch_size=batch_size)
    found = Pace.measured(tiny.method(name, **arguments), data, tiny.trainer(tmp_path))
    assert next(times, None) is None, "all of them"
    return found, images


def test_a_quick_step_is_timed_on_a_whole_batch_after_another(monkeypatch, tmp_path):
    found, images = pace(monkeypatch, tmp_path, [0.4, 9.0, 1.0, 2.0, 0.8], batch_size=8)
    assert images == [2, 8]
    assert found.step_s == 1.5, "the mean of two, the first of a batch left out"
    assert found.image_s == 0.8 / 8
    assert found.parameters == sum(own.numel() for own in tiny.method("sswe").parameters())


def test_a_slow_step_is_timed_on_two_images(monkeypatch, tmp_path):
    found, images = pace(monkeypatch, tmp_path, [0.6, 0.5, 0.3], batch_size=8)
    assert images == [2], "four times 0.6 s are more than can be waited for"
    assert found.step_s == pytest.approx(2.0)
    assert found.image_s == 0.15


def test_passes_and_parameters_are_those_of_a_translation(monkeypatch, tmp_path):
    found, _ = pace(
        monkeypatch, tmp_path, [0.1, 0.1, 0.1, 0.1, 0.3], batch_size=2, name="ddpm", sampler="ddpm", sampling_steps=5
    )
    assert found.image_s == pytest.approx(5 * 0.3 / 2)
    method = tiny.method("pix2pix")
    found, _ = pace(monkeypatch, tmp_path, [0.1] * 5, batch_size=2, name="pix2pix")
    assert found.parameters == sum(own.numel() for own in method.generator.parameters()), "no discriminator"


def test_every_method_takes_a_step_on_noise_in_precision_and_in_turn(tmp_path):
    data = tiny.data(tiny.task_of("pix2pix"))
    method = tiny.method("pix2pix")
    before = {name: weights.clone() for name, weights in method.named_parameters()}
    Pace.measured(method, data, tiny.trainer(tmp_path, precision="bf16-mixed"))
    now = dict(method.named_parameters())
    moved = {name.split(".")[0] for name in now if not torch.equal(now[name], before[name])}
    assert {"generator", "discriminator"} <= moved


# The processes


def test_a_network_that_fails_or_takes_too_long_ends_nothing_else(tmp_path, monkeypatch):
    suite = suite_of(tmp_path, t=TABLE)
    (cell,) = [cell for cell in suite.cells if cell.row == "U-Net"]
    nowhere = {"class_path": "PairedFolderDataModule", "init_args": {"root": "/nowhere"}}
    configs = {"good": cell.config, "bad": cell.config | {"data": nowhere}}
    found = dict(outlooks(server(), configs, 2, 1))
    assert (found["good"].updates, found["good"].why) == (6, "")
    assert not found["bad"].known
    assert found["bad"].why.startswith("/nowhere: no such")
    monkeypatch.setattr(processes, "LIMIT_S", 0.0)
    assert dict(outlooks(server(), {"slow": cell.config}, 1, 1)) == {"slow": Outlook(why="no step in 0 s")}


# The forecast


def test_a_network_is_timed_once_for_all_its_runs(tmp_path, told):
    told["SSWE"] = Outlook(1000, 6, 30.0)
    table = TABLE | {"folds": [0, 1, 2], "seeds": [0, 1], "rows": {**TABLE["rows"], "wide": WIDE}}
    grid = TABLE | {"grid": {"lr": [0.1, 0.2, 0.3]}}
    seen = forecast_of(suite_of(tmp_path, t=table, grid=grid), tmp_path)
    seen.measure()
    assert len(told["asked"]) == 2, "U-Net, also of the grid, and wide"
    lines = seen.table().set_index(["table", "row"])
    assert lines.loc[("t", "U-Net")].to_dict() == {
        "cells": 6, "done": 0, "parameters": "1,000", "updates": "6", "a cell": "30.0 s", "to run": "3 min 00 s",
    }  # fmt: skip
    assert (lines.loc["grid"]["to run"] == "30.0 s").sum() == 3


def test_every_cell_takes_its_start_and_its_scores_too(tmp_path, told, monkeypatch):
    monkeypatch.setattr(forecast, "AROUND_S", 4.0)
    told["SSWE"] = Outlook(1000, 6, 30.0)
    seen = forecast_of(suite_of(tmp_path, t=TABLE | {"folds": [0, 1, 2]}), tmp_path)
    seen.measure()
    assert seen.seconds == 3 * 30 + 15 * 4, "also of the trivial rows and the ceiling"


def test_time_is_shared_among_the_jobs_but_a_cell_takes_its_own(tmp_path, told):
    told["SSWE"] = Outlook(1000, 6, 30.0)
    suite = suite_of(tmp_path, t=TABLE | {"folds": [0, 1, 2]})
    for jobs, seconds in ((1, 90.0), (2, 45.0), (9, 30.0)):
        seen = forecast_of(suite, tmp_path, jobs)
        seen.measure()
        assert seen.seconds == seconds
    device = environment()["device"]
    when = f"about 30.0 s on {device}, 9 at a time, when their images are prepared"
    assert seen.total() == f"to run: 15 of 15 cells, {when}; networks timed: 1"


def test_an_impatient_forecast_takes_the_others_to_be_like_those_of_their_table(tmp_path, told, monkeypatch):
    """The first row of each table is looked at first; measuring one takes two seconds here, of which the first is not
    counted."""
    told |= {"SSWE": Outlook(1000, 6, 30.0), "Pix2Pix": Outlook(500, 6, 50.0)}
    clock = iter(range(100))
    monkeypatch.setattr(forecast.time, "monotonic", lambda: float(next(clock)))
    rows = {f"wide {width}": {"config": "sswe.yaml", "model": {"width": width}} for width in (4, 8, 16)}
    gan = TABLE | {"data": TABLE["data"] | {"task": "swe"}, "rows": {"GAN": {"config": "pix2pix.yaml"}}}
    seen = forecast_of(suite_of(tmp_path, t=TABLE | {"rows": rows}, u=gan), tmp_path)
    seen.measure(patience_s=1.5)
    assert [config["model"]["class_path"] for config in told["asked"]] == ["SSWE", "Pix2Pix"]
    lines = seen.table().set_index("row")
    assert lines.loc[["wide 8", "wide 16"], "a cell"].tolist() == ["30.0 s"] * 2
    assert lines.loc[["wide 8", "wide 16"], "updates"].tolist() == ["-"] * 2, "not known of these"
    assert seen.total().endswith("; 2 of 4 networks timed, the others taken to be like them")
    assert seen.seconds == 3 * 30 + 50


def test_a_hundredth_of_a_long_run_is_patience_enough(tmp_path, told, monkeypatch):
    told["SSWE"] = Outlook(1000, 6, 3600.0)
    clock = iter(range(100))
    monkeypatch.setattr(forecast.time, "monotonic", lambda: float(next(clock)))
    rows = {f"wide {width}": {"config": "sswe.yaml", "model": {"width": width}} for width in (4, 8, 16)}
    seen = forecast_of(suite_of(tmp_path, t=TABLE | {"rows": rows}), tmp_path)
    seen.measure(patience_s=0.0)
    assert len(told["asked"]) == 3


def test_what_cannot_be_known_is_said_and_the_rest_is_the_least(tmp_path, told):
    told |= {"SSWE": Outlook(1000, 6, 30.0), "Pix2Pix": Outlook(why="no such file")}
    gan = {"config": "pix2pix.yaml", "data": {"task": "swe", "fractions": [0.5, 0.2, 0.3]}}
    table = TABLE | {"rows": {**TABLE["rows"], "GAN": gan}, "budget": "free"}
    seen = forecast_of(suite_of(tmp_path, t=table), tmp_path)
    seen.measure()
    assert seen.reasons() == ["t / GAN: time not known: no such file"]
    assert ", at least 30.0 s on " in seen.total()
    assert seen.table().set_index("row").loc["GAN", "to run"] == "-"


def finish(results: Results, cell: Cell, device: str, seconds: float) -> None:
    folder = results.cell(cell.hash)
    folder.path.mkdir(parents=True)
    (folder / "scores.csv").write_text("id,patient\na,a\n")
    folder.write_metrics([])
    folder.write_timings({"fit_s": 10.0, "total_s": seconds, "updates": 60, "parameters_in_use": 77})
    folder.write_environment({"device": device})
    folder.mark_finished({"data": "d", "task": "swe", "unit": "kPa", "size": [8, 8], "images": {}}, "")


@pytest.mark.parametrize("here", [True, False])
def test_finished_cells_tell_what_a_row_takes_on_the_same_device(here, tmp_path, told):
    told["SSWE"] = Outlook(1000, 6, 30.0)
    suite, results = suite_of(tmp_path, t=TABLE | {"folds": [0, 1, 2]}), Results(tmp_path / "out")
    first, second, _ = [cell for cell in suite.cells if cell.row == "U-Net"]
    for cell, seconds in ((first, 20.0), (second, 24.0)):
        finish(results, cell, environment()["device"] if here else "another GPU", seconds)
    seen = forecast_of(suite, tmp_path, done=(first.hash, second.hash))
    seen.measure()
    line = seen.table().set_index("row").loc["U-Net"]
    assert line["done"] == 2
    known = line[["a cell", "updates", "parameters"]].tolist()
    assert known == (["22.0 s", "60", "77"] if here else ["30.0 s", "6", "1,000"])
    assert len(told["asked"]) == (0 if here else 1)
    (results.cell(first.hash) / "timings.json").write_text("{")
    assert forecast_of(suite, tmp_path, done=(first.hash, second.hash)).rows[4].done == 1, "a damaged one tells nothing"


def test_where_nothing_is_to_run_nothing_is_timed(tmp_path, told):
    suite = suite_of(tmp_path, t=TABLE)
    seen = forecast_of(suite, tmp_path, done=tuple(cell.hash for cell in suite.cells))
    seen.measure()
    assert told["asked"] == []
    assert seen.total() == "nothing is to run"


# The commands


def test_plan_prints_a_line_a_row_and_the_sum(tmp_path, told, capsys):
    told["SSWE"] = Outlook(1000, 6, 30.0)
    suite_of(tmp_path, t=TABLE | {"folds": [0, 1]})
    assert commands.main(["plan", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"), "--jobs", "2"]) == 0
    cells, table, *_ = capsys.readouterr().out.split("\n\n")
    assert len(cells.splitlines()) == 10
    head, *_, last = table.splitlines()
    assert " ".join(head.split()) == "table row cells done parameters updates a cell to run"
    assert " ".join(last.split()) == "t U-Net 2 0 1,000 6 30.0 s 1 min 00 s"
    assert commands.main(["plan", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"), "--jobs", "0"]) == 2
    assert "--jobs 0: at least one cell must run at a time" in capsys.readouterr().err


def test_run_says_the_sum_before_it_begins(tmp_path, told, monkeypatch, capsys):
    told["SSWE"] = Outlook(1000, 6, 30.0)
    suite_of(tmp_path, t=TABLE)

    def run_suite(suite, results, jobs, retry_failed):
        print("begins")
        for cell in suite.cells:
            finish(results, cell, "here", 1.0)
        return 0

    monkeypatch.setattr(runner, "run_suite", run_suite)
    monkeypatch.setattr(commands, "_report", lambda options: 0)
    assert commands.main(["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    foreseen, begins, _ = capsys.readouterr().out.splitlines()
    assert foreseen.startswith("to run: 5 of 5 cells, about 30.0 s on ")
    assert begins == "begins"

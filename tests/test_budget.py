"""What rows are trained with: counted in a cell, printed beside the scores, and alike unless a suite says otherwise."""

import subprocess
import sys

import pytest
import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import ModelCheckpoint

from benchmarks.run.budget import InUse, Stopwatch, updates
from benchmarks.suite import SUITES, read_suite
from benchmarks.tables.budget import parameters_text, time_text, updates_text
from datamodules import InputError
from tests import tiny
from tests.conftest import ROOT
from tests.facts import shipped_suite

ROWS = {"A": {"config": "pix2pix.yaml"}, "B": {"config": "pix2pix.yaml", "model": {"lambda_l1": 10.0}}}


def suite(tmp_path, b: dict | None = None, **table) -> str:
    """The path of a suite of two rows that are trained alike, the second with what is laid over it."""
    rows = ROWS | {"B": ROWS["B"] | (b or {})}
    text = {"tables": {"t": {"metrics": ["SSIM"], "rows": rows} | table}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
    return str(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    ("b", "message"),
    [
        ({"data": {"batch_size": 4}}, "data.batch_size is 1 and 4"),
        ({"data": {"patients": 30}}, "data.patients is 500 and 30"),
        ({"data": {"drop_last": True}}, "data.drop_last is False and True"),
        ({"data": {"fractions": [0.8, 0.1, 0.1]}}, "data.fractions is .0.5, 0.2, 0.3. and .0.8, 0.1, 0.1."),
        ({"data": {"class_path": "PairedFolderDataModule", "root": "x"}}, "data.class_path is PhantomDataModule and P"),
        ({"trainer": {"max_epochs": 3}}, "trainer.max_epochs is 200 and 3"),
        ({"trainer": {"max_steps": 100}}, "trainer.max_steps is -1 and 100"),
        ({"trainer": {"accumulate_grad_batches": 2}}, "trainer.accumulate_grad_batches is 1 and 2"),
        ({"trainer": {"limit_train_batches": 0.5}}, "trainer.limit_train_batches is 1.0 and 0.5"),
        ({"trainer": {"max_time": "00:01:00:00"}}, "trainer.max_time is None and 00:01:00:00"),
        ({"trainer": {"overfit_batches": 2}}, "trainer.overfit_batches is 0.0 and 2"),
        ({"trainer": {"min_epochs": 3}}, "trainer.min_epochs is None and 3"),
        ({"trainer": {"devices": 4}}, "trainer.devices is 1 and 4"),
        ({"trainer": {"callbacks": ["EarlyStopping"]}}, "trainer.callbacks is None and .'EarlyStopping'."),
        ({"config": "hsct.yaml", "model": {}}, "data.batch_size is 1 and 16"),
    ],
)  # fmt: skip
def test_rows_of_other_budgets_are_refused_in_one_line(b, message, tmp_path):
    where = "table 't': rows 'A' and 'B' are trained on different budgets"
    with pytest.raises(InputError, match=f"{where}: {message}") as error:
        read_suite(suite(tmp_path, b))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("; give them the same, or say budget: free")
    assert read_suite(suite(tmp_path, b, budget="free")).plan().tables["t"].budget == "free"


@pytest.mark.parametrize(
    "b",
    [
        {},
        {"data": {"augmentation": None, "num_workers": 2, "unpaired": True}},
        {"data": {"batch_size": 1, "drop_last": False, "fractions": [0.5, 0.2, 0.3], "split_seed": 0}},  # as by default
        {"trainer": {"precision": "bf16-mixed", "check_val_every_n_epoch": 5, "max_steps": -1}},
        {"config": "fda.yaml", "model": {}, "data": {"batch_size": 4}},  # not trained
        {"class_path": "benchmarks.run.baselines.Identity", "model": {}, "data": {"batch_size": 4}},
        {"model": {"preset": "matched"}},
    ],
)
def test_what_changes_neither_images_nor_updates_is_free(b, tmp_path):
    assert read_suite(suite(tmp_path, b)).plan().tables["t"].budget == ""


def test_rows_of_sets_are_compared_on_the_sets_that_they_are_trained_on(tmp_path):
    """What a set lays over a row's own data, and a fold or seed, is no difference."""
    sets = {"sets": {"P": {"patients": 20}}, "columns": ["P>P"]}
    read_suite(suite(tmp_path, {"data": {"patients": 30, "fold": 1, "seed": 2}}, **sets))
    with pytest.raises(InputError, match=r"data\.batch_size is 1 and 2"):
        read_suite(suite(tmp_path, {"data": {"batch_size": 2}}, **sets))


def test_a_method_of_ones_own_counts_and_one_that_is_not_there_is_left_to_its_cell(tmp_path):
    config = tiny.config("pix2pix")
    config["model"] = {"class_path": "nowhere.Method", "init_args": {}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    read_suite(suite(tmp_path, {"config": "own.yaml", "model": {}}))
    with pytest.raises(InputError, match=r"data\.batch_size is 1 and 2"):
        read_suite(suite(tmp_path, {"config": "own.yaml", "model": {}, "data": {"batch_size": 2}}))


def test_a_grid_and_sets_are_checked_as_well(tmp_path):
    with pytest.raises(InputError, match="rows 'A, lambda_l1 1' and 'B, lambda_l1 1'"):
        read_suite(suite(tmp_path, {"trainer": {"max_epochs": 3}}, grid={"lambda_l1": [1, 10]}))
    with pytest.raises(InputError, match="rows 'A' and 'B'"):
        read_suite(suite(tmp_path, {"data": {"batch_size": 3}}, sets={"X": {}}, columns=["X>X"]))
    own_sets = {"sets": {"X": {}, "Y": {"patients": 20}}, "columns": ["X>X", "Y>Y"]}
    read_suite(suite(tmp_path, {"columns": ["Y>Y"]}, **own_sets))


def test_free_budgets_of_shipped_suites_are_said():
    free = {(path.stem, key) for path in SUITES.glob("*.yaml")
            for key, table in shipped_suite(path.stem).tables.items() if table.budget}  # fmt: skip
    assert free == {
        ("paper", "translation"), ("paper", "enhancement"), ("hsct_search", "choices"), ("us3m", "translation"),
    }  # fmt: skip


def test_suites_of_equal_rows_are_read_without_torch():
    code = "import sys; from benchmarks.suite import read_suite; read_suite('quick'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


# What a cell counts


def fit(name: str, folder, epochs: int, resumed: bool = False) -> tuple[pl.Trainer, pl.LightningModule, Stopwatch]:
    stopwatch = Stopwatch()
    model, data = tiny.method(name), tiny.data(tiny.task_of(name))
    checkpoint = ModelCheckpoint(folder, save_last=True, save_top_k=0)
    trainer = tiny.trainer(
        folder, max_epochs=epochs, callbacks=[stopwatch, checkpoint], enable_checkpointing=True, log_every_n_steps=1
    )
    trainer.fit(model, data, ckpt_path=folder / "last.ckpt" if resumed else None, weights_only=True)
    return trainer, model, stopwatch


@pytest.mark.parametrize("name", ["pix2pix", "hsct"])
def test_updates_and_time_of_an_interrupted_training_are_those_of_all_its_parts(name, tmp_path):
    """Of a GAN, whose two sides each take a step a batch, and of one optimizer."""
    trainer, model, first = fit(name, tmp_path, 1)
    batches = trainer.num_training_batches
    assert updates(trainer, model) == batches > 1
    trainer, model, second = fit(name, tmp_path, 3, resumed=True)
    assert updates(trainer, model) == 3 * batches
    assert second.seconds > second.before > 0
    assert second.before == pytest.approx(first.seconds, abs=0.5)
    trainer, model, third = fit(name, tmp_path, 3, resumed=True)
    assert updates(trainer, model) == 3 * batches, "nothing was left to train"
    assert third.seconds == pytest.approx(second.seconds, abs=0.5)


def count(*networks) -> int:
    return sum(weight.numel() for network in networks for weight in network.parameters())


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("pix2pix", lambda model: count(model.generator)),
        ("hsct", lambda model: count(model.encoder, model.decoder)),
        ("cyclegan", lambda model: count(model.generator_target)),
        ("harmonizer", lambda model: count(model.generator_target)),
        ("sswe", count),
    ],
)
def test_parameters_are_those_that_an_image_passes_through(name, used, tmp_path):
    model, in_use = tiny.method(name), InUse()
    tiny.trainer(tmp_path, callbacks=[in_use]).test(model, tiny.data(tiny.task_of(name)), verbose=False)
    assert in_use.parameters == used(model) > 0
    assert (in_use.parameters < count(model)) == (name != "sswe")


def test_a_method_without_parameters_is_tested_batch_by_batch_all_the_same(tmp_path):
    in_use = InUse()
    tiny.trainer(tmp_path, callbacks=[in_use], limit_test_batches=2).test(
        tiny.method("fda"), tiny.data(tiny.task_of("fda"), fractions=(0.5, 0, 0.5)), verbose=False
    )
    assert in_use.parameters == 0


def test_budgets_are_printed_as_people_read_them():
    assert [parameters_text(n) for n in (54_411_907, 999_999, 102_273.0)] == ["54.4 M", "999,999", "102,273"]
    assert updates_text(3600.0) == "3,600"
    assert [time_text(s) for s in (4.25, 59.4, 250.4, 3599.7, 7265)] == [
        "4.2 s", "59.4 s", "4 min 10 s", "1 h 00 min", "2 h 01 min",
    ]  # fmt: skip

"""Two processes of one run: one table, a file an image, and all of them stop together."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main
from zoo.predictions import Names
from zoo.processes import of_this

TWO = ["--trainer.devices=2", "--trainer.strategy=ddp_find_unused_parameters_true"]


def run(arguments: list[str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "zoo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)


def folder_of(root, ids: list[str]):
    rng = np.random.default_rng(0)
    (root / "source").mkdir(parents=True)
    for name in ids:
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(root / "source" / f"{name}.png")
    return root


def predict(tmp_path, ids: list[str]) -> pd.DataFrame:
    """What two processes write of a user's images; the files' pixels stand beside their rows."""
    data = folder_of(tmp_path / "data", ids)
    command = [word for word in tiny.command("pix2pix", tmp_path / "out", *TWO) if "patients" not in word]
    command.insert(2, f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}")
    more = [f"--data.root={data}", "--data.spacing=null", "--data.batch_size=1", "--predictions.submission=true"]
    done = run(["predict", *command[1:], *more])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "lightning_logs" / "version_0" / "predictions"
    table = pd.read_csv(folder / "predictions.csv")
    assert {path.name for path in folder.iterdir()} == {*table["file"], "predictions.csv", "submission.csv"}
    assert list(pd.read_csv(folder / "submission.csv")["image_id"]) == list(table["id"])
    return table.assign(pixels=[Image.open(folder / file).tobytes() for file in table["file"]])


@pytest.mark.parametrize("ids", [["a b", "a_b", "c"], ["only"]])
def test_every_image_has_a_row_and_a_file_of_its_own(ids, tmp_path):
    table = predict(tmp_path, ids)
    assert list(table["id"]) == sorted(ids)
    assert table["file"].nunique() == table["pixels"].nunique() == len(ids)


def test_a_loss_that_is_not_finite_in_one_process_stops_both(tmp_path):
    done = run(tiny.command("pix2pix", tmp_path, *TWO, "--trainer.callbacks+=tests.ends.Poison"))
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert said[0].startswith("error: step 2: the loss is not finite on the batch ")


def test_what_one_process_meets_alone_ends_both_and_is_said(tmp_path):
    done = run(tiny.command("sswe", tmp_path, *TWO, "--trainer.callbacks+=tests.ends.NoRoom"))
    said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert "error: another process of this run has stopped; its own line says why" in said
    assert any(line.startswith("error: /somewhere: the disk is full") for line in said)


def test_two_processes_step_as_one_that_accumulates_their_batches(tmp_path):
    few = ["--data.batch_size=1", "--data.augmentation=null", "--trainer.max_epochs=1"]
    together = run(tiny.command("sswe", tmp_path / "two", *few, *TWO, "--trainer.limit_train_batches=1"))
    assert together.returncode == 0, together.stderr
    alone = [*few, "--trainer.limit_train_batches=2", "--trainer.accumulate_grad_batches=2"]
    assert main(tiny.command("sswe", tmp_path / "one", *alone)) == 0
    two, one = (next((tmp_path / name).rglob("last.ckpt")) for name in ("two", "one"))
    two, one = (torch.load(path, weights_only=True) for path in (two, one))
    assert two["global_step"] == one["global_step"] == 1
    kernels = {name: value for name, value in one["state_dict"].items() if value.ndim > 1}
    assert len(kernels) > 5, "statistics are each process' own, and of a bias before them only rounding is left"
    assert all(torch.allclose(two["state_dict"][name], kernels[name], atol=1e-6) for name in kernels)


def test_names_of_files_are_each_its_own_whatever_lies_beside_them():
    names = Names(".png", ["_confidence.png"])
    found = [names.of(one) for one in ("a b", "a_b", "A_b", "a_b_confidence", "a/b", 300 * "y", 300 * "y" + "z")]
    assert found[:5] == ["a_b.png", "a_b_1.png", "A_b_2.png", "a_b_confidence_1.png", "a_b_3.png"]
    beside = [file.removesuffix(".png") + "_confidence.png" for file in found]
    assert len({file.casefold() for file in [*found, *beside]}) == 14
    assert names.of("a_b") == "a_b_1.png", "an id keeps its name"
    assert max(len(file) for file in found) < 150


def test_random_rows_of_several_processes_are_those_of_one_with_all_of_them(monkeypatch):
    torch.manual_seed(0)
    together = torch.rand(6, 2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda own=rank: own)
        torch.manual_seed(0)
        parts.append(of_this(lambda rows: torch.rand(rows, 2), 2))
    assert torch.equal(torch.cat(parts), together)

"""Runs that are ended by a signal: what they leave, what they say, how they go on."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from datamodules.endings import Ended, end_by_signal, ended_by_signal
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main


@pytest.fixture(autouse=True)
def heard():
    """A shell's background jobs, such as a run of these tests may be, ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def kill(number: int, step: int) -> list[str]:
    return ["--trainer.callbacks+=tests.ends.Signal", f"--trainer.callbacks.number={int(number)}",
            f"--trainer.callbacks.step={step}"]  # fmt: skip


def last(folder, version: int = 0):
    return folder / "lightning_logs" / f"version_{version}" / "checkpoints" / "last.ckpt"


def weights(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """A run of two epochs of three batches that nothing has ended."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(tiny.command("pix2pix", folder)) == 0
    return weights(last(folder))


@pytest.mark.parametrize(
    ("number", "step", "saved", "status"), [(signal.SIGTERM, 1, 0, 143), (signal.SIGINT, 4, 6, 130)]
)
def test_fit_says_how_to_go_on_and_goes_on_to_the_same_bits(number, step, saved, status, whole, tmp_path, capsys):
    command = tiny.command("pix2pix", tmp_path)
    assert main([*command, *kill(number, step)]) == status
    left = last(tmp_path)
    assert torch.load(left, weights_only=True)["global_step"] == saved, "both sides' of the last epoch"
    said = f"error: ended by {number.name}; go on by the same command with --ckpt_path {left}"
    assert said in capsys.readouterr().err.splitlines()
    assert main([*command, f"--ckpt_path={left}"]) == 0
    again = weights(last(tmp_path, 1))
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_a_signal_to_the_whole_group_is_no_fault_of_the_loaders_workers(tmp_path):
    """As Ctrl-C and a cluster send it; beside a GPU there are workers by default."""
    command = [*tiny.command("sswe", tmp_path), "--trainer.max_epochs=2000", "--data.num_workers=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", *command], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not last(tmp_path).is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert f"error: ended by SIGTERM; go on by the same command with --ckpt_path {last(tmp_path)}" in said


@pytest.mark.parametrize(
    ("where", "status"), [("fork", 143), ("birth", 143), ("work", 143), ("finalizer", 143), ("kept", 1)]
)
def test_no_moment_is_wrong_for_a_signal_to_a_group_with_workers(where, status):
    command = [sys.executable, "-m", "tests.signalled", where]
    ended = subprocess.run(command, cwd=ROOT, start_new_session=True, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (status, "")


def test_a_test_and_a_prediction_that_are_ended_are_no_results(tmp_path, capsys):
    command = tiny.command("pix2pix", tmp_path)[1:]
    assert main(["test", *command, *kill(signal.SIGTERM, 1)]) == 143
    assert capsys.readouterr().err.splitlines()[-1] == "error: ended by SIGTERM"
    assert main(["predict", *command, *kill(signal.SIGTERM, 1)]) == 143
    assert not list(tmp_path.rglob("scores_test.csv"))
    assert not list(tmp_path.rglob("predictions.csv"))


def test_signals_do_what_they_did_before_and_one_that_is_ignored_stays_so():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Ended) as ended, ended_by_signal():
        signal.raise_signal(signal.SIGTERM)
    assert (ended.value.status, str(ended.value)) == (143, "ended by SIGTERM")
    assert signal.getsignal(signal.SIGTERM) is before
    own = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended_by_signal():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Ended):
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, own)


def test_a_second_signal_ends_the_process_at_once():
    with ended_by_signal():
        end_by_signal()
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_DFL


def test_infinite_weights_are_not_saved_though_the_loss_was_a_number(tmp_path, capsys):
    command = [*tiny.command("sswe", tmp_path), "--trainer.callbacks+=tests.ends.Overflow"]
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: epoch 1: 1 of the network's weights and statistics are not finite (")
    saved = torch.load(last(tmp_path), weights_only=True)
    assert saved["epoch"] == 0
    assert all(value.isfinite().all() for value in saved["state_dict"].values())
    curves = pd.read_csv(tmp_path / "lightning_logs" / "version_0" / "metrics.csv")
    assert curves["epoch"].max() <= 1

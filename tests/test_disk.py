"""What the disk refuses, what a killed process leaves on it, and what two runs would both take."""

import errno
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import IO

import pytest
import yaml
from filelock import FileLock
from pytorch_lightning.loggers import CSVLogger

from benchmarks.__main__ import main as benchmarks
from datamodules.cache import open_or_build
from datamodules.disk import DiskError
from datamodules.leftovers import PART, open_part, sweep
from datamodules.phantom.simulate import PhantomSource
from datamodules.writers import safe_name, write_text_atomically
from tests import tiny
from tests.conftest import ROOT
from zoo.cli import main
from zoo.versions import Versions

SOURCE = PhantomSource("elastography", 3, (32, 32))


class Quota:
    """A file that takes ``left`` bytes and no more."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self.file, self.left = file, left

    def write(self, data: bytes) -> int:
        written = self.file.write(data[: self.left])
        self.left -= written
        return written if written == len(data) else refuse()

    def __getattr__(self, name: str):
        return getattr(self.file, name)


@contextmanager
def small_disk(path):
    with open_part(path) as file:
        yield Quota(file, 20_000)


def refuse(*args):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_checkpoint_that_finds_no_room_leaves_nothing_and_says_so_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("datamodules.writers.open_part", small_disk)
    assert main(tiny.command("pix2pix", tmp_path)) == 2
    folder = tmp_path / "lightning_logs" / "version_0" / "checkpoints"
    (said,) = capsys.readouterr().err.splitlines()
    assert re.match(f"error: {folder}: the disk is full; [0-9]+ kB are needed there and .* are free; make room", said)
    assert said.endswith("are free; make room and run the same command again")
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    assert main(tiny.command("pix2pix", tmp_path)) == 0, "with room it runs"


@pytest.mark.parametrize("fault", ["known before", "met while reserving"])
def test_a_cache_that_finds_no_room_is_not_begun(fault, tmp_path, monkeypatch):
    if fault == "known before":
        monkeypatch.setattr("datamodules.disk.shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(DiskError, match=f"^{tmp_path}: the disk is full"):
        open_or_build(SOURCE, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    monkeypatch.undo()
    assert len(open_or_build(SOURCE, tmp_path)) == 3


def test_a_cache_has_its_blocks_before_it_is_written(tmp_path):
    cache = open_or_build(SOURCE, tmp_path)
    for file in cache.folders[0].glob("*.npy"):
        assert file.stat().st_blocks * 512 >= file.stat().st_size


@pytest.mark.parametrize("command", ["fit", "suite"])
def test_folders_that_cannot_be_written_to_are_said_before_anything_runs(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the place of a folder")
    closed = tmp_path / "file" / "x"
    if command == "fit":
        monkeypatch.setenv("SONOZOO_CACHE", str(closed))
        assert main(tiny.command("pix2pix", tmp_path / "out")) == 2
        remedy = "make it writable, or name another folder by SONOZOO_CACHE or data.cache_dir"
    else:
        assert benchmarks(["run", "quick", "--out", str(closed)]) == 2
        remedy = "make it writable, or name another folder"
    assert capsys.readouterr().err.splitlines() == [
        f"error: {closed}: cannot be written to (not a directory); {remedy}"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_has_left_is_removed_and_what_another_writes_is_not(tmp_path):
    (tmp_path / f".a.csv.xyz{PART}").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"a user's own")
    with open_part(tmp_path / "b.csv") as file:
        sweep.cache_clear()
        write_text_atomically(tmp_path / "c.csv", "whole")
        assert {path.name for path in tmp_path.iterdir()} == {".hidden", "c.csv", os.path.basename(file.name)}


def test_a_half_built_cache_is_removed_unless_it_is_being_built(tmp_path):
    gone, busy = 20 * "0", 20 * "b"
    for name in (f".{gone}.abc", f".{busy}.abc", ".config.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "source.npy").write_bytes(b"half")
    with FileLock(tmp_path / f"{busy}.lock"):
        open_or_build(SOURCE, tmp_path)
    assert {path.name for path in tmp_path.glob(".*")} == {f".{busy}.abc", ".config.old"}, "a user's own stays"


def test_two_runs_never_take_the_same_version(tmp_path):
    loggers = [CSVLogger(tmp_path) for _ in range(8)]
    versions = Versions(loggers)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda logger: logger.version, loggers))
    assert sorted(taken) == list(range(8))
    assert {logger.log_dir for logger in loggers} == {str(path) for path in (tmp_path / "lightning_logs").iterdir()}
    (tmp_path / "lightning_logs" / "version_8").write_text("a user's own file")
    late = CSVLogger(tmp_path)
    versions_of_late = Versions([late])
    assert late.version == 9
    versions_of_late.release()
    named = CSVLogger(tmp_path, version=3)
    Versions([named])
    assert named.version == 3, "what a user names is taken as it is"
    (tmp_path / "lightning_logs" / "version_5" / "metrics.csv").write_text("of a run")
    versions.release()
    left = {path.name for path in (tmp_path / "lightning_logs").iterdir()}
    assert left == {"version_5", "version_8"}, "the rest was empty"


def test_two_runs_that_start_together_have_a_folder_and_a_config_each(tmp_path):
    command = [sys.executable, "-m", "zoo", *tiny.command("sswe", tmp_path, "--trainer.max_epochs=1")]
    both = [
        subprocess.Popen([*command, f"--seed_everything={seed}"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for seed in (1, 2)
    ]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    configs = [yaml.safe_load(path.read_text()) for path in tmp_path.glob("lightning_logs/*/config.yaml")]
    assert sorted(config["seed_everything"] for config in configs) == [1, 2]
    assert len(list(tmp_path.glob("lightning_logs/*/checkpoints/last.ckpt"))) == 2


def test_long_names_are_cut_and_stay_apart():
    ids = [300 * "a" + end for end in "xy"] + [300 * "ä"]
    names = [safe_name(one) for one in ids]
    assert len(set(names)) == 3
    assert max(len(name.encode()) for name in names) <= 120
    assert names[0].startswith("aaa")
    assert safe_name(120 * "b") == 120 * "b"

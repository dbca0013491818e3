"""One cell, from its config to its scores on disk, in a process of its own."""

import contextlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
import yaml
from filelock import FileLock, Timeout

from benchmarks.baselines import BASELINES
from benchmarks.plan import merge
from datamodules.errors import InputError
from datamodules.readers import safe_name, write_image, write_text_atomically
from datamodules.ultrasound import UltrasoundDataModule
from zoo.cli import SonozooCLI
from zoo.evaluation import Evaluation

BUSY = 75  # exit status: another process is running this cell
SAMPLES = 6
Progress = Callable[[float], None]


def is_done(folder: Path) -> bool:
    return (folder / "done.json").is_file()


def failure(folder: Path) -> str | None:
    """Why the cell failed, in one line, or None."""
    path = folder / "failed.json"
    return json.loads(path.read_text())["reason"] if path.is_file() else None


def mark_failed(folder: Path, reason: str, trace: str = "") -> None:
    write_text_atomically(folder / "failed.json", json.dumps({"reason": reason, "traceback": trace}, indent=1))


def run_cell(folder: Path, config: dict[str, Any], threads: int, queue: Any = None) -> None:
    """Entry point of the cell's process. Exits with 0, 1 for a failure (see :func:`failure`) or BUSY."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if is_done(folder):
                return
            with _output_to(folder / "log.txt"):
                _run_marked(folder, config, threads, queue)
    except Timeout:
        sys.exit(BUSY)


def _run_marked(folder: Path, config: dict[str, Any], threads: int, queue: Any) -> None:
    (folder / "failed.json").unlink(missing_ok=True)
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        _run(folder, config, progress=lambda fraction: queue.put((folder.name, fraction)) if queue else None)
    except Exception as error:
        traceback.print_exc()
        bad_input = InputError.behind(error)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        mark_failed(folder, "; ".join(str(bad_input).splitlines()) if bad_input else reason, traceback.format_exc())
        sys.exit(1)
    except SystemExit as error:
        if error.code == 2:  # a config that the command line refuses; it has written why to the log
            mark_failed(folder, _last_error(folder / "log.txt"))
        raise


def _run(folder: Path, config: dict[str, Any], progress: Progress) -> None:
    write_text_atomically(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    pl.seed_everything(config["seed_everything"], verbose=False)
    name = config["model"]["class_path"]
    started = time.perf_counter()
    run = _test_trivial if name in BASELINES else _fit_and_test
    data, evaluation, timings, remark = run(folder, config, progress)
    timings["total_s"] = time.perf_counter() - started
    for row, picture in zip(evaluation.rows, evaluation.panels, strict=False):
        write_image(folder / "samples" / f"{safe_name(row['id'])}.png", picture / 127.5 - 1, data.task.source)
    write_text_atomically(folder / "splits.csv", data.splits().to_csv(index=False))
    write_text_atomically(folder / "timings.json", json.dumps(timings, indent=1))
    write_text_atomically(folder / "environment.json", json.dumps(environment(), indent=1))
    done = {"data": describe(data, config), "remark": remark}
    write_text_atomically(folder / "done.json", json.dumps(done, indent=1))


def _test_trivial(folder: Path, config: dict[str, Any], progress: Progress):
    """The trivial rows learn nothing, or one mean; they need no command line."""
    shell = merge(config, {"model": {"class_path": "SSWE", "init_args": {}}, "trainer": _quiet(folder)})
    cli = SonozooCLI(args=shell, run=False)
    data, evaluation = cli.datamodule, _evaluation(cli, folder)
    data.prepare_data()
    data.setup("test")
    task = data.task
    model = BASELINES[config["model"]["class_path"]](
        in_channels=task.source.channels, out_channels=task.target.channels
    )
    if hasattr(model, "learn"):
        model.learn(data)
    cli.trainer.test(model, data, verbose=False)
    (folder / "scores_test.csv").replace(folder / "scores.csv")
    progress(1.0)
    return data, evaluation, {}, ""


def _fit_and_test(folder: Path, config: dict[str, Any], progress: Progress):
    extra = {
        "trainer": _quiet(folder),
        "checkpoint": {"save_top_k": 0, "monitor": None},  # the last epoch is what is tested
        "last_checkpoint": {"dirpath": str(folder / "checkpoints")},
    }
    extra["trainer"]["logger"] = {
        "class_path": "CSVLogger",
        "init_args": {"save_dir": str(folder), "name": "", "version": _new_logs(folder)},
    }
    tests = {column: {"data": data} for column, data in config.get("tests", {}).items()}
    config = _with_translator({key: value for key, value in config.items() if key != "tests"}, folder.parent.parent)
    cli = SonozooCLI(args=merge(config, extra), run=False)
    evaluation = _evaluation(cli, folder)
    cli.trainer.callbacks.insert(0, _Reporter(progress))
    last = folder / "checkpoints" / "last.ckpt"
    started = time.perf_counter()
    cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    if cli.trainer.interrupted:
        raise KeyboardInterrupt
    fitted = time.perf_counter()
    _test(cli, folder, {column: merge(config | data, extra) for column, data in tests.items()})
    timings = {
        "fit_s": fitted - started,
        "test_s": time.perf_counter() - fitted,
        "epochs": cli.trainer.current_epoch,
        "parameters": sum(weight.numel() for weight in cli.model.parameters()),
    }
    return cli.datamodule, evaluation, timings, cli.model.remark


def _new_logs(folder: Path) -> str:
    """A logger would empty the folder of an interrupted run, whose curves are still wanted."""
    earlier = len(list(folder.glob("logs*")))
    return f"logs_{earlier}" if earlier else "logs"


def _test(cli: SonozooCLI, folder: Path, tests: dict[str, dict[str, Any]]) -> None:
    """Write ``scores.csv``: of the test set, or of the test set of each column, one below the other."""
    if not tests:
        cli.trainer.test(cli.model, cli.datamodule, verbose=False)
        (folder / "scores_test.csv").replace(folder / "scores.csv")
        return
    parts = []
    for column, config in tests.items():
        data = SonozooCLI(args=config, run=False).datamodule
        cli.trainer.test(cli.model, data, verbose=False)
        parts.append(pd.read_csv(folder / "scores_test.csv").assign(column=column))
    (folder / "scores_test.csv").unlink()
    write_text_atomically(folder / "scores.csv", pd.concat(parts).to_csv(index=False))


def _with_translator(config: dict[str, Any], out: Path) -> dict[str, Any]:
    """The translator's checkpoint is named from the results folder on; here in full."""
    if "translator" not in config["model"]["init_args"]:
        return config
    checkpoint = str(out / config["model"]["init_args"]["translator"])
    return merge(config, {"model": {"init_args": {"translator": checkpoint}}})


def _quiet(folder: Path) -> dict[str, Any]:
    return {
        "default_root_dir": str(folder),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "logger": False,
    }


def _evaluation(cli: SonozooCLI, folder: Path) -> Evaluation:
    (evaluation,) = (callback for callback in cli.trainer.callbacks if isinstance(callback, Evaluation))
    evaluation.out_dir, evaluation.grid_images = folder, SAMPLES
    return evaluation


class _Reporter(pl.Callback):
    """Tells the runner which part of the training is done."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.max_epochs:
            self.progress((trainer.current_epoch + 1) / trainer.max_epochs)


def describe(data: UltrasoundDataModule, config: dict[str, Any]) -> dict[str, Any]:
    """What a table has to say of the data that its numbers were measured on."""
    evaluation = config.get("evaluation", {})
    return {
        "data": data.task.data or data.task.name,
        "task": data.task.name,
        "unit": data.task.target.unit,
        "size": list(data.size),
        "devices": sorted(set(data.rows["device"]) - {""}),
        "images": data.splits()["split"].value_counts().to_dict(),
        "lpips_weights": evaluation.get("lpips_weights"),
        "fid_weights": evaluation.get("fid_weights"),
    }


def environment() -> dict[str, str]:
    cuda = torch.cuda.is_available()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if cuda else f"{os.cpu_count()} CPU cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pytorch_lightning": pl.__version__,
        "system": platform.system(),
    }


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Everything that the process prints goes to the cell's log."""
    with open(path, "a", buffering=1) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        yield
        sys.stdout.flush()
        sys.stderr.flush()


def _last_error(log: Path) -> str:
    """What the command line's parser said last, in one line."""
    sys.stderr.flush()
    said = " ".join(log.read_text(errors="replace").split())
    return said[max(0, said.rfind(" error: ")) :].removeprefix(" error: ")[:300] or "the process ended without a word"

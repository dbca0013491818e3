"""One cell, from its config to its scores on disk, in a process of its own."""

import contextlib
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
import yaml
from filelock import FileLock, Timeout

from benchmarks.analyses.base import Measurement
from benchmarks.analyses.registry import ANALYSES
from benchmarks.cells import for_command_line
from benchmarks.layers import merge
from benchmarks.results import CellFolder, Metric, read_images
from benchmarks.run.budget import InUse, Stopwatch, updates
from benchmarks.run.samples import Samples
from datamodules.batch import Batch
from datamodules.disk import DiskError, fault_behind
from datamodules.endings import Ended, ended_by_signal
from datamodules.errors import InputError
from datamodules.ultrasound import UltrasoundDataModule
from zoo.checkpoints import read_checkpoint
from zoo.cli import SonozooCLI
from zoo.duration import LongRun
from zoo.evaluation import Evaluation
from zoo.method import Method
from zoo.output import Output
from zoo.translator import Translator

BUSY, REFUSED = 75, 74  # exit statuses: another process is running this cell; the disk has refused what it writes
GRID = 6  # rows of the pictures that the logger keeps
Progress = Callable[[float | str], None]  # takes which part of the training is done, or a line for the user


def run_cell(folder: CellFolder, config: dict[str, Any], threads: int, queue: Any = None) -> None:
    """Entry point of the cell's process. Exits with 0, 1 for a failure (see the folder), and where it is none: BUSY,
    REFUSED, or 130 or 143 if a signal has ended it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with ended_by_signal(), FileLock(folder / ".lock", timeout=0):
            if folder.finished:
                return
            with _output_to(folder.log):
                _run_marked(folder, config, threads, queue)
    except Timeout:
        sys.exit(BUSY)
    except Ended as ended:
        sys.exit(ended.status)


def _end_with_parent() -> None:
    """A runner that was killed cannot tell its cells to end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _run_marked(folder: CellFolder, config: dict[str, Any], threads: int, queue: Any) -> None:
    folder.clear_failure()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)

    def progress(told: float | str) -> None:
        if queue:
            queue.put((folder.path.name, told))

    try:
        with _long_runs_told(progress):
            _run(folder, config, progress)
    except Exception as error:
        bad_input = fault_behind(error, folder.path)
        if isinstance(bad_input, DiskError):
            progress(str(bad_input))
            sys.exit(REFUSED)
        traceback.print_exc()
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        folder.mark_failed("; ".join(str(bad_input).splitlines()) if bad_input else reason, traceback.format_exc())
        sys.exit(1)
    except SystemExit as error:
        if error.code == 2:  # a config that the command line refuses; it has written why to the log
            folder.mark_failed(_last_error(folder.log))
        raise


@contextlib.contextmanager
def _long_runs_told(progress: Progress) -> Iterator[None]:
    """Of what is warned of, the user hears what takes long; all of it is in the log."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if issubclass(category, LongRun):
            progress(str(message))
        shown(message, category, *args, **kwargs)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _run(folder: CellFolder, config: dict[str, Any], progress: Progress) -> None:
    folder.write_text("config.yaml", yaml.safe_dump(config, sort_keys=False))
    pl.seed_everything(config["seed_everything"], verbose=False)
    started = time.perf_counter()
    surroundings = _surroundings(folder)
    cli = SonozooCLI(args=merge(_runnable(config, folder), surroundings), run=False)
    data, model = cli.datamodule, cli.model
    measurements = _measurements(config)
    _callbacks(cli)[:0] = [callback for measurement in measurements for callback in measurement.callbacks()]
    timings = _train(cli, folder, progress)
    in_use = InUse()
    tests = {
        column: merge(_runnable(config | {"data": tested}, folder), surroundings)
        for column, tested in config.get("tests", {}).items()
    }
    tested = _test(cli, folder, tests, measurements, in_use)
    timings |= {"parameters_in_use": in_use.parameters, "total_s": time.perf_counter() - started}
    folder.write_splits(data.splits())
    folder.write_timings(timings)
    folder.write_environment(environment())
    folder.mark_finished(describe(data, _evaluation(cli, folder)) | tested, model.remark)


def _surroundings(folder: CellFolder) -> dict[str, Any]:
    """What the command line needs to know beside the cell's own config."""
    logger = {"save_dir": str(folder.path), "name": "", "version": _new_logs(folder)}
    return {
        "trainer": {
            "default_root_dir": str(folder.path),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "logger": {"class_path": "CSVLogger", "init_args": logger},
        },
        "checkpoint": {"save_top_k": 0, "monitor": None},  # the last epoch is what is tested
        "last_checkpoint": {"dirpath": str(folder.checkpoint.parent)},
    }


def _runnable(config: dict[str, Any], folder: CellFolder) -> dict[str, Any]:
    """The config as the command line takes it; a translator's checkpoint, which is named from the results folder on, is
    named in full."""
    config = for_command_line(config)
    translator = config["model"].get("init_args", {}).get("translator")
    if translator is None:
        return config
    return merge(config, {"model": {"init_args": {"translator": str(folder.path.parent.parent / translator)}}})


def _train(cli: SonozooCLI, folder: CellFolder, progress: Progress) -> dict[str, Any]:
    """Fit the model, or let it learn what it needs without training; return the timings."""
    started = time.perf_counter()
    if not cli.model.trainable:
        cli.datamodule.prepare_data()
        cli.datamodule.setup("test")
        cli.model.learn(cli.datamodule)
        progress(1.0)
        return {"fit_s": time.perf_counter() - started}
    stopwatch = Stopwatch()
    _callbacks(cli)[:0] = [_Reporter(progress), stopwatch]
    last = _checkpoint(folder, progress)
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=last, weights_only=True)
    except Exception as error:
        fault = InputError.behind(error)
        if last is not None and str(fault).startswith(f"{last}: "):
            raise InputError(f"{fault}; it is set aside as {_aside(last)}, --retry-failed starts anew") from error
        raise
    return {
        "fit_s": stopwatch.seconds,
        "epochs": cli.trainer.current_epoch,
        "updates": updates(cli.trainer, cli.model),
        "evaluations": cli.model.evaluations if isinstance(cli.model, Translator) else 1,
        "parameters": sum(weight.numel() for weight in cli.model.parameters()),
    }


def _checkpoint(folder: CellFolder, progress: Progress) -> Path | None:
    """From where training goes on; a checkpoint that cannot be read is set aside."""
    last = folder.checkpoint
    if not last.is_file():
        return None
    try:
        read_checkpoint(last)
    except InputError as error:
        progress(f"{error}; it is set aside as {_aside(last)}, and the training starts anew")
        return None
    return last


def _aside(checkpoint: Path) -> str:
    """Its new name, under which nothing goes on from it."""
    return checkpoint.replace(checkpoint.with_suffix(".damaged")).name


def _new_logs(folder: CellFolder) -> str:
    """A logger would empty the folder of an interrupted run, whose curves are still wanted."""
    earlier = len(folder.logs())
    return f"logs_{earlier}" if earlier else "logs"


def _measurements(config: dict[str, Any]) -> list[Measurement]:
    return [analysis.measurement(config[key]) for key, analysis in ANALYSES.items() if key in config]


def _test(
    cli: SonozooCLI,
    folder: CellFolder,
    tests: dict[str, dict[str, Any]],
    measurements: list[Measurement],
    in_use: InUse,
) -> dict[str, Any]:
    """Write the scores: of the test set, or of the test set of each column, one below the other; and what is measured
    beside them. Return the unit of each column's target, and what the data have to say."""
    parts: list[pd.DataFrame] = []
    units: dict[str, str] = {}
    remarks = [cli.datamodule.remark]
    metrics: dict[str, Metric] = {}
    for column in tests or [""]:
        own = SonozooCLI(args=tests[column], run=False) if column else cli
        _callbacks(own).insert(0, in_use)
        _callbacks(own).append(_Kept(measurements, column))
        _callbacks(own).append(Samples(folder, column, own.datamodule.task))
        of_column, known = _scores(own, cli.model, folder)
        for measurement in measurements:
            for name, of_images in measurement.finish(column, own.datamodule).items():
                of_column[name] = of_column["id"].map(of_images)
        parts.append(of_column.assign(column=column) if column else of_column)
        units |= {column: own.datamodule.task.target.unit} if column else {}
        remarks.append(own.datamodule.remark)
        metrics |= {metric.name: metric for metric in known}
    scores = pd.concat(parts)
    metrics |= {m.name: m for analysis in ANALYSES.values() for m in analysis.metrics if m.name in scores}
    folder.write_scores(scores, metrics.values())
    for measurement in measurements:
        measurement.write(folder)
    return {"units": units, "remarks": [*filter(None, dict.fromkeys(remarks))]}


def _scores(cli: SonozooCLI, model: Method, folder: CellFolder) -> tuple[pd.DataFrame, list[Metric]]:
    """Test the model; the scores of every image, those of the whole set beside each, and what there is to know of
    these metrics."""
    evaluation = _evaluation(cli, folder)
    cli.trainer.test(model, cli.datamodule, verbose=False)
    of_images, of_set = folder / "scores_test.csv", folder / "scores_test_set.csv"
    scores = read_images(of_images)
    if of_set.is_file():
        of_whole = pd.read_csv(of_set).drop(columns="images").iloc[0]
        scores = scores.assign(**of_whole.to_dict())
        of_set.unlink()
    of_images.unlink()
    return scores, [Metric(**facts) for facts in evaluation.described()]


def _evaluation(cli: SonozooCLI, folder: CellFolder) -> Evaluation:
    (evaluation,) = (callback for callback in _callbacks(cli) if isinstance(callback, Evaluation))
    evaluation.out_dir, evaluation.grid_images = folder.path, GRID
    return evaluation


def _callbacks(cli: SonozooCLI) -> list[pl.Callback]:
    return cli.trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it in a connector


class _Kept(pl.Callback):
    """Hands every batch of a test to what is measured."""

    def __init__(self, measurements: list[Measurement], column: str) -> None:
        self.measurements, self.column = measurements, column

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, *place: int
    ) -> None:
        assert isinstance(pl_module, Method), "the command line trains nothing else"
        output: Output = outputs
        for measurement in self.measurements:
            measurement.take(self.column, pl_module, batch, output)


class _Reporter(pl.Callback):
    """Tells the runner which part of the training is done."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.max_epochs:
            self.progress((trainer.current_epoch + 1) / trainer.max_epochs)


def describe(data: UltrasoundDataModule, evaluation: Evaluation) -> dict[str, Any]:
    """What a table has to say of the data that its numbers were measured on, and of the networks they stand on."""
    return {
        "data": data.task.data or data.task.name,
        "task": data.task.name,
        "unit": data.task.target.unit,
        "size": list(data.size),
        "devices": sorted(set(data.splits()["device"]) - {""}),
        "images": data.splits()["split"].value_counts().to_dict(),
        "pretrained": evaluation.pretrained,
    }


def environment() -> dict[str, str]:
    """The machine and the versions, for people to read."""
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

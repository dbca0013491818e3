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

from benchmarks.analyses.latent.space import LatentKeeper, write_latent
from benchmarks.analyses.radiomics.extraction import Settings
from benchmarks.analyses.radiomics.measurement import FeatureKeeper, write_features
from benchmarks.run.baselines import BASELINES
from benchmarks.suite import merge
from datamodules.errors import InputError
from datamodules.ultrasound import UltrasoundDataModule
from datamodules.writers import safe_name, write_image, write_text_atomically
from zoo.cli import SonozooCLI
from zoo.evaluation import Evaluation
from zoo.method import Method

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
    started = time.perf_counter()
    extra = _surroundings(folder)
    cli = SonozooCLI(args=merge(_runnable(config, folder), extra), run=False)
    data, model = cli.datamodule, _model(cli, config)
    timings = _train(cli, model, folder, progress)
    tests = {
        column: merge(_runnable(config | {"data": tested}, folder), extra)
        for column, tested in config.get("tests", {}).items()
    }
    units = _test(cli, model, folder, tests, config.get("radiomics"), config.get("latent", []))
    timings |= {"total_s": time.perf_counter() - started}
    write_text_atomically(folder / "splits.csv", data.splits().to_csv(index=False))
    write_text_atomically(folder / "timings.json", json.dumps(timings, indent=1))
    write_text_atomically(folder / "environment.json", json.dumps(environment(), indent=1))
    done = {"data": describe(data, config) | {"units": units}, "remark": model.remark}
    write_text_atomically(folder / "done.json", json.dumps(done, indent=1))


def _surroundings(folder: Path) -> dict[str, Any]:
    """What the command line needs to know beside the cell's own config."""
    logger = {"save_dir": str(folder), "name": "", "version": _new_logs(folder)}
    return {
        "trainer": {
            "default_root_dir": str(folder),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "logger": {"class_path": "CSVLogger", "init_args": logger},
        },
        "checkpoint": {"save_top_k": 0, "monitor": None},  # the last epoch is what is tested
        "last_checkpoint": {"dirpath": str(folder / "checkpoints")},
    }


def _runnable(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The config as the command line takes it: a trivial row has another model in its place, and a translator's
    checkpoint, which is named from the results folder on, is named in full."""
    config = {key: value for key, value in config.items() if key not in ("tests", "radiomics", "latent")}
    if config["model"]["class_path"] in BASELINES:
        return config | {"model": {"class_path": "SSWE", "init_args": {}}}
    arguments = config["model"]["init_args"]
    if "translator" not in arguments:
        return config
    return merge(config, {"model": {"init_args": {"translator": str(folder.parent.parent / arguments["translator"])}}})


def _model(cli: SonozooCLI, config: dict[str, Any]) -> Method:
    name, task = config["model"]["class_path"], cli.datamodule.task
    if name not in BASELINES:
        return cli.model
    return BASELINES[name](in_channels=task.source.channels, out_channels=task.target.channels)


def _train(cli: SonozooCLI, model: Method, folder: Path, progress: Progress) -> dict[str, Any]:
    """Fit the model, or let it learn what it needs without training; return the timings."""
    started = time.perf_counter()
    if not model.trainable:
        cli.datamodule.prepare_data()
        cli.datamodule.setup("test")
        model.learn(cli.datamodule)
        progress(1.0)
        return {"fit_s": time.perf_counter() - started}
    cli.trainer.callbacks.insert(0, _Reporter(progress))
    last = folder / "checkpoints" / "last.ckpt"
    cli.trainer.fit(model, cli.datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    if cli.trainer.interrupted:
        raise KeyboardInterrupt
    return {
        "fit_s": time.perf_counter() - started,
        "epochs": cli.trainer.current_epoch,
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }


def _new_logs(folder: Path) -> str:
    """A logger would empty the folder of an interrupted run, whose curves are still wanted."""
    earlier = len(list(folder.glob("logs*")))
    return f"logs_{earlier}" if earlier else "logs"


def _test(
    cli: SonozooCLI,
    model: Method,
    folder: Path,
    tests: dict[str, dict[str, Any]],
    radiomics: dict[str, Any] | None,
    latent: list[str],
) -> dict[str, str]:
    """Write ``scores.csv``: of the test set, or of the test set of each column, one below the other; and, if asked for,
    the radiomics features of the columns' images, and the latent space of those that ``latent`` names. Return the
    unit of each column's target."""
    if not tests:
        scores = _scores(cli, model, folder, samples_of(folder))
        write_text_atomically(folder / "scores.csv", scores.to_csv(index=False))
        return {}
    parts, features, spaces, units = [], [], {}, {}
    for column, config in tests.items():
        own, keeper = SonozooCLI(args=config, run=False), FeatureKeeper()
        units[column] = own.datamodule.task.target.unit
        own.trainer.callbacks += [keeper] if radiomics is not None else []
        if column in latent:
            spaces[column] = LatentKeeper()
            own.trainer.callbacks.append(spaces[column])
        parts.append(_scores(own, model, folder, samples_of(folder, column)).assign(column=column))
        if radiomics is not None:
            parts[-1]["Dice"] = parts[-1]["id"].map(keeper.dice())
            features.append(keeper.features(own.datamodule, Settings(**radiomics)).assign(column=column))
    write_text_atomically(folder / "scores.csv", pd.concat(parts).to_csv(index=False))
    if radiomics is not None:
        write_features(folder, features)
    if spaces:
        write_latent(folder, spaces)
    return units


def _scores(cli: SonozooCLI, model: Method, folder: Path, samples: Path) -> pd.DataFrame:
    """Test the model; the scores of every image, FID, which is of the whole set, beside each; write sample pictures."""
    evaluation = _evaluation(cli, folder)
    cli.trainer.test(model, cli.datamodule, verbose=False)
    for row, picture in zip(evaluation.rows, evaluation.panels, strict=False):
        write_image(samples / f"{safe_name(row['id'])}.png", picture / 127.5 - 1, cli.datamodule.task.source)
    of_images, of_set = folder / "scores_test.csv", folder / "scores_test_set.csv"
    scores = pd.read_csv(of_images)
    if of_set.is_file():
        scores["FID"] = pd.read_csv(of_set)["FID"].iloc[0]
        of_set.unlink()
    of_images.unlink()
    return scores


def samples_of(folder: Path, column: str = "") -> Path:
    """Where a cell's sample pictures lie: of its test set, or of a column of its table."""
    return folder / "samples" / (safe_name(column) if column else "")


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

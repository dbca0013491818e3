"""Every method at a size that trains in a second, as its own config has it under ``tiny``."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml

from datamodules import PhantomDataModule
from tests.conftest import ROOT
from zoo import METHODS
from zoo.evaluation import Evaluation
from zoo.metrics import make_metrics

ELSEWHERE: dict[str, Path] = {}  # configs that are not in configs/


def config_path(name: str) -> Path:
    return ELSEWHERE.get(name, ROOT / "configs" / f"{name}.yaml")


def config(name: str) -> dict[str, Any]:
    return yaml.safe_load(config_path(name).read_text())


def shrunk(name: str) -> dict[str, Any]:
    """Constructor arguments that make a config's method small."""
    return _arguments(config(name)["tiny"]["model"])


def eager(name: str) -> dict[str, Any]:
    """Those that, beside them, let it follow two images closely within a few steps."""
    return _arguments(config(name)["tiny"].get("overfit", {}))


def follows(name: str) -> str:
    """By what those few steps are seen: by the ``images`` that it makes, or by its ``loss``. That is for what makes
    images in many steps out of noise, each of which adds its own error."""
    return config(name)["tiny"].get("follows", "images")


def task_of(name: str) -> str:
    """The phantom's task that a config runs on."""
    return config(name)["data"]["init_args"]["task"]


def _arguments(read: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in read.items()}


TINY: dict[str, tuple[str, dict[str, Any]]] = {name: (task_of(name), shrunk(name)) for name in METHODS}


def data(task: str, **kwargs: Any) -> PhantomDataModule:
    settings = {"patients": 12, "size": (32, 32), "batch_size": 2, "drop_last": True, "num_workers": 0} | kwargs
    return PhantomDataModule(task, **settings)


def metrics(name: str) -> list[str]:
    """What a method's own task is scored by; LNCC has no value where nothing varies."""
    task = data(task_of(name)).task
    return [metric for metric in make_metrics(task.references, task.target) if not metric.startswith("LNCC")]


def loaded(data: PhantomDataModule):
    data.prepare_data()
    return data.images


def method(name: str, in_channels: int = 1, out_channels: int | None = None, **kwargs: Any):
    channels = data(task_of(name)).task.target.channels if out_channels is None else out_channels
    return METHODS[name](in_channels=in_channels, out_channels=channels, **(shrunk(name) | kwargs))


def trainer(folder, **kwargs: Any) -> pl.Trainer:
    settings = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "default_root_dir": folder,
    }
    return pl.Trainer(**(settings | kwargs))


def command(name: str, folder, *more: str) -> list[str]:
    """The command line that trains a method by its own config, made tiny."""
    return [
        "fit",
        f"--config={config_path(name)}",
        "--data.patients=12",
        "--data.size=[32,32]",
        "--data.batch_size=2",
        "--data.num_workers=0",
        *(f"--model.{key}={yaml_value(value)}" for key, value in shrunk(name).items()),
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--trainer.logger.save_dir={folder}",
        "--trainer.max_epochs=2",
        "--trainer.check_val_every_n_epoch=1",
        *more,
    ]


def yaml_value(value: Any) -> Any:
    """As it is written on the command line."""
    return "null" if value is None else list(value) if isinstance(value, tuple) else value


def evaluation(task, folder) -> Evaluation:
    return Evaluation(task, out_dir=folder, grid_images=1)

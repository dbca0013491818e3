"""Every method at a size that trains in a second."""

from typing import Any

import pytorch_lightning as pl

from datamodules import PhantomDataModule
from tests.conftest import ROOT
from zoo import METHODS
from zoo.evaluation import Evaluation
from zoo.metrics import make_metrics

# Constructor arguments that shrink a method, and the phantom task that its config runs on.
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "cyclegan": ("enhancement", {"perceptual_weights": None, "width": 4, "n_blocks": 1}),
    "harmonizer": ("harmonization", {"depth": 3, "width": 4, "constant_epochs": 1, "decay_epochs": 3}),
    "hsct": (
        "elastography",
        {
            "preset": "stable",
            "decay_epochs": 4,
            "widths": (8, 16, 32, 48),
            "depth": 1,
            "heads": 2,
            "positions": (4, 4),
            "disc_width": 8,
            "superpixels": 4,
            "patch_length": 32,
        },
    ),
    "pix2pix": ("elastography", {"depth": 3, "width": 4, "constant_epochs": 1, "decay_epochs": 3}),
    "sswe": ("swe", {"width": 4, "patience": 0}),
}


# What makes a method follow two images closely within a hundred epochs.
EAGER: dict[str, dict[str, Any]] = {
    "cyclegan": {"width": 16, "lr_generator": 3e-3, "lambda_adversarial": 0.0, "lambda_perceptual": 10.0},
    "harmonizer": {"width": 16, "lambda_identity": 10.0, "constant_epochs": 200},
    "hsct": {
        "lr": 1e-3,
        "decay_epochs": 200,
        "use_adv": False,
        "use_apc": False,
        "use_cmm": False,
        "lambda_pixel": 1.0,
    },
    "pix2pix": {"width": 16, "dropout": 0.0, "constant_epochs": 200, "lr": 2e-3},
    "sswe": {"width": 16, "dropout": 0.0, "lr": 5e-3, "patience": 100},
}


def data(task: str, **kwargs: Any) -> PhantomDataModule:
    settings = {"patients": 12, "size": (32, 32), "batch_size": 2, "drop_last": True, "num_workers": 0} | kwargs
    return PhantomDataModule(task, **settings)


def metrics(name: str) -> list[str]:
    """What a method's own task is scored by; LNCC has no value where nothing varies."""
    task = data(TINY[name][0]).task
    return [metric for metric in make_metrics(task.references, task.target) if metric != "LNCC"]


def loaded(data: PhantomDataModule):
    data.prepare_data()
    return data.images


def method(name: str, in_channels: int = 1, out_channels: int | None = None, **kwargs: Any):
    task, arguments = TINY[name]
    channels = data(task).task.target.channels if out_channels is None else out_channels
    return METHODS[name](in_channels=in_channels, out_channels=channels, **(arguments | kwargs))


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
    _, arguments = TINY[name]
    return [
        "fit",
        f"--config={ROOT / 'configs' / f'{name}.yaml'}",
        "--data.patients=12",
        "--data.size=[32,32]",
        "--data.batch_size=2",
        "--data.num_workers=0",
        *(f"--model.{key}={yaml_value(value)}" for key, value in arguments.items()),
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--trainer.logger.save_dir={folder}",
        "--trainer.max_epochs=2",
        *more,
    ]


def yaml_value(value: Any) -> Any:
    """As it is written on the command line."""
    return "null" if value is None else list(value) if isinstance(value, tuple) else value


def evaluation(task, folder) -> Evaluation:
    return Evaluation(task, out_dir=folder, grid_images=1)

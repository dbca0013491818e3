"""The command line: ``lightning fit|validate|test|predict --config configs/<method>.yaml``."""

import inspect
import logging
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from jsonargparse import Namespace, get_loader, set_loader
from pytorch_lightning import LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI
from pytorch_lightning.plugins import TorchCheckpointIO
from pytorch_lightning.utilities import rank_zero_only

import datamodules
from datamodules.bounded_yaml import OutOfBoundsError, check_bounds
from datamodules.disk import fault_behind
from datamodules.endings import Ended, ended_by_signal
from datamodules.errors import InputError
from datamodules.readers.faults import printable
from zoo.arguments import remade
from zoo.checkpoints import OF_TRAINING, arguments_of, check_continued, check_method, read_checkpoint
from zoo.choices import fault_in
from zoo.endings import Endings
from zoo.evaluation import Evaluation
from zoo.method import PLACES, Method, data_of
from zoo.predictions import PredictionWriter
from zoo.processes import AgreedError
from zoo.registry import METHODS
from zoo.resuming import Restoring
from zoo.saving import LastCheckpoint, WholeCheckpointIO
from zoo.versions import Versions

# Short names resolve only for classes that were imported.
NAMED = [*METHODS.values(), *(getattr(datamodules, name) for name in datamodules.__all__)]
TINY = "what makes this config small, for tests; not used otherwise"
FROM_DATA = {"in_channels", "out_channels"}  # which the task sets later
KEYWORDS = ("best", "last", "hpc", "registry")  # that Lightning takes in place of a path


class Summary(Callback):
    """Prints, once, what was read, before anything is trained on it."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = data_of(trainer)
        if trainer.is_global_zero and data is not None:
            print("\n".join(data.summary()), flush=True)


class OneLineParser(LightningArgumentParser):
    """Says in one line what it would explain on a page, where an argument is not there or none of its choices."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if self.exit_on_error and (fault := fault_in(message)):  # else this is a part, and the whole will say it
            raise InputError(fault) from ex
        if self.exit_on_error and (bad_input := InputError.behind(ex)):
            raise bad_input
        super().error(message, ex)

    def parse_path(self, cfg_path: Any, *args: Any, **kwargs: Any) -> Namespace:
        try:
            return super().parse_path(cfg_path, *args, **kwargs)
        except UnicodeDecodeError as error:
            raise InputError(f"{cfg_path}: not UTF-8 text ({error}); save it as such") from error


def bounded(text: str, path: Any = "") -> Any:
    """As the parser reads any YAML, a value or a file, once its size is known.

    Raises:
        InputError: it is too large.
    """
    try:
        check_bounds(text)
    except OutOfBoundsError as error:
        where = Path(path).absolute() if path else printable(text)
        raise InputError(f"{where}: cannot be read as YAML ({error}); write less") from error
    return read_any_yaml(text)


read_any_yaml = get_loader("yaml")
set_loader("yaml", bounded, (yaml.YAMLError,))


class SonozooCLI(LightningCLI):
    """LightningCLI with the data's task linked into model, evaluation and predictions, and a checkpoint callback."""

    def __init__(self, args: ArgsType = None, run: bool = True) -> None:
        self.restoring = Restoring()
        super().__init__(
            Method,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            save_config_kwargs={"overwrite": True},
            parser_kwargs={"prog": "sonozoo"},
            parser_class=OneLineParser,
            trainer_defaults={"callbacks": [self.restoring]},
            args=args,
            run=run,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(Evaluation, "evaluation")
        parser.add_lightning_class_args(PredictionWriter, "predictions")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_argument("--tiny", type=dict[str, Any] | None, default=None, help=TINY)
        parser.set_defaults({"checkpoint.save_on_train_epoch_end": True})
        parser.add_lightning_class_args(LastCheckpoint, "last_checkpoint")
        parser.link_arguments("data.task", "evaluation.task", apply_on="instantiate")
        parser.link_arguments("data.task", "predictions.task", apply_on="instantiate")
        for name, side in (("in_channels", "source"), ("out_channels", "target")):
            parser.link_arguments(
                "data.task",
                f"model.init_args.{name}",
                compute_fn=lambda task, side=side: getattr(task, side).channels,
                apply_on="instantiate",
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        trainer = super().instantiate_trainer(**kwargs)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # else the user has chosen
            trainer.strategy.checkpoint_io = WholeCheckpointIO()
        endings = Endings(Versions(trainer.loggers))
        trainer.callbacks.insert(0, endings)  # type: ignore[attr-defined]  # Lightning sets it in a connector
        return trainer

    def before_fit(self) -> None:
        self.trainer.callbacks.insert(0, Summary())  # type: ignore[attr-defined]  # Lightning sets it in a connector

    def _parse_ckpt_path(self) -> None:
        """Lay a checkpoint's arguments over the config's, and nothing else: Lightning would lay over the class, too.
        Those of inference that are not the method's defaults are left as they are asked for.

        Raises:
            InputError: there is no such checkpoint, it is one of another method, or was trained with another argument.
        """
        subcommand = self.config.get("subcommand") or ""
        config = self.config.get(subcommand) or {}
        self.restoring.asked = path = config.get("ckpt_path")
        if not path or path in KEYWORDS:
            return  # what a keyword finds, Method.on_load_checkpoint looks at
        checkpoint = read_checkpoint(path)
        module, _, name = config["model"]["class_path"].rpartition(".")
        check_method(path, checkpoint, name)
        kind: type[Method] = getattr(import_module(module), name)
        remade(path, kind, checkpoint)  # before any data are read
        given = vars(config["model"].get("init_args", Namespace()))
        asked = {key: value for key, value in given.items() if value is not None and key not in FROM_DATA}
        own = {key: asked.pop(key) for key in PLACES if key in asked}
        if subcommand != "fit":  # where only what tells one kind of training from another may not be overruled
            usual = inspect.signature(kind).parameters
            anew = [key for key in kind.of_inference if asked.get(key, usual[key].default) != usual[key].default]
            own |= {key: asked[key] for key in anew}
            asked = {key: value for key, value in asked.items() if key in OF_TRAINING}
        check_continued(path, asked, checkpoint)
        arguments = {key: value for key, value in arguments_of(checkpoint).items() if key not in FROM_DATA} | own
        model = {"class_path": config["model"]["class_path"], "init_args": arguments}
        self.config = self.parser.parse_object({subcommand: {"model": model}}, self.config)


def main(args: ArgsType = None) -> int:
    """Run one command; return its exit status: 0, 2 for bad input or surroundings, with one clear line for each fault,
    130 or 143 if a signal (SIGINT or SIGTERM) has ended it."""
    os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    torch.set_float32_matmul_precision("high")
    torch.set_flush_denormal(True)  # a saturated network would otherwise slow a CPU down tenfold
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(
        lambda record: "Tip" not in record.getMessage()
    )
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # pytorch-lightning 2.6 on torch 2.15
    try:
        with ended_by_signal():
            SonozooCLI(args)
    except Ended as ended:
        _say(ended)
        return ended.status
    except Exception as error:
        fault = fault_behind(error, Path.cwd())
        if fault is None:
            raise
        _say(fault)
        return 2
    return 0


def _say(error: BaseException) -> None:
    """In a line of its own each; what is known to all processes, once."""
    if isinstance(error, Ended | AgreedError) and getattr(rank_zero_only, "rank", 0) != 0:
        return
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

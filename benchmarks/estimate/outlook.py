"""What is foreseen of one cell: its network is built by the cell's own config and takes a few steps on noise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pytorch_lightning.callbacks import Timer

from benchmarks.cells import for_command_line
from benchmarks.layers import merge
from benchmarks.run.budget import UsedParameters
from benchmarks.speed.clock import Moment
from benchmarks.speed.steps import noise, training_step
from datamodules.batch import Batch
from datamodules.ultrasound import UltrasoundDataModule
from zoo.cli import SonozooCLI
from zoo.method import Method
from zoo.translator import Translator

FEW = 2  # images, of a first step that tells whether whole batches can be waited for
SLOW_S = 2.0  # what cannot
REPEATS = 2
QUIET = {"trainer": {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}}


@dataclass(frozen=True)
class Outlook:
    """``parameters`` that an image passes through, ``updates`` in all, and ``seconds`` for them, for validations and
    for the translation of test images. NaN is what is not known, and ``why`` says why not."""

    parameters: float = math.nan
    updates: float = math.nan
    seconds: float = math.nan
    why: str = ""

    @property
    def known(self) -> bool:
        return not math.isnan(self.seconds)


def outlook(config: dict[str, Any]) -> Outlook:
    """Of a cell's config. No image is read or simulated."""
    cli = SonozooCLI(args=merge(for_command_line(config), QUIET), run=False)
    method, data = cli.model, cli.datamodule
    if not method.trainable:
        return Outlook(0, 0, 0.0)
    pace = Pace.measured(method, data, cli.trainer)
    images = data.expected()
    if images is None:
        return Outlook(pace.parameters, why="how many images there are is known once they are read")
    train, val = images.get("train", 0), images.get("val", 0)
    updates = expected_updates(cli.trainer, _batches(train, data.batch_size, data.drop_last))
    if updates is None:
        return Outlook(pace.parameters, why="its trainer ends by another rule than epochs or steps")
    looked_at = max(1, len(config.get("tests", {}))) * images.get(data.test_split, 0)
    looked_at += validated(cli.trainer, _batches(val, data.batch_size)) * data.batch_size
    return Outlook(pace.parameters, updates, updates * pace.step_s + looked_at * pace.image_s)


@dataclass(frozen=True)
class Pace:
    """Seconds of a training step on a whole batch, and of the inference of one image."""

    step_s: float
    image_s: float
    parameters: int

    @classmethod
    def measured(cls, method: Method, data: UltrasoundDataModule, trainer: Any) -> "Pace":
        """On as many images as can be waited for: of fewer than a batch, time is taken to grow as they do."""
        device = trainer.strategy.root_device
        method.to(device).setup("fit")
        method.train()
        autocast = trainer.precision_plugin.forward_context
        few, whole = min(FEW, data.batch_size), data.batch_size
        make = partial(noise, data.task, data.size, device=device)
        batch = make(images=few)
        step = training_step(method, batch, autocast)
        first = _seconds(step, device)
        if first * whole / few < SLOW_S:
            few, batch = whole, make(images=whole)
            step = training_step(method, batch, autocast)
            _seconds(step, device)  # to warm up
            seconds = sum(_seconds(step, device) for _ in range(REPEATS)) / REPEATS
        else:
            seconds = _seconds(step, device)
        method.eval()
        with torch.inference_mode(), UsedParameters() as used, autocast():
            look = _seconds(partial(_look, method, batch), device)
        passes = method.evaluations if isinstance(method, Translator) else 1
        return cls(seconds * whole / few, look * passes / few, used.of(method))


def expected_updates(trainer: Any, batches: int) -> int | None:
    """Of so many batches an epoch; a GAN's count once. None where something else ends the training."""
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]  # made by max_time
    if timers or (trainer.max_epochs < 0 and trainer.max_steps < 0):
        return None
    an_epoch = math.ceil(_limited(batches, trainer.limit_train_batches) / trainer.accumulate_grad_batches)
    ends = [trainer.max_epochs * an_epoch, trainer.max_steps]
    return min(end for end in ends if end >= 0)


def validated(trainer: Any, batches: int) -> int:
    """How many batches of validation images are looked at, in all epochs."""
    times = max(0, trainer.max_epochs) // (trainer.check_val_every_n_epoch or 1)
    return times * _limited(batches, trainer.limit_val_batches)


def _limited(batches: int, limit: int | float) -> int:
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _batches(images: int, size: int, drop_last: bool = False) -> int:
    return images // size if drop_last else math.ceil(images / size)


def _look(method: Method, batch: Batch) -> None:
    """One pass of the networks that are used."""
    if isinstance(method, Translator):
        method.one_pass(batch["source"])
    else:
        method.infer(batch)


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    started = Moment(device)
    call()
    return Moment(device).since(started) / 1000

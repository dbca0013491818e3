"""A training goes on from a checkpoint with all that was saved, or not at all.

Lightning lays a checkpoint over a trainer without a word about what it lacks: fewer optimizers than there are, moments
of none of the weights, no schedules, epochs counted from 0 again. So both are compared before.
"""

import inspect
import math
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.connectors import checkpoint_connector
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from datamodules.errors import InputError
from datamodules.readers.faults import one_line, printable
from zoo.checkpoints import ANOTHER, is_dense, not_finite

SAVED = {
    "hyper_parameters": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
    "callbacks": dict,
    "random_state": dict,
}
STEPPED = "optimizer_parameters"  # in a checkpoint: of how many weights each optimizer keeps something


class Restoring(Callback):
    """What fails while Lightning looks for a checkpoint and lays it over trainer and method, or while optimizers are
    made by its arguments, is said to be the checkpoint's fault.

    ``asked`` is what the command line names; nothing is tested on weights that were not found.
    """

    asked: str | None = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        frames = [frame for frame, _ in traceback.walk_tb(exception.__traceback__)]
        laying_over = any(frame.f_globals["__name__"] == checkpoint_connector.__name__ for frame in frames)
        making = trainer.ckpt_path and any(frame.f_code.co_name == "configure_optimizers" for frame in frames)
        if not (laying_over or making) or InputError.behind(exception) is not None:
            return
        # As its cause, for the exception itself is on its way already.
        exception.__cause__ = InputError(
            f"{trainer.ckpt_path or self.asked}: cannot be used as a checkpoint ({type(exception).__name__}: "
            f"{one_line(exception)}); {ANOTHER}"
        )

    def _check_found(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.asked and not trainer.ckpt_path and trainer.state.fn != TrainerFn.FITTING:
            raise InputError(f"ckpt_path '{self.asked}': there is no such checkpoint; name the last.ckpt of a run")

    on_validation_start = on_test_start = on_predict_start = _check_found


def check_saved(where: str, checkpoint: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Raises InputError if a checkpoint has not all that a training needs to go on.

    Args:
        arguments: the hyper-parameters of the method that goes on; one that has none saves none.
    """
    for name, kind in SAVED.items():
        if not isinstance(checkpoint.get(name), kind) and (arguments or name != "hyper_parameters"):
            raise InputError(
                f"{where}: has no {name}, without which a training cannot go on; {ANOTHER}, or start without it "
                "(it can still be tested and used to predict)"
            )


def check_resumed(where: str, checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
    """Raises InputError with the first thing that a checkpoint lacks of what the trainer has, or has in another form.

    Args:
        checkpoint: one that :func:`check_saved` has passed.
        trainer: when its optimizers are made, and nothing is laid over them yet.
    """
    for fault in _differences(checkpoint, trainer):
        raise InputError(f"{where}: {fault}; {ANOTHER}")


def _differences(checkpoint: Mapping[str, Any], trainer: Trainer) -> Iterator[str]:
    states, optimizers, saved = checkpoint["optimizer_states"], trainer.optimizers, checkpoint["loops"].get("fit_loop")
    if len(states) != len(optimizers):
        yield f"has {len(states)} optimizer states, and this training has {len(optimizers)} optimizers"
        return
    stepped = checkpoint.get(STEPPED, [1 for _ in states])  # earlier versions did not count
    yield from _unlike(STEPPED, [0 for _ in states], stepped)
    for number, optimizer in enumerate(optimizers):
        for fault in _of_optimizer(states[number], optimizer, stepped[number]):
            yield f"optimizer {number}: {fault}"
    schedules = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
    yield from _unlike("lr_schedulers", schedules, checkpoint["lr_schedulers"])
    yield from _unlike("fit_loop", trainer.fit_loop.state_dict(), saved)
    if saved["epoch_progress"]["current"]["completed"] != checkpoint.get("epoch"):
        yield f"says that it is of epoch {checkpoint.get('epoch')}, and counts another"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning sets it in a connector
        if callback.state_key in checkpoint["callbacks"]:
            of_callback = checkpoint["callbacks"][callback.state_key]
            yield from _unlike(type(callback).__name__, callback.state_dict(), of_callback)
    yield from _of_random_state(checkpoint["random_state"], trainer.strategy.root_device)


def _of_optimizer(saved: Any, optimizer: Optimizer, least: int) -> Iterator[str]:
    """What torch does not look at, and may crash by: it compares the number of groups, and of weights in each."""
    own = optimizer.state_dict()
    yield from _unlike("state", own, saved)
    if [group["params"] for group in own["param_groups"]] != [group["params"] for group in saved["param_groups"]]:
        yield "is one of other weights"
    weights = dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
    kept, keeps = saved["state"], _keeps(optimizer)
    if keeps and len(kept) < least:
        yield f"has states of {len(kept)} of its {len(weights)} weights, where there were {least} or more"
    for number, values in kept.items():
        if number not in weights or not isinstance(values, dict) or not keeps.keys() <= values.keys():
            yield f"the state of weight {number} is not {', '.join(keeps)} of one of its weights"
            return
        for name, like_weight in keeps.items():
            shape = tuple(weights[number].shape) if like_weight else ()
            yield from _of_tensor(f"{name} of weight {number}", values[name], shape)


def _keeps(optimizer: Optimizer) -> dict[str, bool]:
    """What an optimizer keeps of each weight, and whether in the weight's shape: seen where one of its kind, with the
    settings of its first group, takes a step. Nothing of one that cannot be tried so, and is left to torch."""
    probe = torch.zeros(2, requires_grad=True)
    probe.grad = torch.zeros(2)
    known = inspect.signature(type(optimizer)).parameters
    settings = {name: value for name, value in optimizer.param_groups[0].items() if name in known and name != "params"}
    try:
        like = type(optimizer)([probe], **settings)
        like.step()
    except Exception:
        return {}
    return {name: value.shape == probe.shape for name, value in like.state[probe].items() if isinstance(value, Tensor)}


def _of_tensor(name: str, value: Any, shape: tuple[int, ...]) -> Iterator[str]:
    if not isinstance(value, Tensor) or tuple(value.shape) != shape or not is_dense(value):
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        yield f"{name} is {found}, and has to be {shape}"
    elif not_finite(value):
        yield f"{name} holds NaN or infinite numbers"


def _unlike(name: str, own: Any, saved: Any) -> Iterator[str]:
    """Where ``saved`` lacks what ``own`` has, or has it of another kind. What begins with an underscore, or is off, may
    lack: so do names that a later version of torch brings."""
    if isinstance(own, dict):
        if not isinstance(saved, dict):
            yield f"{name} is {_said(saved)}"
            return
        for key in own:
            if key in saved:
                yield from _unlike(f"{name}.{key}", own[key], saved[key])
            elif own[key] is not None and own[key] is not False and not str(key).startswith("_"):
                yield f"{name} has no {key}"
    elif isinstance(own, list | tuple):
        if not isinstance(saved, list | tuple) or len(saved) != len(own):
            yield f"{name} is {_said(saved)}"
            return
        for number, (of_own, of_saved) in enumerate(zip(own, saved, strict=True)):
            yield from _unlike(f"{name}.{number}", of_own, of_saved)
    elif isinstance(own, int | float):
        number = isinstance(saved, int | float)
        if not number or math.isnan(saved) or (math.isinf(saved) and not math.isinf(own)):
            yield f"{name} is {_said(saved)}"
    elif isinstance(own, str) and not isinstance(saved, str):
        yield f"{name} is {_said(saved)}"


def _said(value: Any) -> str:
    """A value of another kind, in few words."""
    if isinstance(value, dict | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    return f"'{printable(str(value))}'" if isinstance(value, str | int | float) else type(value).__name__


def _of_random_state(saved: dict[str, Any], device: torch.device) -> Iterator[str]:
    """Tried on generators that nobody uses; one of a training on another device may be missing."""
    devices = {"cpu": torch.device("cpu")} | ({"cuda": device} if "cuda" in saved and device.type == "cuda" else {})
    for name, place in devices.items():
        try:
            torch.Generator(place).set_state(saved.get(name))  # type: ignore[arg-type]
        except (TypeError, RuntimeError, AttributeError) as error:
            yield f"random_state {name} cannot be set ({one_line(error)})"

"""Monitors: whether the score that training is stopped by, or a checkpoint kept by, is logged, and read the right way
round."""

from collections.abc import Mapping

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from datamodules.errors import InputError
from zoo.method import data_of

Monitor = EarlyStopping | ModelCheckpoint
MODES = {True: "max", False: "min"}


def check_monitors(trainer: pl.Trainer, logged: Mapping[str, bool | None]) -> None:
    """Of what is monitored under ``val/``, which the evaluation has to itself; ``logged`` are its names, and whether
    the higher is the better (None: neither). Where nothing is validated, a ModelCheckpoint keeps by nothing.

    Raises:
        InputError: nothing is validated, though training waits for it; the score is none of ``logged``; or ``mode``
            takes the worse for the better.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it in a connector
    monitors = [callback for callback in callbacks if isinstance(callback, Monitor)]
    monitors = [callback for callback in monitors if (callback.monitor or "").startswith("val/")]
    unvalidated = _unvalidated(trainer)
    if unvalidated:
        stopping = [callback for callback in monitors if isinstance(callback, EarlyStopping)]
        InputError.raise_for(f"EarlyStopping waits for {callback.monitor}, {unvalidated}" for callback in stopping)
        return
    InputError.raise_for(filter(None, (_fault(callback, logged) for callback in monitors)))


def _unvalidated(trainer: pl.Trainer) -> str:
    """Why nothing is, and the remedy; "" where something is."""
    if not trainer.enable_validation:
        return "and nothing is validated; raise trainer.limit_val_batches above 0, or monitor another value"
    data = data_of(trainer)
    if data is not None and not (data.splits()["split"] == "val").any():
        return "and there is no image to validate on; give data.fractions a part for it, or monitor another value"
    return ""


def _fault(callback: Monitor, logged: Mapping[str, bool | None]) -> str:
    kind, monitor = type(callback).__name__, str(callback.monitor)
    name = monitor.removeprefix("val/")
    if name not in logged:
        return (
            f"{kind} waits for {monitor}, and this run logs val/{', val/'.join(sorted(logged))}; monitor one of these"
        )
    higher = logged[name]
    if higher is None or callback.mode == MODES[higher]:
        return ""
    better = "higher" if higher else "lower"
    return (
        f"{kind} monitors {monitor} by mode {callback.mode}, and the {better} is the better; set mode {MODES[higher]}"
    )

"""Processes: what several of them have to agree on, and that none is left behind."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from torch import Tensor

from datamodules.errors import InputError

GRACE_S = 1  # for a child that is at its end already
PATIENCE_S = 3  # for those that wait for the others and cannot hear a signal


class AgreedError(InputError):
    """Found by all processes of a run together, so that one of them says it."""


def from_all(value: Any) -> list[Any]:
    """What every process of a run has, in their order; each must ask."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def of_this(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """``count`` random rows of this process' own, in a run of several whose generators go together, as they have to for
    a checkpoint: each draws the rows of all, and takes its part."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return draw(count)
    first = torch.distributed.get_rank() * count
    return draw(count * torch.distributed.get_world_size())[first : first + count]


def gathered(rows: list[dict]) -> list[dict]:
    """The rows of all processes, each image once, though a distributed sampler may repeat some."""
    return list({row["id"]: row for part in from_all(rows) for row in part}.values())


def end_children(launcher: Any) -> set[int]:
    """End the processes that this one has started for a run; none of them goes on alone.

    Returns:
        the exit statuses of those that have ended by themselves.
    """
    if not isinstance(launcher, _SubprocessScriptLauncher):  # else Lightning's own way is the end of them
        return set()
    children, launcher.procs[:] = list(launcher.procs), []  # or Lightning, which watches it, kills us with the first
    _wait(children, GRACE_S)
    ended = {child.returncode for child in children if child.returncode is not None}
    for child in children:
        child.terminate()
    _wait(children, PATIENCE_S)
    for child in children:
        child.kill()
    return ended


def _wait(children: list[subprocess.Popen], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)

"""Processes: what several of them have to agree on, and that none is left behind."""

import subprocess
from contextlib import suppress
from typing import Any

import torch

PATIENCE_S = 3  # for a child that waits for the others and cannot hear a signal


def from_all(value: Any) -> list[Any]:
    """What every process of a run has, in their order; each must ask."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def gathered(rows: list[dict]) -> list[dict]:
    """The rows of all processes, each image once, though a distributed sampler may repeat some."""
    return list({row["id"]: row for part in from_all(rows) for row in part}.values())


def end_children(launcher: Any) -> None:
    """End the processes that this one has started for a run; none of them goes on alone."""
    own: list[subprocess.Popen] = getattr(launcher, "procs", [])
    children, own[:] = list(own), []  # else Lightning, which watches this list, kills us with the first that ends
    for child in children:
        child.terminate()
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
        child.kill()

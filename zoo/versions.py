"""Versions: of two runs that start together, each has a folder of its own."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only


def claim_versions(loggers: Iterable[Logger]) -> None:
    """Let every logger that numbers its folders make its folder when it takes a number, so that no other run takes
    the same."""
    for logger in loggers:
        own: Any = logger
        if hasattr(own, "_get_next_version") and own._version is None and getattr(rank_zero_only, "rank", 0) == 0:
            own._get_next_version = partial(_claim, own, own._get_next_version)


def _claim(logger: Any, next_version: Callable[[], int]) -> int:
    root = str(logger.root_dir)
    while True:
        version = next_version()
        if "://" in root:  # where nobody can make a folder first
            return version
        try:
            (Path(root) / f"version_{version}").mkdir(parents=True)
        except FileExistsError:
            continue
        return version

"""Versions: of two runs that start together, each has a folder of its own."""

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from datamodules.disk import refusals


class Versions:
    """Lets every logger that numbers its folders make its folder when it takes a number, so that no other run takes
    the same.

    Args:
        loggers: of a trainer.
    """

    def __init__(self, loggers: Iterable[Logger]) -> None:
        self.made: list[Path] = []
        for logger in loggers:
            own: Any = logger
            if hasattr(own, "_get_next_version") and own._version is None and getattr(rank_zero_only, "rank", 0) == 0:
                own._get_next_version = self._claiming(own, own._get_next_version)

    def release(self) -> None:
        """Remove the folders that were made and hold nothing: of a run that was refused before it wrote anything."""
        for folder in reversed(self.made):
            with suppress(OSError):
                folder.rmdir()

    def _claiming(self, logger: Any, next_version: Callable[[], int]) -> Callable[[], int]:
        def claim() -> int:
            if "://" in str(logger.root_dir):  # where nobody can make a folder first
                return next_version()
            with refusals(Path(logger.root_dir)):
                return self._make_next(Path(logger.root_dir), next_version())

        return claim

    def _make_next(self, root: Path, first: int) -> int:
        new = [folder for folder in (*reversed(root.parents), root) if not folder.exists()]
        root.mkdir(parents=True, exist_ok=True)
        for version in itertools.count(first):
            with suppress(FileExistsError):
                (root / f"version_{version}").mkdir()
                break
        self.made += [*new, root / f"version_{version}"]
        return version

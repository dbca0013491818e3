"""Leftovers: what a killed process has left half-written, known by the lock that died with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, so nothing is removed
    fcntl = None  # type: ignore[assignment]

PART = ".part"  # ending of a file that is being written


@contextmanager
def open_part(path: Path) -> Iterator[IO[bytes]]:
    """A new hidden file beside ``path``, locked for as long as it is open."""
    start = f".{path.name[:40]}."
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=start, suffix=PART, delete=False) as file:
        _lock(file, wait=True)  # for a sweep that may just be at it
        if Path(file.name).exists():
            yield file
            return
    with open_part(path) as file:  # a sweep came before the lock
        yield file


@cache
def sweep(folder: Path) -> None:
    """Remove, once a process, the parts in a folder whose writers are gone."""
    for part in folder.glob(f".*{PART}"):
        try:
            with part.open("r+b") as file:
                if _lock(file):
                    part.unlink()
        except OSError:  # another has removed it, or may alone
            continue


def _lock(file: IO[bytes], wait: bool = False) -> bool:
    """Whether nobody else holds the file. Where a file system has no locks, nobody is said to be gone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (OSError, AttributeError):
        return False
    return True

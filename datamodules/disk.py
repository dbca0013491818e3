"""The disk: room and permission. What it refuses is said in one line that names the folder and what to do."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamodules.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # of a disk, a quota, a limit on files
UNMISTAKABLE = FULL | {errno.EROFS}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}


class DiskError(InputError):
    """The input was good; the disk has refused. With room, or another folder, the same command goes on.

    Attributes:
        checkpoint: from which it does so, where there is one.
    """

    checkpoint = ""

    def __str__(self) -> str:
        return super().__str__() + (f", with --ckpt_path {self.checkpoint}" if self.checkpoint else "")


@contextmanager
def refusals(folder: Path, needed: int = 0, remedy: str = "name another folder") -> Iterator[None]:
    """What the disk refuses within the block becomes a DiskError.

    Args:
        folder: that is written to.
        needed: bytes that are written there, where that is known.
        remedy: what else to do, where the folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if (line := refusal(error, folder, needed, remedy)) is None:
            raise
        raise DiskError(line) from error


def refusal(error: OSError, folder: Path, needed: int = 0, remedy: str = "name another folder") -> str | None:
    """The line on an error of the disk; None if it is another's."""
    if error.errno in FULL:
        return _full(folder, needed)
    if error.errno in CLOSED:
        return f"{folder}: cannot be written to ({os.strerror(error.errno).lower()}); make it writable, or {remedy}"
    return None


def fault_behind(error: BaseException, folder: Path) -> InputError | None:
    """The bad input that is behind an error, or one made of what the disk refused; ``folder`` is what was written to
    where the error does not say. None where it is neither."""
    found = InputError.behind(error)
    if found is None and isinstance(error, OSError):
        earlier = InputError.behind(error.__context__)  # tidying up after a full disk meets the same
        full = error.errno in UNMISTAKABLE  # of others only who writes knows that it was no reading
        line = refusal(error, Path(error.filename) if error.filename else folder) if full else None
        return earlier or (DiskError(line) if line else None)
    return found


def check_room(folder: Path, needed: int) -> None:
    """Raises DiskError if fewer than that many bytes are free in a folder."""
    if _free(folder) < needed:
        raise DiskError(_full(folder, needed))


def reserve(file: Path) -> None:
    """Take the blocks of a file that is there by its size alone. Written through a memory map, it would otherwise end
    the process (SIGBUS) where the disk becomes full; now that raises an OSError here."""
    size = file.stat().st_size
    if size and hasattr(os, "posix_fallocate"):  # macOS has none
        with file.open("r+b") as opened:
            try:
                os.posix_fallocate(opened.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # of a disk that cannot
                    raise


def _full(folder: Path, needed: int) -> str:
    room = f"; {_size(needed)} are needed there and {_size(_free(folder))} are free" if needed else ""
    return f"{folder}: the disk is full{room}; make room and run the same command again"


def _free(folder: Path) -> int:
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    return shutil.disk_usage(there).free


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
